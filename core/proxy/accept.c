/*
 * From a listening socket to a conn. Called by the loop; makes conns, which
 * queue themselves, and does nothing else.
 */

#include "proxy/accept.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/bits.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/listenq.h"
#include "proxy/conn.h"
#include "proxy/listen.h"
#include "proxy/worker.h"

/* Seconds to wait for a descriptor that no client's end gives back. */
#define RETRY_AFTER 0.5

/* So that one listener's burst does not starve the connections there are. */
#define ACCEPTS_PER_EVENT 64

/* Of its connections, a worker that was full has so many less before others
 * are told: each telling costs all of them a message. */
#define ROOM_SHARE 8

static bool
is_in(struct str set, unsigned i)
{
    return bits_has((const uint8_t *)set.p, set.n, i);
}

unsigned
accept_owner(unsigned number, unsigned count, struct str workers)
{
    unsigned n = 0;
    AN(count != 0);
    if (is_in(workers, number % count)) {
        return number % count;
    }
    for (unsigned i = 0; i < count; i++) {
        n += is_in(workers, i);
    }
    if (n == 0) {
        return count;
    }
    unsigned left = number % n, i = 0;
    while (!is_in(workers, i) || left-- != 0) {
        i++;
    }
    return i;
}

static void
set_watches(struct worker *w)
{
    for (unsigned i = 0; i < w->setup.n_sockets; i++) {
        struct acceptor *a = &w->acceptors[i];
        bool is_on = a->fd >= 0 && a->is_mine && !w->is_paused;
        watch_set(&a->watch, is_on ? WATCH_READ : 0);
    }
}

static void
end_socket(struct acceptor *a)
{
    watch_set(&a->watch, 0);
    if (a->fd >= 0) {
        close(a->fd);
    }
    a->fd = -1;
}

static void
tell_full(struct worker *w, bool is_full)
{
    if (w->is_full != is_full && w->setup.on_full != NULL &&
        w->setup.on_full(w->setup.arg, is_full)) {
        w->is_full = is_full;
    }
}

static void
pause_all(struct worker *w)
{
    w->is_paused = true;
    set_watches(w);
    tell_full(w, true);
}

static void
on_retry(struct timer *t)
{
    accept_resume(container_of(t, struct worker, accept_timer));
}

static void
out_of_descriptors(struct worker *w, int err)
{
    log_errno(LOG_ALERT, err, "accept stopped");
    pause_all(w);
    timer_start(&w->accept_timer, RETRY_AFTER);
}

static bool
is_short(int err)
{
    return err == EMFILE || err == ENFILE || err == ENOMEM || err == ENOBUFS;
}

/* A socket that has ended says EINVAL; a unix one has ended for this worker
 * when nobody waits in it. */
static void
on_accept_error(struct acceptor *a, int err)
{
    struct worker *w = a->worker;
    bool is_dry = err == EAGAIN && a->is_leaving && a->listen->path.n != 0;
    if (err == EINVAL || is_dry) {
        end_socket(a);
        worker_check_drained(w);
    } else if (is_short(err)) {
        out_of_descriptors(w, err);
    } else if (err != EAGAIN) {
        log_errno(LOG_ERR, err, "accept failed");
    }
}

static bool
accept_one(struct acceptor *a)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof sa;
    int fd = accept4(
        a->fd, (struct sockaddr *)&sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        struct addr peer;
        addr_from_sockaddr((struct sockaddr *)&sa, &peer);
        if (sa.ss_family != AF_UNIX) {
            listenq_admit(fd, sa.ss_family);
        }
        conn_new(a->worker, a->listen, fd, &peer);
        return true;
    }
    int err = errno;
    if (err == ECONNABORTED || err == EINTR) {
        return true; /* the client gave up while it waited */
    }
    if (is_short(err) && worker_shed(a->worker)) {
        return true;
    }
    on_accept_error(a, err);
    return false;
}

static void
on_acceptable(struct watch *watch, int events)
{
    struct acceptor *a = container_of(watch, struct acceptor, watch);
    (void)events;
    for (unsigned i = 0; i < ACCEPTS_PER_EVENT; i++) {
        if (a->worker->n_conns >= a->worker->max_conns) {
            log_at(LOG_WARN, "%u worker_connections are not enough",
                a->worker->max_conns);
            pause_all(a->worker);
            return;
        }
        if (!accept_one(a)) {
            return;
        }
    }
}

void
accept_init(struct worker *w)
{
    CHECK(w, WORKER_MAGIC);
    unsigned n = w->setup.n_sockets;
    w->acceptors = xcalloc((n + 1) * sizeof *w->acceptors);
    for (unsigned i = 0; i < n; i++) {
        struct acceptor *a = &w->acceptors[i];
        a->worker = w;
        a->listen = listen_get(w->conf, w->setup.sockets[i].listen);
        a->number = w->setup.sockets[i].number;
        a->fd = w->setup.sockets[i].fd;
        watch_init(&a->watch, w->loop, a->fd, on_acceptable);
    }
    timer_init(&w->accept_timer, w->loop, on_retry);
}

void
accept_share(struct worker *w, struct str workers)
{
    CHECK(w, WORKER_MAGIC);
    for (unsigned i = 0; i < w->setup.n_sockets && !w->is_quitting; i++) {
        struct acceptor *a = &w->acceptors[i];
        a->is_mine =
            a->listen->path.n != 0 ||
            accept_owner(a->number, w->setup.count, workers) == w->setup.index;
    }
    set_watches(w);
}

/* Every worker that leaves watches them all: none waits for another. */
void
accept_leave(struct worker *w, struct str leaving)
{
    CHECK(w, WORKER_MAGIC);
    for (unsigned i = 0; i < w->setup.n_sockets; i++) {
        struct acceptor *a = &w->acceptors[i];
        a->is_mine = a->is_leaving = is_in(leaving, a->listen->number);
        if (!a->is_leaving) {
            end_socket(a);
        }
    }
    set_watches(w);
}

void
accept_resume(struct worker *w)
{
    CHECK(w, WORKER_MAGIC);
    if (w->is_paused) {
        w->is_paused = false;
        set_watches(w);
    }
    if (w->n_conns + w->max_conns / ROOM_SHARE <= w->max_conns) {
        tell_full(w, false);
    }
}

bool
accept_is_over(const struct worker *w)
{
    for (unsigned i = 0; i < w->setup.n_sockets; i++) {
        if (w->acceptors[i].fd >= 0) {
            return false;
        }
    }
    return true;
}

void
accept_fini(struct worker *w)
{
    CHECK(w, WORKER_MAGIC);
    for (unsigned i = 0; i < w->setup.n_sockets; i++) {
        end_socket(&w->acceptors[i]);
    }
    if (w->accept_timer.loop != NULL) {
        timer_stop(&w->accept_timer);
    }
    w->setup.n_sockets = 0;
    xfree(w->acceptors);
    w->acceptors = NULL;
}
