/*
 * The resolver and its cache, around c-ares. Its callbacks only store and
 * wake. While a name's two queries run, whoever asks for it waits for the same
 * ones. A name is kept as long as an asker's use of it is: these are what is
 * counted and what goes, so that none loses a name by what another asks for.
 */

#include "net/dns.h"

#include <ares.h>
#include <netdb.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/shares.h"

#define SOCKETS_MAX 32
#define TTL_MIN 1.0
#define TTL_MAX 300.0
#define TTL_NONE 5.0 /* a name that is not there */
#define TTL_FAILED 1.0
#define PATIENCE 10.0
#define RESOLUTION_DELAY 0.05 /* RFC 8305 8 */
#define NAME_MAX_BYTES 255 /* http/url.h takes no longer ones */
/* A name, a NUL and an asker where the entry is one asker's alone. */
#define NAME_KEY_MAX (NAME_MAX_BYTES + 1 + sizeof(uint64_t))
#define USE_KEY_MAX (sizeof(uint64_t) + NAME_KEY_MAX)

struct waiter {
    struct list node;
    struct task *task;
};

struct name {
    struct map_node node;
    struct list running_node; /* of dns->running, while queries run */
    struct list uses;         /* none only while it is made or freed */
    struct list waiters;
    struct dns *dns;
    uint64_t asker;
    struct dns_answer answer;
    enum dns_state state;
    double settled, expires;
    unsigned running;   /* queries */
    struct timer delay; /* from A to the use of it, while AAAA is out */
    bool is_early;      /* ... and that was over first */
    bool is_unknown;  /* one of them was told that there is no such name */
    bool had_failure, had_timeout;
    int ttl;
};

/* That an asker has asked for a name. */
struct use {
    struct map_node node; /* by asker and name */
    struct share share;   /* of the asker */
    struct list of_name;
    struct name *name;
    char key[];
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
    struct map by_name, uses;
    struct shares *shares; /* the uses, of the askers */
    struct list running;
    unsigned n_running;
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
    c->cache_max = c->cache_max != 0 ? c->cache_max : 8192;
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
    map_init(&d->uses);
    list_init(&d->running);
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
    d->shares = shares_new();
    return d;
}

static void
name_free(struct name *n)
{
    AZ(n->running);
    AN(list_is_empty(&n->uses) && list_is_empty(&n->waiters));
    timer_stop(&n->delay);
    map_del(&n->dns->by_name, &n->node);
    xfree((void *)n->node.key.p);
    xfree(n);
}

/* The last one takes its name with it. */
static void
use_free(struct use *u)
{
    struct name *n = u->name;
    shares_drop(n->dns->shares, &u->share);
    map_del(&n->dns->uses, &u->node);
    list_del(&u->of_name);
    if (list_is_empty(&n->uses)) {
        name_free(n);
    }
    xfree(u);
}

static struct use *
use_of(const struct share *share)
{
    return container_of(share, struct use, share);
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
    struct share *e = shares_oldest(d->shares, NULL);
    while (e != NULL) {
        use_free(use_of(e));
        e = shares_oldest(d->shares, NULL);
    }
    AZ(d->by_name.count);
    shares_free(d->shares);
    map_fini(&d->uses);
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
    list_del(&n->running_node);
    timer_stop(&n->delay);
    n->is_early = false;
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

/* Some servers and firewalls never answer for AAAA (RFC 8305 3). */
static void
on_delay(struct timer *t)
{
    struct name *n = container_of(t, struct name, delay);
    n->is_early = true;
    n->state = DNS_READY;
    name_wake(n);
}

/* AAAA alone is waited with: not every host reaches what it leads to. */
static bool
has_four(const struct name *n)
{
    return n->answer.n != 0 && n->answer.addrs[n->answer.n - 1].family == 4;
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
    } else if (has_four(n)) {
        timer_start(&n->delay, RESOLUTION_DELAY);
    }
}

static void
name_query(struct name *n)
{
    static const int families[] = { AF_INET6, AF_INET };
    n->answer.n = 0;
    n->is_unknown = n->had_failure = n->had_timeout = n->is_early = false;
    n->ttl = (int)TTL_MAX;
    n->state = DNS_PENDING;
    n->running = LEN(families);
    n->dns->n_running++;
    list_add_tail(&n->dns->running, &n->running_node);
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

/* A name that is being asked for is kept for who waits. */
static bool
may_go(const struct share *share)
{
    const struct use *u = use_of(share);
    return u->name->running == 0 || u->of_name.next != u->of_name.prev;
}

/* What is used now is there already: who asks for many names loses his own. */
static void
dns_evict(struct dns *d)
{
    struct share *e = NULL;
    do {
        e = shares_total(d->shares) > d->conf.cache_max
                ? shares_oldest(d->shares, may_go)
                : NULL;
        if (e != NULL) {
            use_free(use_of(e));
        }
    } while (e != NULL);
}

static struct name *
name_new(struct dns *d, struct str key)
{
    struct name *n = xcalloc(sizeof *n);
    n->dns = d;
    n->node.key = str_n(xstrndup(key), key.n);
    list_init(&n->uses);
    list_init(&n->waiters);
    list_init(&n->running_node);
    timer_init(&n->delay, d->loop, on_delay);
    map_add(&d->by_name, &n->node);
    return n;
}

static void
name_use(struct name *n, uint64_t asker)
{
    struct dns *d = n->dns;
    struct str name = n->node.key;
    char key[USE_KEY_MAX];
    AN(name.n <= sizeof key - sizeof asker);
    memcpy(key, &asker, sizeof asker);
    memcpy(key + sizeof asker, name.p, name.n);
    struct str k = str_n(key, sizeof asker + name.n);
    struct map_node *node = map_find(&d->uses, k);
    if (node != NULL) {
        shares_touch(&container_of(node, struct use, node)->share);
        return;
    }
    struct use *u = xcalloc(sizeof *u + k.n);
    memcpy(u->key, k.p, k.n);
    u->node.key = str_n(u->key, k.n);
    u->name = n;
    map_add(&d->uses, &u->node);
    list_add_tail(&n->uses, &u->of_name);
    shares_give(d->shares, &u->share, str_n(u->key, sizeof asker));
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
    for (struct list *l = d->running.next; l != &d->running; l = l->next) {
        mine += container_of(l, struct name, running_node)->asker == asker;
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

/* The name, asked for if nothing of it holds; NULL: too many are. */
static struct name *
name_get(struct dns *d, uint64_t asker, struct str key, double since)
{
    struct name *n = name_find(d, key);
    bool must_ask = is_stale(n, since);
    if (must_ask && is_over_share(d, asker)) {
        return NULL;
    }
    n = n != NULL ? n : name_new(d, key);
    name_use(n, asker);
    if (must_ask) {
        n->asker = asker;
        name_query(n); /* may be answered at once, by /etc/hosts */
    }
    return n;
}

/* `key` begins with the name, and a NUL ends that if more follows. */
static enum dns_state
lookup(struct dns *d, uint64_t asker, struct str key, double since,
    struct task *waiter, struct dns_answer *out)
{
    struct name *n = name_get(d, asker, key, since);
    if (n == NULL) {
        return DNS_BUSY;
    }
    enum dns_state state =
        n->running != 0 && !n->is_early ? DNS_PENDING : n->state;
    if (state == DNS_PENDING) {
        name_wait(n, waiter);
    } else {
        *out = n->answer;
    }
    dns_evict(d); /* perhaps this one */
    return state;
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
    for (struct list *l = d->running.next; l != &d->running; l = l->next) {
        struct name *n = container_of(l, struct name, running_node);
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
