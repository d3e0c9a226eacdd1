/*
 * The cache of resolved names. The callback of a query only stores the answer
 * and wakes. While the two queries of a name run, all who ask for that name
 * wait for them. A name is kept while it has a use (dns.h); uses are what is
 * counted and what is evicted, so that no asker loses a name by what others ask
 * for.
 */

#include "net/dns.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/shares.h"
#include "net/dns_servers.h"

#define TTL_MIN 1.0
#define TTL_MAX 300.0
#define TTL_NONE 5.0 /* for a name that does not exist */
#define TTL_FAILED 1.0
#define PATIENCE 10.0
#define RESOLUTION_DELAY 0.05 /* RFC 8305 8 */
#define LOOK_EVERY 1.0        /* how often to look at /etc/resolv.conf */
#define NAME_MAX_BYTES 255    /* the longest that http/url.h takes */
/* A name; where the entry is for one asker alone, also a NUL and that asker. */
#define NAME_KEY_MAX (NAME_MAX_BYTES + 1 + sizeof(uint64_t))
#define USE_KEY_MAX (sizeof(uint64_t) + NAME_KEY_MAX)

struct waiter {
    struct list node;
    struct task *task;
};

struct name {
    struct map_node node;
    struct list running_node; /* of dns->running, while queries run */
    struct list uses;         /* empty only while it is made or freed */
    struct list waiters;
    struct dns *dns;
    uint64_t asker;
    struct dns_answer answer;
    enum dns_state state;
    double settled, expires;
    unsigned running;   /* queries */
    struct timer delay; /* how long an A answer waits for AAAA */
    bool is_early;      /* that time was over before AAAA came */
    bool is_unknown;    /* one query was told that the name does not exist */
    bool had_failure, had_timeout, is_unheard;
    int ttl;
};

/* One asker has asked for one name. */
struct use {
    struct map_node node; /* by asker and name */
    struct share share;   /* of the asker */
    struct list of_name;
    struct name *name;
    char key[];
};

struct dns {
    struct loop *loop;
    struct dns_servers *servers;
    struct list left; /* sets that were left; their queries still run */
    double looked;    /* clock_mono() of the last look at resolv.conf */
    struct dns_conf conf;
    struct map by_name, uses;
    struct shares *shares; /* the uses, by asker */
    struct list running;
    unsigned n_running;
    bool is_closing, is_mute;
};

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
    list_init(&d->left);
    d->looked = clock_mono();
    d->servers =
        dns_servers_new(l, d->conf.servers, d->conf.n_servers, d->conf.timeout);
    if (d->servers == NULL) {
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

/* A name's last use frees the name, too. */
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
    dns_servers_free(d->servers);
    dns_servers_free_left(&d->left);
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

/* Logs it once, until a server answers again. */
static void
tell_mute(const struct name *n)
{
    if (n->is_unheard && !n->dns->is_mute) {
        log_at(LOG_WARN, "resolver: no name server answers%s",
            dns_servers_are_unnamed(n->dns->servers)
                ? ": there is no /etc/resolv.conf, so 127.0.0.1 is asked; set "
                  "\"resolver\""
                : "");
    }
    n->dns->is_mute = n->is_unheard;
}

/* Both queries have ended. If one gave an address, or said that the name does
 * not exist (RFC 2308 2.1), that is the answer, whatever became of the other:
 * with a server that fails for one family, a sandbox must not learn which names
 * exist. */
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
        tell_mute(n);
        name_wake(n);
    }
}

/* An A answer is used without AAAA after a while: some servers and firewalls
 * never answer for AAAA (RFC 8305 3). */
static void
on_delay(struct timer *t)
{
    struct name *n = container_of(t, struct name, delay);
    n->is_early = true;
    n->state = DNS_READY;
    name_wake(n);
}

/* An AAAA answer always waits for A: not every host reaches IPv6 addresses. */
static bool
has_four(const struct name *n)
{
    return n->answer.n != 0 && n->answer.addrs[n->answer.n - 1].family == 4;
}

/* Each family has half of the room: otherwise a name with many addresses of one
 * family would have none of the other. */
static void
on_answer(void *arg, const struct dns_result *r)
{
    struct name *n = arg;
    AN(n->answer.n + r->n <= DNS_ADDRS_MAX);
    memcpy(n->answer.addrs + n->answer.n, r->addrs, r->n * sizeof *r->addrs);
    n->answer.n += r->n;
    n->ttl = r->ttl < n->ttl ? r->ttl : n->ttl;
    n->is_unknown = n->is_unknown || r->status == DNS_UNKNOWN;
    n->had_timeout = n->had_timeout || r->status == DNS_MUTE;
    n->had_failure = n->had_failure || r->status >= DNS_ABSENT;
    n->is_unheard =
        n->is_unheard && r->status >= DNS_MUTE && r->status <= DNS_ABSENT;
    if (--n->running == 0) {
        name_settle(n);
    } else if (has_four(n)) {
        timer_start(&n->delay, RESOLUTION_DELAY);
    }
}

_Static_assert(2 * DNS_RESULT_MAX == DNS_ADDRS_MAX, "both families' addresses");

/* The servers to ask. If the system's have changed, a new set; the queries of
 * the old set go on. */
static struct dns_servers *
dns_servers_now(struct dns *d)
{
    double now = clock_mono();
    if (now < d->looked + LOOK_EVERY) {
        return d->servers;
    }
    d->looked = now;
    if (dns_servers_are_old(d->servers)) {
        struct dns_servers *anew =
            dns_servers_new(d->loop, NULL, 0, d->conf.timeout);
        if (anew != NULL) {
            log_at(LOG_NOTICE, "resolver: /etc/resolv.conf has changed");
            dns_servers_leave(d->servers, &d->left);
            d->servers = anew;
        }
    }
    return d->servers;
}

static void
name_query(struct name *n)
{
    struct dns_servers *servers = dns_servers_now(n->dns);
    n->answer.n = 0;
    n->is_unknown = n->had_failure = n->had_timeout = n->is_early = false;
    n->is_unheard = true;
    n->ttl = (int)TTL_MAX;
    n->state = DNS_PENDING;
    n->running = 2;
    n->dns->n_running++;
    list_add_tail(&n->dns->running, &n->running_node);
    dns_servers_ask(servers, n->node.key.p, 6, on_answer, n);
    dns_servers_ask(servers, n->node.key.p, 4, on_answer, n);
}

static struct name *
name_find(struct dns *d, struct str key)
{
    struct map_node *node = map_find(&d->by_name, key);
    return node != NULL ? container_of(node, struct name, node) : NULL;
}

/* A name whose queries run is kept for those who wait. */
static bool
may_go(const struct share *share)
{
    const struct use *u = use_of(share);
    return u->name->running == 0 || u->of_name.next != u->of_name.prev;
}

/* Called after the new use is in: so an asker of many names evicts its own. */
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

/* The name, with its queries started if it has no answer that is still valid.
 * NULL: the asker has too many running. */
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
        name_query(n); /* /etc/hosts may answer it at once */
    }
    return n;
}

/* `key` is the name, or the name, a NUL and more. */
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
    dns_evict(d); /* perhaps the one that was looked up */
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

/* The asker gets an entry of its own beside the shared one: it neither sees nor
 * refreshes what others have. */
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
