/*
 * Idle connections to origins. Each has a task of its own while it is here; its
 * only work is to notice that the peer sent something.
 */

#include "wire/pool.h"

#include <limits.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

#define PARK_AFTER 0.05
#define KEY_MAX 300

struct pool_host {
    struct map_node node;
    struct list idle; /* most recent first */
    unsigned n_idle, refs;
};

struct pool {
    struct loop *loop;
    struct guard *guard;
    struct map hosts;
    struct shares
        *idle; /* by sandbox, which is a holder; the longest idle first */
    unsigned max, host_max;
};

struct pool *
pool_new(struct loop *l, struct guard *g, unsigned max, unsigned host_max)
{
    struct pool *p = xcalloc(sizeof *p);
    p->loop = l;
    p->guard = g;
    p->max = max;
    p->host_max = host_max;
    map_init(&p->hosts);
    p->idle = shares_new();
    return p;
}

static struct str
key_text(const struct pool_key *k, char text[KEY_MAX])
{
    AN(k->host.n <= KEY_MAX - 42);
    memcpy(text, &k->serial,
        8); /* first, since the holder of a share is taken from there */
    memcpy(text + 8, &k->tls, 8);
    memcpy(text + 16, &k->port, 2);
    memcpy(text + 18, &k->via, 8);
    memcpy(text + 26, &k->conn, 8);
    memcpy(text + 34, &k->place, 8);
    memcpy(text + 42, k->host.p, k->host.n);
    return str_n(text, 42 + k->host.n);
}

struct pool_host *
pool_host_get(struct pool *p, const struct pool_key *key)
{
    char text[KEY_MAX];
    struct str k = key_text(key, text);
    struct map_node *n = map_find(&p->hosts, k);
    struct pool_host *h;
    if (n != NULL) {
        h = container_of(n, struct pool_host, node);
    } else {
        h = xcalloc(sizeof *h);
        h->node.key = str_n(xstrndup(k), k.n);
        list_init(&h->idle);
        map_add(&p->hosts, &h->node);
    }
    h->refs++;
    return h;
}

void
pool_host_put(struct pool *p, struct pool_host *h)
{
    AN(h->refs > 0);
    if (--h->refs != 0) {
        return;
    }
    map_del(&p->hosts, &h->node);
    xfree((void *)h->node.key.p);
    xfree(h);
}

static void
entry_unlink(struct pool_entry *e)
{
    struct pool *p = e->pool;
    task_fini(&e->task);
    list_del(&e->in_host);
    shares_drop(p->idle, &e->share);
    e->host->n_idle--;
    pool_host_put(p, e->host);
}

static void
entry_close(struct pool_entry *e)
{
    entry_unlink(e);
    e->close(e);
}

void
pool_host_close(struct pool *p, struct pool_host *h)
{
    while (!list_is_empty(&h->idle)) {
        entry_close(container_of(h->idle.next, struct pool_entry, in_host));
    }
    pool_host_put(p, h);
}

static void
on_entry_end(struct task *t)
{
    entry_close(container_of(t, struct pool_entry, task));
}

/* Woken by an event or by the deadline. The event may be a TLS session ticket,
 * which is no byte of a response: then the connection stays. */
static const struct step *
run_idle(struct task *t)
{
    struct pool_entry *e = container_of(t, struct pool_entry, task);
    char byte;
    size_t got;
    double now = clock_mono();
    if (stream_read(e->stream, &byte, 1, &got) != IO_AGAIN ||
        now >= e->expires) {
        return &task_end;
    }
    if (!e->is_parked && task_is_expired(t)) {
        stream_park(e->stream);
        e->is_parked = true;
    }
    double park = now + PARK_AFTER;
    bool waits = e->is_parked || e->expires < park;
    task_wait(t, waits ? e->expires : park, NULL, NULL);
    return TASK_WAIT;
}

static const struct step step_idle = { "pool: idle", run_idle };

void
pool_free(struct pool *p)
{
    pool_shed(p, UINT_MAX);
    shares_free(p->idle);
    AZ(p->hosts.count);
    map_fini(&p->hosts);
    xfree(p);
}

struct pool_entry *
pool_take(
    struct pool *p, struct pool_host *h, const struct guard_policy *policy)
{
    while (!list_is_empty(&h->idle)) {
        struct pool_entry *e =
            container_of(h->idle.next, struct pool_entry, in_host);
        const char *why;
        bool is_woken = list_is_linked(&e->task.queued);
        if (!is_woken && guard_allows(p->guard, &e->addr, policy, &why)) {
            entry_unlink(e);
            return e;
        }
        entry_close(e);
    }
    return NULL;
}

void
pool_put(struct pool *p, struct pool_host *h, struct pool_entry *e,
    double idle_timeout)
{
    if (h->n_idle >= p->host_max) {
        entry_close(container_of(h->idle.prev, struct pool_entry, in_host));
    }
    h->refs++;
    h->n_idle++;
    e->pool = p;
    e->host = h;
    e->is_parked = false;
    e->expires = clock_mono() + idle_timeout;
    list_add_head(&h->idle, &e->in_host);
    shares_give(p->idle, &e->share, str_n(h->node.key.p, sizeof(uint64_t)));
    task_init(&e->task, p->loop, &step_idle, on_entry_end);
    stream_set_task(e->stream, &e->task);
    task_wait(&e->task, clock_mono() + PARK_AFTER, NULL, NULL);
    if (shares_total(p->idle) > p->max) {
        pool_shed(p, 1);
    }
}

unsigned
pool_shed(struct pool *p, unsigned n)
{
    unsigned closed = 0;
    struct share *e = shares_oldest(p->idle, NULL);
    while (closed < n && e != NULL) {
        entry_close(container_of(e, struct pool_entry, share));
        closed++;
        e = shares_oldest(p->idle, NULL);
    }
    return closed;
}

void
pool_forget(struct pool *p, uint64_t serial)
{
    struct str holder = str_n((const char *)&serial, sizeof serial);
    struct share *e = shares_of(p->idle, holder);
    while (e != NULL) {
        entry_close(container_of(e, struct pool_entry, share));
        e = shares_of(p->idle, holder);
    }
}

unsigned
pool_idle(const struct pool *p)
{
    return shares_total(p->idle);
}
