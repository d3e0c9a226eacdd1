/*
 * Opens listening sockets, spreads connections over them and closes them when
 * nobody waits in them any more; accepts nothing. Called by cycle.c and the
 * master.
 */

#include "proc/listener.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/tcp.h"
#include "os/listenq.h"
#include "os/sock.h"

/* Seconds between two checks of sockets that are to end; and for a handshake: a
 * SYN-ACK is sent again after 1 and 3 seconds. */
#define CHECK_EVERY 0.02
#define HANDSHAKE_MAX 4.0

/* Seconds, at most, for waiting connections: their worker may be dead. */
#define LEAVE_MAX 60.0

/* A connection is in the queue a moment after its handshake has ended, so one
 * check that finds nothing is not enough. */
#define QUIET_CHECKS 2

static struct listener *
listener_of(struct list *node)
{
    struct listener *l = container_of(node, struct listener, node);
    CHECK(l, LISTENER_MAGIC);
    return l;
}

static bool
listener_is(const struct listener *k, const struct listen *l)
{
    if (k->path != NULL || l->path.n != 0) {
        return k->path != NULL && str_eq(str_of(k->path), l->path);
    }
    return addr_eq(&k->addr, &l->addr);
}

static struct listener *
listener_find(struct list *all, const struct listen *l)
{
    for (struct list *n = all->next; n != all; n = n->next) {
        if (listener_is(listener_of(n), l)) {
            return listener_of(n);
        }
    }
    return NULL;
}

static struct listener *
listener_new(struct list *all, const struct listen *l)
{
    struct listener *k = xcalloc(sizeof *k);
    k->magic = LISTENER_MAGIC;
    k->addr = l->addr;
    k->path = l->path.n != 0 ? xstrndup(l->path) : NULL;
    list_add_tail(all, &k->node);
    return k;
}

static void
listener_free(struct listener *l)
{
    AZ(l->n);
    AZ(l->refs);
    list_del(&l->node);
    xfree(l->fds);
    xfree(l->path);
    l->magic = 0;
    xfree(l);
}

/* Only the first socket listens at once, by which a second weir on the same
 * address gets its error; the others are bound, and listen later. */
static int
open_socket(const struct listener *k, const struct listen *l)
{
    if (k->path != NULL) {
        return sock_listen_unix(k->path, l->backlog, l->mode);
    }
    bool is_first = k->n == 0;
    if (is_first && sock_probe(&k->addr) != 0) {
        return -1;
    }
    int fd = sock_bind(&k->addr);
    if (fd < 0) {
        return -1;
    }
    tcp_set_options(fd);
    if (is_first && listenq_begin(fd, l->backlog) != 0) {
        int err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

static bool
listener_open(struct listener *k, const struct listen *l)
{
    int fd = open_socket(k, l);
    if (fd < 0) {
        log_errno(LOG_EMERG, errno, "listen on %.*s failed in %s:%u",
            STR_ARG(l->text), l->at->file, l->at->line);
        return false;
    }
    k->fds = xgrow(k->fds, k->n, sizeof *k->fds);
    k->fds[k->n++] = fd;
    k->n_listening += k->n == 1;
    return true;
}

struct listener *
listener_get(struct list *all, const struct listen *l, unsigned sockets)
{
    struct listener *k = listener_find(all, l);
    if (k == NULL) {
        k = listener_new(all, l);
    }
    AN(sockets != 0);
    k->refs++;
    k->n_wanted = k->path != NULL ? 1 : sockets;
    while (k->n < k->n_wanted) {
        if (!listener_open(k, l)) {
            listener_trim(k);
            listener_put(k);
            return NULL;
        }
    }
    return k;
}

/* Only the last one may be closed: then no other changes its place in the
 * kernel's group. */
static void
close_last(struct listener *l)
{
    AN(l->n > 0);
    int fd = l->fds[--l->n];
    if (l->n < l->n_listening) {
        l->n_listening = l->n;
        listenq_end(fd);
    }
    close(fd);
}

static void
close_all(struct listener *l)
{
    if (l->path != NULL && l->n != 0) {
        unlink(l->path);
    }
    while (l->n != 0) {
        close_last(l);
    }
    l->check_at = 0;
}

void
listener_trim(struct listener *l)
{
    CHECK(l, LISTENER_MAGIC);
    l->n_wanted = 0;
    while (l->n > l->n_listening) {
        close_last(l);
    }
}

void
listener_begin(struct listener *l, int backlog)
{
    CHECK(l, LISTENER_MAGIC);
    for (unsigned i = 0; i < l->n; i++) {
        tcp_set_options(l->fds[i]); /* as this generation has it */
        if (listenq_begin(l->fds[i], backlog) != 0) {
            /* the first one listens: the address is served by fewer */
            log_errno(LOG_ALERT, errno, "listen() failed");
            listener_trim(l);
            return;
        }
        l->n_listening = i + 1 > l->n_listening ? i + 1 : l->n_listening;
    }
}

static void
start_checks(struct listener *l)
{
    l->n_quiet = 0;
    l->check_at = clock_mono() + CHECK_EVERY;
    l->handshakes_end = clock_mono() + HANDSHAKE_MAX;
}

static void
refuse(struct listener *l, bool on)
{
    for (unsigned i = 0; i < l->n_listening; i++) {
        if (listenq_refuse(l->fds[i], on) != 0) {
            log_errno(
                LOG_ALERT, errno, "setsockopt() of the minimum TTL failed");
        }
    }
    l->is_leaving = on;
}

void
listener_steer(struct listener *l, unsigned sockets)
{
    CHECK(l, LISTENER_MAGIC);
    AN(l->n == l->n_listening);
    l->n_wanted = 0;
    if (l->path != NULL) {
        return;
    }
    if (l->is_leaving) {
        refuse(l, false);
    }
    l->check_at = 0;
    sockets = sockets < l->n ? sockets : l->n;
    if (l->n_steered == 0 && sockets == l->n) {
        return;
    }
    if (listenq_steer(l->fds[0], sockets) != 0) {
        log_errno(LOG_NOTICE, errno, "sockets of workers that ended stay open");
        return;
    }
    l->n_steered = sockets;
    if (l->n > sockets) {
        start_checks(l);
    }
}

bool
listener_leave(struct listener *l, double seconds)
{
    CHECK(l, LISTENER_MAGIC);
    AN(l->refs > 0);
    AZ(l->is_leaving);
    if (--l->refs != 0) {
        return false;
    }
    if (l->path != NULL) {
        close_all(l);
        listener_free(l);
        return true;
    }
    refuse(l, true);
    start_checks(l);
    l->leave_end = clock_mono() + (seconds < LEAVE_MAX ? seconds : LEAVE_MAX);
    return true;
}

void
listener_put(struct listener *l)
{
    CHECK(l, LISTENER_MAGIC);
    AN(l->refs > 0);
    if (--l->refs == 0 && !l->is_leaving) {
        close_all(l);
        listener_free(l);
    }
}

/* Whether no connection waits, or will wait, in the sockets from `first` on.
 * Handshakes are looked for first: one that ends before the second look is then
 * in the queue. */
static bool
is_dry(struct listener *l, unsigned first)
{
    bool is_quiet =
        clock_mono() >= l->handshakes_end || !listenq_has_half_open(&l->addr);
    for (unsigned i = first; i < l->n_listening && is_quiet; i++) {
        is_quiet = !listenq_has_waiting(l->fds[i]);
    }
    l->n_quiet = is_quiet ? l->n_quiet + 1 : 0;
    return l->n_quiet >= QUIET_CHECKS;
}

static void
run_leaving(struct listener *l)
{
    if (l->refs != 0) {
        return; /* a generation that starts uses it again */
    }
    if (!is_dry(l, 0)) {
        if (clock_mono() < l->leave_end) {
            return;
        }
        char text[ADDR_TEXT_MAX];
        struct str at = addr_format(&l->addr, true, text);
        log_at(LOG_WARN,
            "listen on %.*s ends, and connections that wait in it are lost",
            STR_ARG(at));
    }
    close_all(l);
    listener_free(l);
}

static void
run_surplus(struct listener *l)
{
    unsigned keep = l->n_wanted > l->n_steered ? l->n_wanted : l->n_steered;
    if (l->n_listening > keep && is_dry(l, keep)) {
        while (l->n > keep) {
            close_last(l);
        }
    }
    if (l->n_listening == l->n_steered) {
        l->check_at = 0;
    }
}

void
listeners_run(struct list *all)
{
    struct list *n = all->next;
    while (n != all) {
        struct listener *l = listener_of(n);
        n = n->next;
        if (l->check_at == 0 || l->check_at > clock_mono()) {
            continue;
        }
        l->check_at = clock_mono() + CHECK_EVERY;
        if (l->is_leaving) {
            run_leaving(l);
        } else {
            run_surplus(l);
        }
    }
}

double
listeners_next(const struct list *all)
{
    double at = 0;
    for (struct list *n = all->next; n != all; n = n->next) {
        double own = listener_of(n)->check_at;
        at = own != 0 && (at == 0 || own < at) ? own : at;
    }
    return at;
}

void
listeners_close(struct list *all)
{
    struct list *n = all->next;
    while (n != all) {
        struct listener *l = listener_of(n);
        n = n->next;
        close_all(l);
        if (l->refs == 0) {
            listener_free(l);
        }
    }
}
