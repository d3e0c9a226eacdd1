/*
 * c-ares on weir's loop: a watch for each of its sockets, one timer for all its
 * time-outs. That timer also frees a set that was left, as c-ares must not be
 * freed within its own callback.
 */

#include "net/dns_servers.h"

#include <ares.h>
#include <limits.h>
#include <netdb.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"

#define SOCKETS_MAX 32
#define RESOLV_CONF "/etc/resolv.conf"

struct dns_socket {
    struct watch watch;
    struct dns_servers *of;
    bool is_used;
};

struct dns_servers {
    struct loop *loop;
    ares_channel channel;
    struct timer timer;
    struct list node; /* in the list of sets that were left */
    struct dns_socket sockets[SOCKETS_MAX];
    unsigned n_running;
    bool is_left, is_systems;
    struct stat made_of; /* what RESOLV_CONF was when the set was made */
};

/* One query. */
struct query {
    struct dns_servers *of;
    dns_answered *fn;
    void *arg;
};

static void
arm(struct dns_servers *s)
{
    struct timeval tv;
    if (s->n_running == 0) {
        if (s->is_left) {
            timer_start(&s->timer, 0);
        } else {
            timer_stop(&s->timer);
        }
        return;
    }
    struct timeval *next = ares_timeout(s->channel, NULL, &tv);
    if (next != NULL) {
        timer_start(&s->timer,
            (double)next->tv_sec + (double)next->tv_usec / 1e6 + 0.001);
    }
}

static void
on_timer(struct timer *t)
{
    struct dns_servers *s = container_of(t, struct dns_servers, timer);
    if (s->is_left && s->n_running == 0) {
        dns_servers_free(s);
        return;
    }
    ares_process_fd(s->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm(s);
}

static void
on_socket(struct watch *w, int events)
{
    struct dns_socket *k = container_of(w, struct dns_socket, watch);
    struct dns_servers *s = k->of;
    int fd = w->ev.fd;
    ares_process_fd(s->channel, events & WATCH_READ ? fd : ARES_SOCKET_BAD,
        events & WATCH_WRITE ? fd : ARES_SOCKET_BAD);
    arm(s);
}

/* c-ares opened, wants or is about to close a socket. */
static void
on_sock_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct dns_servers *s = arg;
    struct dns_socket *k = NULL, *spare = NULL;
    for (unsigned i = 0; i < SOCKETS_MAX; i++) {
        if (s->sockets[i].is_used && s->sockets[i].watch.ev.fd == fd) {
            k = &s->sockets[i];
        } else if (!s->sockets[i].is_used) {
            spare = &s->sockets[i];
        }
    }
    if (k == NULL && spare == NULL) {
        log_at(LOG_ALERT, "resolver: too many sockets");
        return; /* its queries time out */
    }
    if (k == NULL) {
        k = spare;
        k->of = s;
        k->is_used = true;
        watch_init(&k->watch, s->loop, fd, on_socket);
    }
    watch_set(
        &k->watch, (readable ? WATCH_READ : 0) | (writable ? WATCH_WRITE : 0));
    k->is_used = readable || writable;
}

static int
set_servers(struct dns_servers *s, const struct addr *servers, unsigned n)
{
    struct ares_addr_port_node *nodes = xcalloc((n + 1) * sizeof *nodes);
    for (unsigned i = 0; i < n; i++) {
        const struct addr *a = &servers[i];
        struct ares_addr_port_node *node = &nodes[i];
        node->next = i + 1 < n ? node + 1 : NULL;
        node->family = a->family == 4 ? AF_INET : AF_INET6;
        node->udp_port = node->tcp_port = a->port;
        memcpy(&node->addr, a->ip, a->family == 4 ? 4 : 16);
    }
    int r = n != 0 ? ares_set_servers_ports(s->channel, nodes) : ARES_SUCCESS;
    xfree(nodes);
    return r;
}

/* The file's state is taken before the file is read: a change between the two
 * is seen later. */
static int
open_channel(struct dns_servers *s, const struct addr *servers, unsigned n,
    double timeout)
{
    struct ares_options o = { .flags = ARES_FLAG_NOSEARCH,
        .timeout = (int)(timeout * 1000 / 4),
        .tries = 2,
        .lookups = (char *)"fb",
        .sock_state_cb = on_sock_state,
        .sock_state_cb_data = s };
    s->is_systems = n == 0;
    if (stat(RESOLV_CONF, &s->made_of) != 0) {
        s->made_of = (struct stat){ 0 };
    }
    int r = ares_init_options(&s->channel, &o,
        ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
            ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
    if (r != ARES_SUCCESS) {
        return r;
    }
    r = set_servers(s, servers, n);
    if (r != ARES_SUCCESS) {
        ares_destroy(s->channel);
    }
    return r;
}

struct dns_servers *
dns_servers_new(
    struct loop *l, const struct addr *servers, unsigned n, double timeout)
{
    struct dns_servers *s = xcalloc(sizeof *s);
    s->loop = l;
    list_init(&s->node);
    timer_init(&s->timer, l, on_timer);
    int r = ares_library_init(ARES_LIB_INIT_ALL);
    r = r == ARES_SUCCESS ? open_channel(s, servers, n, timeout) : r;
    if (r != ARES_SUCCESS) {
        log_at(LOG_EMERG, "cannot start the resolver: %s", ares_strerror(r));
        xfree(s);
        return NULL;
    }
    return s;
}

void
dns_servers_free(struct dns_servers *s)
{
    ares_destroy(s->channel); /* calls back for every query */
    ares_library_cleanup();
    AZ(s->n_running);
    timer_stop(&s->timer);
    list_del(&s->node);
    xfree(s);
}

void
dns_servers_leave(struct dns_servers *s, struct list *left)
{
    s->is_left = true;
    list_add_tail(left, &s->node);
    arm(s);
}

void
dns_servers_free_left(struct list *left)
{
    while (!list_is_empty(left)) {
        dns_servers_free(container_of(left->next, struct dns_servers, node));
    }
}

bool
dns_servers_are_old(const struct dns_servers *s)
{
    struct stat now;
    const struct stat *then = &s->made_of;
    if (!s->is_systems || stat(RESOLV_CONF, &now) != 0) {
        return false; /* there is nothing newer to read */
    }
    return now.st_dev != then->st_dev || now.st_ino != then->st_ino ||
           now.st_size != then->st_size ||
           now.st_mtim.tv_sec != then->st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != then->st_mtim.tv_nsec;
}

bool
dns_servers_are_unnamed(const struct dns_servers *s)
{
    return s->is_systems && s->made_of.st_ino == 0;
}

static void
cap_ttl(struct dns_result *r, int ttl)
{
    r->ttl = ttl < r->ttl ? ttl : r->ttl;
}

static void
take_addrs(struct dns_result *r, const struct ares_addrinfo *info)
{
    const struct ares_addrinfo_node *node = info->nodes;
    for (; node != NULL && r->n < LEN(r->addrs); node = node->ai_next) {
        struct addr *a = &r->addrs[r->n++];
        addr_from_sockaddr(node->ai_addr, a);
        a->port = 0;
        cap_ttl(r, node->ai_ttl);
    }
    const struct ares_addrinfo_cname *alias = info->cnames;
    for (; alias != NULL; alias = alias->next) {
        cap_ttl(r, alias->ttl);
    }
    r->status = r->n != 0 ? DNS_GOT : DNS_EMPTY;
}

static enum dns_status
status_of(int status)
{
    switch (status) {
    case ARES_ENOTFOUND:
        return DNS_UNKNOWN;
    case ARES_ENODATA:
        return DNS_EMPTY;
    case ARES_ETIMEOUT:
        return DNS_MUTE;
    case ARES_ECONNREFUSED:
        return DNS_ABSENT;
    default:
        return DNS_BROKEN;
    }
}

static void
on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct query *q = arg;
    struct dns_result r = { .ttl = INT_MAX };
    (void)timeouts;
    if (status == ARES_SUCCESS) {
        take_addrs(&r, info);
        ares_freeaddrinfo(info);
    } else {
        r.status = status_of(status);
    }
    q->of->n_running--;
    q->fn(q->arg, &r);
    xfree(q);
}

void
dns_servers_ask(struct dns_servers *s, const char *name, unsigned family,
    dns_answered *fn, void *arg)
{
    struct ares_addrinfo_hints hints = { .ai_family =
                                             family == 4 ? AF_INET : AF_INET6,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = ARES_AI_NOSORT };
    struct query *q = xalloc(sizeof *q);
    AZ(s->is_left);
    *q = (struct query){ s, fn, arg };
    s->n_running++;
    ares_getaddrinfo(s->channel, name, NULL, &hints, on_answer, q);
    arm(s);
}

const char *
dns_library(void)
{
    return ares_version(NULL);
}
