/*
 * The event loop. One check watcher runs before all other watchers of a turn
 * and sets the clock, so that deadlines are compared with the present time.
 * Another one runs after them and drains the run queue. Tasks that yielded are
 * run in the next turn; an idle watcher keeps that turn's poll from blocking.
 */

#include "net/loop.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/task.h"

#define LOOP_MAGIC 0x100b10b1u

static void
loop_drain(struct loop *l)
{
    struct list *node = list_pop(&l->ready);
    while (node != NULL) {
        task_run(container_of(node, struct task, queued));
        node = list_pop(&l->ready);
    }
    l->turns++;
    if (list_is_empty(&l->yielded)) {
        ev_idle_stop(l->ev, &l->idle);
    } else {
        list_splice_tail(&l->ready, &l->yielded);
        ev_idle_start(l->ev, &l->idle);
    }
}

static void
on_first(struct ev_loop *ev, struct ev_check *w, int events)
{
    (void)ev, (void)w, (void)events;
    clock_update();
}

static void
on_check(struct ev_loop *ev, struct ev_check *w, int events)
{
    (void)w, (void)events;
    loop_drain(ev_userdata(ev));
}

static void
on_idle(struct ev_loop *ev, struct ev_idle *w, int events)
{
    (void)ev, (void)w, (void)events;
}

struct loop *
loop_new(void)
{
    struct loop *l = xcalloc(sizeof *l);
    l->magic = LOOP_MAGIC;
    l->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (l->ev == NULL) {
        PANIC("no epoll");
    }
    ev_set_userdata(l->ev, l);
    list_init(&l->ready);
    list_init(&l->yielded);
    ev_check_init(&l->first, on_first);
    ev_set_priority(&l->first, EV_MAXPRI);
    ev_check_start(l->ev, &l->first);
    ev_check_init(&l->check, on_check);
    ev_set_priority(&l->check, EV_MINPRI);
    ev_check_start(l->ev, &l->check);
    ev_idle_init(&l->idle, on_idle);
    return l;
}

void
loop_free(struct loop *l)
{
    CHECK(l, LOOP_MAGIC);
    AN(list_is_empty(&l->ready));
    ev_check_stop(l->ev, &l->first);
    ev_check_stop(l->ev, &l->check);
    ev_idle_stop(l->ev, &l->idle);
    ev_loop_destroy(l->ev);
    l->magic = 0;
    xfree(l);
}

void
loop_run(struct loop *l)
{
    CHECK(l, LOOP_MAGIC);
    l->is_stopped = false;
    clock_update();
    ev_now_update(l->ev); /* timers count from now, too */
    loop_drain(l);        /* tasks that were woken before the first turn */
    if (!l->is_stopped) { /* ev_run() forgets an ev_break() that came before it
                           */
        ev_run(l->ev, 0);
    }
}

void
loop_stop(struct loop *l)
{
    l->is_stopped = true;
    ev_break(l->ev, EVBREAK_ALL);
}

static void
on_watch(struct ev_loop *ev, struct ev_io *io, int events)
{
    (void)ev;
    struct watch *w = container_of(io, struct watch, ev);
    w->on_ready(w, events);
}

void
watch_init(struct watch *w, struct loop *l, int fd,
    void (*on_ready)(struct watch *, int events))
{
    ev_io_init(&w->ev, on_watch, fd, 0);
    w->loop = l;
    w->on_ready = on_ready;
}

void
watch_set(struct watch *w, int events)
{
    if (watch_events(w) == events) {
        return;
    }
    ev_io_stop(w->loop->ev, &w->ev);
    ev_io_set(&w->ev, w->ev.fd, events);
    if (events != 0) {
        ev_io_start(w->loop->ev, &w->ev);
    }
}

int
watch_events(const struct watch *w)
{
    return ev_is_active(&w->ev) ? w->ev.events & (EV_READ | EV_WRITE) : 0;
}

static void
on_timer(struct ev_loop *ev, struct ev_timer *timer, int events)
{
    (void)ev, (void)events;
    struct timer *t = container_of(timer, struct timer, ev);
    t->on_expire(t);
}

void
timer_init(struct timer *t, struct loop *l, void (*on_expire)(struct timer *))
{
    ev_timer_init(&t->ev, on_timer, 0, 0);
    t->loop = l;
    t->on_expire = on_expire;
}

void
timer_start(struct timer *t, double seconds)
{
    ev_timer_stop(t->loop->ev, &t->ev);
    ev_timer_set(&t->ev, seconds > 0 ? seconds : 0, 0);
    ev_timer_start(t->loop->ev, &t->ev);
}

void
timer_stop(struct timer *t)
{
    ev_timer_stop(t->loop->ev, &t->ev);
}

bool
timer_is_active(const struct timer *t)
{
    return ev_is_active(&t->ev);
}

const char *
loop_library(char text[LOOP_LIBRARY_MAX])
{
    snprintf(text, LOOP_LIBRARY_MAX, "%d.%d", ev_version_major(),
        ev_version_minor());
    return text;
}
