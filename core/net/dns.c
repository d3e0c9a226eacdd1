/*
 * The resolver and its cache, around c-ares. Its callbacks only store and
 * wake. An entry lives from its first query to the end of its TTL; while its
 * two queries run, whoever asks for the name waits for the same ones.
 */

#include "net/dns.h"

#include <ares.h>
#include <netdb.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#define SOCKETS_MAX 32
#define TTL_MIN 1.0
#define TTL_MAX 300.0
#define TTL_NONE 5.0 /* a name that is not there */
#define TTL_FAILED 1.0
#define PATIENCE 10.0
#define NAME_MAX_BYTES 255 /* http/url.h takes no longer ones */

struct waiter {
    struct list node;
    struct task *task;
};

struct name {
    struct map_node node;
    struct list used; /* most recent first */
    struct list waiters;
    struct dns *dns;
    uint64_t asker;
    struct dns_answer answer;
    enum dns_state state;
    double settled, expires;
    unsigned running; /* queries */
    bool is_unknown;  /* one of them was told that there is no such name */
    bool had_failure, had_timeout;
    int ttl;
};

struct dns_socket {
    struct watch watch;
    struct dns *dns;
    bool is_used;
};

struct dns {
    struct loop *loop;
    ares_channel channel;
    struct timer timer;
    struct dns_conf conf;
    struct map by_name;
    struct list used;
    unsigned n, n_running;
    struct dns_socket sockets[SOCKETS_MAX];
    bool is_closing;
};

static void
dns_arm(struct dns *d)
{
    struct timeval tv;
    if (d->n_running == 0) {
        timer_stop(&d->timer);
        return;
    }
    struct timeval *next = ares_timeout(d->channel, NULL, &tv);
    if (next != NULL) {
        timer_start(&d->timer,
            (double)next->tv_sec + (double)next->tv_usec / 1e6 + 0.001);
    }
}

static void
on_timer(struct timer *t)
{
    struct dns *d = container_of(t, struct dns, timer);
    ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    dns_arm(d);
}

static void
on_socket(struct watch *w, int events)
{
    struct dns_socket *s = container_of(w, struct dns_socket, watch);
    struct dns *d = s->dns;
    int fd = w->ev.fd;
    ares_process_fd(d->channel, events & WATCH_READ ? fd : ARES_SOCKET_BAD,
        events & WATCH_WRITE ? fd : ARES_SOCKET_BAD);
    dns_arm(d);
}

/* c-ares opened, wants or is about to close a socket. */
static void
on_sock_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct dns *d = arg;
    struct dns_socket *s = NULL, *spare = NULL;
    for (unsigned i = 0; i < SOCKETS_MAX; i++) {
        if (d->sockets[i].is_used && d->sockets[i].watch.ev.fd == fd) {
            s = &d->sockets[i];
        } else if (!d->sockets[i].is_used) {
            spare = &d->sockets[i];
        }
    }
    if (s == NULL && spare == NULL) {
        log_at(LOG_ALERT, "resolver: too many sockets");
        return; /* its queries time out */
    }
    if (s == NULL) {
        s = spare;
        s->dns = d;
        s->is_used = true;
        watch_init(&s->watch, d->loop, fd, on_socket);
    }
    watch_set(
        &s->watch, (readable ? WATCH_READ : 0) | (writable ? WATCH_WRITE : 0));
    s->is_used = readable || writable;
}

static bool
dns_set_servers(struct dns *d)
{
    struct ares_addr_port_node *nodes =
        xcalloc((d->conf.n_servers + 1) * sizeof *nodes);
    for (unsigned i = 0; i < d->conf.n_servers; i++) {
        const struct addr *a = &d->conf.servers[i];
        struct ares_addr_port_node *n = &nodes[i];
        n->next = i + 1 < d->conf.n_servers ? n + 1 : NULL;
        n->family = a->family == 4 ? AF_INET : AF_INET6;
        n->udp_port = n->tcp_port = a->port;
        memcpy(&n->addr, a->ip, a->family == 4 ? 4 : 16);
    }
    int r = d->conf.n_servers != 0 ? ares_set_servers_ports(d->channel, nodes)
                                   : ARES_SUCCESS;
    xfree(nodes);
    return r == ARES_SUCCESS;
}

static void
conf_defaults(struct dns_conf *c)
{
    c->cache_max = c->cache_max != 0 ? c->cache_max : 4096;
    c->queries_max = c->queries_max != 0 ? c->queries_max : 1024;
    c->asker_max = c->asker_max != 0 ? c->asker_max : 64;
    c->timeout = c->timeout > 0 ? c->timeout : PATIENCE;
}

struct dns *
dns_new(struct loop *l, const struct dns_conf *conf)
{
    struct dns *d = xcalloc(sizeof *d);
    d->loop = l;
    d->conf = *conf;
    conf_defaults(&d->conf);
    map_init(&d->by_name);
    list_init(&d->used);
    timer_init(&d->timer, l, on_timer);
    struct ares_options o = { .flags = ARES_FLAG_NOSEARCH,
        .timeout = (int)(d->conf.timeout * 1000 / 4),
        .tries = 2,
        .lookups = (char *)"fb",
        .sock_state_cb = on_sock_state,
        .sock_state_cb_data = d };
    int r = ares_library_init(ARES_LIB_INIT_ALL);
    if (r == ARES_SUCCESS) {
        r = ares_init_options(&d->channel, &o,
            ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
    }
    if (r != ARES_SUCCESS || !dns_set_servers(d)) {
        log_at(LOG_EMERG, "cannot start the resolver: %s", ares_strerror(r));
        xfree(d);
        return NULL;
    }
    return d;
}

static void
name_free(struct name *n)
{
    struct dns *d = n->dns;
    AZ(n->running);
    map_del(&d->by_name, &n->node);
    list_del(&n->used);
    d->n--;
    xfree((void *)n->node.key.p);
    xfree(n);
}

static void
name_wake(struct name *n)
{
    struct list *node = list_pop(&n->waiters);
    while (node != NULL) {
        struct waiter *w = container_of(node, struct waiter, node);
        task_grant(w->task);
        xfree(w);
        node = list_pop(&n->waiters);
    }
}

void
dns_free(struct dns *d)
{
    d->is_closing = true;
    ares_destroy(d->channel); /* calls back for every query */
    ares_library_cleanup();
    timer_stop(&d->timer);
    while (!list_is_empty(&d->used)) {
        struct name *n = container_of(d->used.next, struct name, used);
        AN(list_is_empty(&n->waiters));
        name_free(n);
    }
    map_fini(&d->by_name);
    xfree(d);
}

static void
name_cap_ttl(struct name *n, int ttl)
{
    n->ttl = ttl < n->ttl ? ttl : n->ttl;
}

/* Half of the room is the other family's, or a name with many addresses of
 * the one would have none of the other. */
static void
name_add_addrs(struct name *n, const struct ares_addrinfo *info)
{
    unsigned max = n->answer.n + DNS_ADDRS_MAX / 2;
    const struct ares_addrinfo_node *node = info->nodes;
    for (; node != NULL && n->answer.n < max; node = node->ai_next) {
        struct addr *a = &n->answer.addrs[n->answer.n++];
        addr_from_sockaddr(node->ai_addr, a);
        a->port = 0;
        name_cap_ttl(n, node->ai_ttl);
    }
    const struct ares_addrinfo_cname *alias = info->cnames;
    for (; alias != NULL; alias = alias->next) {
        name_cap_ttl(n, alias->ttl);
    }
}

/* Both queries have ended. An address is an answer, whatever became of the
 * other query, and so is that there is no such name (RFC 2308 2.1): a server
 * that fails for one family must not show which names there are. */
static void
name_settle(struct name *n)
{
    double ttl = n->ttl < TTL_MIN ? TTL_MIN : n->ttl;
    n->dns->n_running--;
    n->settled = clock_mono();
    if (n->answer.n != 0) {
        n->state = DNS_READY;
        n->expires = n->settled + (ttl < TTL_MAX ? ttl : TTL_MAX);
    } else {
        n->state = n->is_unknown    ? DNS_NONE
                   : n->had_timeout ? DNS_TIMEOUT
                   : n->had_failure ? DNS_FAILED
                                    : DNS_NONE;
        n->expires =
            n->settled + (n->state == DNS_NONE ? TTL_NONE : TTL_FAILED);
    }
    if (!n->dns->is_closing) {
        name_wake(n);
    }
}

static void
on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct name *n = arg;
    (void)timeouts;
    switch (status) {
    case ARES_SUCCESS:
        name_add_addrs(n, info);
        ares_freeaddrinfo(info);
        break;
    case ARES_ENOTFOUND:
        n->is_unknown = true;
        break;
    case ARES_ENODATA:
        break;
    case ARES_ETIMEOUT:
        n->had_timeout = true;
        break;
    default:
        n->had_failure = true;
    }
    if (--n->running == 0) {
        name_settle(n);
    }
}

static void
name_query(struct name *n)
{
    static const int families[] = { AF_INET6, AF_INET };
    n->answer.n = 0;
    n->is_unknown = n->had_failure = n->had_timeout = false;
    n->ttl = (int)TTL_MAX;
    n->state = DNS_PENDING;
    n->running = LEN(families);
    n->dns->n_running++;
    for (size_t i = 0; i < LEN(families); i++) {
        struct ares_addrinfo_hints hints = { .ai_family = families[i],
            .ai_socktype = SOCK_STREAM,
            .ai_flags = ARES_AI_NOSORT };
        ares_getaddrinfo(
            n->dns->channel, n->node.key.p, NULL, &hints, on_answer, n);
    }
    dns_arm(n->dns);
}

static struct name *
name_find(struct dns *d, struct str key)
{
    struct map_node *node = map_find(&d->by_name, key);
    return node != NULL ? container_of(node, struct name, node) : NULL;
}

/* Room for one more: the least recently used that is not being asked for. */
static void
dns_evict(struct dns *d)
{
    struct list *node = d->used.prev;
    while (node != &d->used && d->n >= d->conf.cache_max) {
        struct name *n = container_of(node, struct name, used);
        node = node->prev;
        if (n->running == 0) {
            name_free(n);
        }
    }
}

static struct name *
name_new(struct dns *d, uint64_t asker, struct str key)
{
    struct name *n = xcalloc(sizeof *n);
    dns_evict(d);
    n->dns = d;
    n->asker = asker;
    n->node.key = str_n(xstrndup(key), key.n);
    list_init(&n->waiters);
    map_add(&d->by_name, &n->node);
    list_add_head(&d->used, &n->used);
    d->n++;
    return n;
}

static bool
is_over_share(const struct dns *d, uint64_t asker)
{
    unsigned mine = 0;
    if (d->n_running >= d->conf.queries_max) {
        return true;
    }
    if (d->n_running < d->conf.asker_max) {
        return false;
    }
    for (struct list *l = d->used.next; l != &d->used; l = l->next) {
        const struct name *n = container_of(l, struct name, used);
        mine += n->running != 0 && n->asker == asker;
    }
    return mine >= d->conf.asker_max;
}

static bool
static_get(const struct dns *d, struct str name, struct dns_answer *out)
{
    for (unsigned i = 0; i < d->conf.n_names; i++) {
        const struct dns_static *s = &d->conf.names[i];
        if (str_eq(s->name, name)) {
            out->n = s->n < DNS_ADDRS_MAX ? s->n : DNS_ADDRS_MAX;
            memcpy(out->addrs, s->addrs, out->n * sizeof *out->addrs);
            return true;
        }
    }
    return false;
}

static void
name_wait(struct name *n, struct task *task)
{
    struct waiter *w = xcalloc(sizeof *w);
    w->task = task;
    list_add_tail(&n->waiters, &w->node);
}

static bool
is_stale(const struct name *n, double since)
{
    return n == NULL ||
           (n->running == 0 &&
               (since > 0 ? n->settled < since : clock_mono() >= n->expires));
}

/* `key` begins with the name and a NUL. */
static enum dns_state
lookup(struct dns *d, uint64_t asker, struct str key, double since,
    struct task *waiter, struct dns_answer *out)
{
    struct name *n = name_find(d, key);
    if (is_stale(n, since)) {
        if (is_over_share(d, asker)) {
            return DNS_BUSY;
        }
        n = n != NULL ? n : name_new(d, asker, key);
        n->asker = asker;
        name_query(n); /* may be answered at once, by /etc/hosts */
    }
    list_del(&n->used);
    list_add_head(&d->used, &n->used);
    if (n->running != 0) {
        name_wait(n, waiter);
        return DNS_PENDING;
    }
    *out = n->answer;
    return n->state;
}

enum dns_state
dns_get(struct dns *d, uint64_t asker, struct str name, struct task *waiter,
    struct dns_answer *out)
{
    if (static_get(d, name, out)) {
        return out->n != 0 ? DNS_READY : DNS_NONE;
    }
    return lookup(d, asker, name, 0, waiter, out);
}

/* An entry of the asker's own beside the one that all share: what others have
 * is neither seen nor asked for again. */
enum dns_state
dns_get_anew(struct dns *d, uint64_t asker, struct str name, double since,
    struct task *waiter, struct dns_answer *out)
{
    char key[NAME_MAX_BYTES + 1 + sizeof asker];
    AN(since > 0);
    if (static_get(d, name, out)) {
        return out->n != 0 ? DNS_READY : DNS_NONE;
    }
    AN(name.n <= NAME_MAX_BYTES);
    memcpy(key, name.p, name.n);
    key[name.n] = '\0';
    memcpy(key + name.n + 1, &asker, sizeof asker);
    return lookup(
        d, asker, str_n(key, name.n + 1 + sizeof asker), since, waiter, out);
}

void
dns_forget(struct dns *d, struct task *waiter)
{
    for (struct list *l = d->used.next; l != &d->used; l = l->next) {
        struct name *n = container_of(l, struct name, used);
        struct list *at = n->waiters.next;
        while (at != &n->waiters) {
            struct waiter *w = container_of(at, struct waiter, node);
            at = at->next;
            if (w->task == waiter) {
                list_del(&w->node);
                xfree(w);
            }
        }
    }
}
