#pragma once

/*
 * One event loop for each process; the owner of libev. A watch or a timer calls
 * its function; by the rule of the house that function does no work and only
 * wakes tasks.
 */

#include <ev.h>

#include "base/list.h"
#include "base/obj.h"

struct loop {
    unsigned magic;
    struct ev_loop *ev;
    struct ev_check first,
        check; /* run before, and after, all other watchers of a turn */
    struct ev_idle idle;
    struct list ready;   /* tasks to run in this turn */
    struct list yielded; /* tasks that used up their budget of this turn */
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

struct loop *loop_new(void); /* by epoll; without it the process ends */
void loop_free(struct loop *l);
void loop_run(struct loop *l);  /* until loop_stop() */
void loop_stop(struct loop *l); /* after the turn that runs now */

/* A watch starts disabled. `fd` stays the caller's, who disables the watch
 * before he closes it. */
void watch_init(struct watch *w, struct loop *l, int fd,
    void (*on_ready)(struct watch *, int events));
void watch_set(struct watch *w, int events); /* 0 disables */
int watch_events(const struct watch *w);

/* A timer expires once, `seconds` from now. Starting it again moves it. */
void timer_init(
    struct timer *t, struct loop *l, void (*on_expire)(struct timer *));
void timer_start(struct timer *t, double seconds);
void timer_stop(struct timer *t);
bool timer_is_active(const struct timer *t);

/* The version of libev at run time, as "4.33". Returns `text`. */
#define LOOP_LIBRARY_MAX 24
const char *loop_library(char text[LOOP_LIBRARY_MAX]);
