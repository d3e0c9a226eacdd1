#pragma once

/*
 * The owner of libev: one loop a process. A watch or a timer only calls its
 * function; by the house's rule that function does no work but queues tasks.
 */

#include <ev.h>

#include "base/list.h"
#include "base/obj.h"

struct loop {
    unsigned magic;
    struct ev_loop *ev;
    struct ev_check first, check; /* before and behind all others of a turn */
    struct ev_idle idle;
    struct list ready;   /* tasks to run in this turn */
    struct list yielded; /* tasks that used up their budget: next turn */
    unsigned long turns;
    bool is_stopped;
};

enum { WATCH_READ = EV_READ, WATCH_WRITE = EV_WRITE };

struct watch {
    struct ev_io ev;
    struct loop *loop;
    void (*on_ready)(struct watch *, int events);
};

struct timer {
    struct ev_timer ev;
    struct loop *loop;
    void (*on_expire)(struct timer *);
};

struct loop *loop_new(void); /* epoll; dies where there is none */
void loop_free(struct loop *l);
void loop_run(struct loop *l);  /* until loop_stop() */
void loop_stop(struct loop *l); /* after the turn that runs now */

/* A watch starts disabled. `fd` stays the caller's; disable before close. */
void watch_init(struct watch *w, struct loop *l, int fd,
    void (*on_ready)(struct watch *, int events));
void watch_set(struct watch *w, int events); /* 0 disables */
int watch_events(const struct watch *w);

/* One-shot, `seconds` from now. Starting again moves it. */
void timer_init(
    struct timer *t, struct loop *l, void (*on_expire)(struct timer *));
void timer_start(struct timer *t, double seconds);
void timer_stop(struct timer *t);
bool timer_is_active(const struct timer *t);

/* "4.33", of the libev that runs; returns `text`. */
#define LOOP_LIBRARY_MAX 24
const char *loop_library(char text[LOOP_LIBRARY_MAX]);
