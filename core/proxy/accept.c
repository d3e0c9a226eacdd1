/*
 * From a listening socket to a conn. Called by the loop; makes conns, which
 * queue themselves, and does nothing else.
 */

#include "proxy/accept.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/mem.h"
#include "proxy/conn.h"
#include "proxy/listen.h"
#include "proxy/worker.h"

/* Seconds to wait for a descriptor that no client's end gives back. */
#define RETRY_AFTER 0.5

/* So that one listener's burst does not starve the connections there are. */
#define ACCEPTS_PER_EVENT 64

static void
on_retry(struct timer *t)
{
    accept_resume(container_of(t, struct worker, accept_timer));
}

static void
out_of_descriptors(struct worker *w, int err)
{
    log_errno(LOG_ALERT, err, "accept stopped");
    accept_pause(w);
    timer_start(&w->accept_timer, RETRY_AFTER);
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
        conn_new(a->worker, a->listen, fd, &peer);
        return true;
    }
    if (errno == ECONNABORTED || errno == EINTR) {
        return true; /* the client gave up while it waited */
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
        errno == ENOBUFS) {
        int err = errno;
        if (worker_shed(a->worker)) {
            return true;
        }
        out_of_descriptors(a->worker, err);
    } else if (errno != EAGAIN) {
        log_errno(LOG_ERR, errno, "accept failed");
    }
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
            accept_pause(a->worker);
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
        a->fd = w->setup.sockets[i].fd;
        watch_init(&a->watch, w->loop, a->fd, on_acceptable);
    }
    timer_init(&w->accept_timer, w->loop, on_retry);
    accept_resume(w);
}

void
accept_pause(struct worker *w)
{
    for (unsigned i = 0; i < w->setup.n_sockets; i++) {
        watch_set(&w->acceptors[i].watch, 0);
    }
}

void
accept_resume(struct worker *w)
{
    for (unsigned i = 0; i < w->setup.n_sockets && !w->is_quitting; i++) {
        watch_set(&w->acceptors[i].watch, WATCH_READ);
    }
}

void
accept_fini(struct worker *w)
{
    CHECK(w, WORKER_MAGIC);
    accept_pause(w);
    if (w->accept_timer.loop != NULL) {
        timer_stop(&w->accept_timer);
    }
    for (unsigned i = 0; i < w->setup.n_sockets; i++) {
        close(w->acceptors[i].fd);
    }
    w->setup.n_sockets = 0;
    xfree(w->acceptors);
    w->acceptors = NULL;
}
