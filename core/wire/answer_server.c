/*
 * The listening sockets of a server of weir's own: accepts, counts, makes room
 * by closing idle connections. Called by the loop; what a connection does is in
 * answer_conn.c.
 */

#include "wire/answer_server.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "wire/answer_conn.h"

/* Seconds until accept() is tried again: no event tells that there are
 * descriptors again. */
#define RETRY_AFTER 0.5

struct answer_server *
answer_server_new(const struct answer_conf *conf)
{
    struct answer_server *s = xcalloc(sizeof *s);
    AN(conf->body_max != 0 && conf->handler.on_ask != NULL);
    s->magic = ANSWER_SERVER_MAGIC;
    s->conf = *conf;
    list_init(&s->listeners);
    return s;
}

static bool
is_draining(const struct answer_server *s)
{
    return s->waiter != NULL;
}

/* Closes the longest idle connection, of those from which nothing has come. */
static bool
shed(struct answer_listener *l)
{
    for (struct list *n = l->idle.next; n != &l->idle; n = n->next) {
        struct answer_conn *c = container_of(n, struct answer_conn, idle);
        if (!list_is_linked(&c->task.queued)) {
            answer_conn_free(c);
            return true;
        }
    }
    return false;
}

static void
on_retry(struct timer *t)
{
    struct answer_listener *l = container_of(t, struct answer_listener, retry);
    watch_set(&l->watch, WATCH_READ);
}

/* Some errors of accept() only mean that a client gave up. */
static void
accept_failed(struct answer_listener *l, int err)
{
    if (err == EAGAIN || err == ECONNABORTED || err == EINTR) {
        return;
    }
    log_errno(LOG_ERR, err, "accept failed");
    watch_set(&l->watch, 0);
    timer_start(&l->retry, RETRY_AFTER);
}

/* Accepts one connection for each event: if more wait, the next turn has
 * another event. */
static void
on_acceptable(struct watch *w, int events)
{
    struct answer_listener *l = container_of(w, struct answer_listener, watch);
    (void)events;
    if (l->n_conns >= l->args.max && !shed(l)) {
        watch_set(&l->watch, 0);
        return;
    }
    int fd = accept4(l->args.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        accept_failed(l, errno);
        return;
    }
    l->n_conns++;
    answer_conn_new(l, fd);
}

/* Clients that keep all connections, and none of them idle for long, would keep
 * others out for ever if these waited for one to end. */
void
answer_listener_has_idle(struct answer_listener *l)
{
    AN(!list_is_empty(&l->idle) && !is_draining(l->server));
    if (l->n_conns >= l->args.max) {
        watch_set(&l->watch, WATCH_READ);
    }
}

void
answer_listener_left(struct answer_listener *l)
{
    AN(l->n_conns != 0);
    l->n_conns--;
    struct answer_server *s = l->server;
    if (!is_draining(s)) {
        watch_set(&l->watch, WATCH_READ);
    } else if (answer_server_conns(s) == 0) {
        task_wake(s->waiter);
    }
}

void
answer_server_listen(struct answer_server *s, const struct answer_listen *args)
{
    CHECK(s, ANSWER_SERVER_MAGIC);
    AN(args->fd >= 0 && args->max != 0);
    struct answer_listener *l = xcalloc(sizeof *l);
    l->server = s;
    l->args = *args;
    list_init(&l->conns);
    list_init(&l->idle);
    list_add_tail(&s->listeners, &l->node);
    timer_init(&l->retry, s->conf.loop, on_retry);
    watch_init(&l->watch, s->conf.loop, args->fd, on_acceptable);
    watch_set(&l->watch, WATCH_READ);
}

static void
close_socket(struct answer_listener *l)
{
    watch_set(&l->watch, 0);
    timer_stop(&l->retry);
    if (l->args.fd >= 0) {
        close(l->args.fd);
        l->args.fd = -1;
    }
}

static void
close_all(struct list *conns, bool is_idle)
{
    while (!list_is_empty(conns)) {
        struct list *n = conns->next;
        answer_conn_free(is_idle ? container_of(n, struct answer_conn, idle)
                                 : container_of(n, struct answer_conn, node));
    }
}

void
answer_server_drain(struct answer_server *s, struct task *waiter)
{
    CHECK(s, ANSWER_SERVER_MAGIC);
    AZ(is_draining(s));
    s->waiter = waiter;
    for (struct list *n = s->listeners.next; n != &s->listeners; n = n->next) {
        struct answer_listener *l =
            container_of(n, struct answer_listener, node);
        close_socket(l);
        close_all(&l->idle, true);
    }
    if (answer_server_conns(s) == 0) {
        task_wake(waiter);
    }
}

unsigned
answer_server_conns(const struct answer_server *s)
{
    unsigned n_conns = 0;
    CHECK(s, ANSWER_SERVER_MAGIC);
    for (struct list *n = s->listeners.next; n != &s->listeners; n = n->next) {
        n_conns += container_of(n, struct answer_listener, node)->n_conns;
    }
    return n_conns;
}

void
answer_server_free(struct answer_server *s)
{
    CHECK(s, ANSWER_SERVER_MAGIC);
    for (struct list *n = list_pop(&s->listeners); n != NULL;
         n = list_pop(&s->listeners)) {
        struct answer_listener *l =
            container_of(n, struct answer_listener, node);
        close_all(&l->conns, false);
        AZ(l->n_conns);
        close_socket(l);
        xfree(l);
    }
    s->magic = 0;
    xfree(s);
}
