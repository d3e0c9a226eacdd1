/*
 * The worker's leaves by sandbox and name, least recently used last. While a
 * name is being minted, whoever asks for it waits for the same mint. A leaf
 * that is soon over is still given while its successor is minted.
 */

#include "net/leaf.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "net/mint.h"

#define CACHE_MAGIC 0x1eafcac4u
#define RENEW_LEFT 86400.0 /* seconds of validity: mint the successor */
#define USABLE_LEFT 3600.0 /* give it out no more */
#define TTL_FAILED 1.0
#define KEY_MAX (sizeof(uint64_t) + CERT_NAME_MAX)

struct waiter {
    struct list node;
    struct task *task;
};

/* A sandbox: its budget, and its share of the cache. */
struct owner {
    struct map_node node;
    uint64_t serial;
    struct cert_issuer issuer;
    double tokens, counted_at;
    struct list used; /* entries, most recent first */
    unsigned n;
};

/* `leaf` or `is_minting` or neither (it failed); both while it is renewed. */
struct entry {
    struct map_node node;
    struct leaf_cache *cache;
    struct owner *owner;
    struct list used;    /* of all */
    struct list owned;   /* of the owner's */
    struct list minting; /* linked while it is */
    struct list waiters;
    struct leaf *leaf;
    double retry_at;
    bool is_minting;
    struct str name;
    char key[];
};

struct leaf_cache {
    unsigned magic;
    struct mints *mints;
    struct leaf_key *key;
    struct map entries, owners;
    struct list used, minting;
    unsigned max;
    double rate;
    size_t sweep_at; /* so many owners: look for those that ended */
};

struct leaf_cache *
leaf_cache_new(struct loop *l, int keeper, unsigned max, unsigned rate)
{
    struct mints *mints = mints_new(l, keeper);
    if (mints == NULL) {
        return NULL;
    }
    struct leaf_key *key = leaf_key_new();
    if (key == NULL) {
        mints_free(mints);
        return NULL;
    }
    struct leaf_cache *c = xcalloc(sizeof *c);
    c->magic = CACHE_MAGIC;
    c->mints = mints;
    c->key = key;
    c->max = max != 0 ? max : 1;
    c->rate = rate;
    c->sweep_at = 64;
    map_init(&c->entries);
    map_init(&c->owners);
    list_init(&c->used);
    list_init(&c->minting);
    return c;
}

static void
entry_free(struct entry *e)
{
    AN(list_is_empty(&e->waiters));
    map_del(&e->cache->entries, &e->node);
    list_del(&e->used);
    list_del(&e->owned);
    list_del(&e->minting);
    e->owner->n--;
    if (e->leaf != NULL) {
        leaf_unref(e->leaf);
    }
    xfree(e);
}

static void
owner_free(struct leaf_cache *c, struct owner *o)
{
    AZ(o->n);
    map_del(&c->owners, &o->node);
    xfree(o);
}

void
leaf_cache_free(struct leaf_cache *c)
{
    CHECK(c, CACHE_MAGIC);
    mints_free(c->mints);
    while (!list_is_empty(&c->used)) {
        entry_free(container_of(c->used.next, struct entry, used));
    }
    struct map_node *node = map_next(&c->owners, NULL);
    while (node != NULL) {
        owner_free(c, container_of(node, struct owner, node));
        node = map_next(&c->owners, NULL);
    }
    map_fini(&c->entries);
    map_fini(&c->owners);
    leaf_key_free(c->key);
    c->magic = 0;
    xfree(c);
}

void
leaf_cache_set_patience(struct leaf_cache *c, double seconds)
{
    CHECK(c, CACHE_MAGIC);
    mints_set_patience(c->mints, seconds);
}

void
leaf_cache_ask_again(struct leaf_cache *c)
{
    CHECK(c, CACHE_MAGIC);
    mints_ask_again(c->mints);
}

static void
owner_refill(const struct leaf_cache *c, struct owner *o)
{
    double now = clock_mono();
    o->tokens += (now - o->counted_at) * c->rate;
    o->counted_at = now;
    if (o->tokens > c->rate) {
        o->tokens = c->rate;
    }
}

static bool
owner_spend(const struct leaf_cache *c, struct owner *o)
{
    owner_refill(c, o);
    if (o->tokens < 1) {
        return false;
    }
    o->tokens -= 1;
    return true;
}

/* Forgets owners without a leaf whose budget is whole: made again, they are
 * the same. */
static void
owners_sweep(struct leaf_cache *c)
{
    struct map_node *node = map_next(&c->owners, NULL);
    struct owner **spent = xalloc(c->owners.count * sizeof *spent);
    size_t n = 0;
    for (; node != NULL; node = map_next(&c->owners, node)) {
        struct owner *o = container_of(node, struct owner, node);
        owner_refill(c, o);
        if (o->n == 0 && o->tokens >= c->rate) {
            spent[n++] = o;
        }
    }
    while (n != 0) {
        owner_free(c, spent[--n]);
    }
    xfree(spent);
    c->sweep_at = 2 * c->owners.count + 64;
}

/* NULL if the CA's certificate is none of the keeper's. */
static struct owner *
owner_get(struct leaf_cache *c, const struct leaf_owner *lo)
{
    struct str key = str_n((const char *)&lo->serial, sizeof lo->serial);
    struct map_node *node = map_find(&c->owners, key);
    if (node != NULL) {
        return container_of(node, struct owner, node);
    }
    if (c->owners.count >= c->sweep_at) {
        owners_sweep(c);
    }
    struct owner *o = xcalloc(sizeof *o);
    if (!cert_issuer_read(&o->issuer, lo->ca_cert_der)) {
        log_at(LOG_ALERT, "the CA certificate of sandbox %llu is malformed",
            (unsigned long long)lo->serial);
        xfree(o);
        return NULL;
    }
    o->serial = lo->serial;
    o->tokens = c->rate;
    o->counted_at = clock_mono();
    list_init(&o->used);
    o->node.key = str_n((const char *)&o->serial, sizeof o->serial);
    map_add(&c->owners, &o->node);
    return o;
}

static struct entry *
oldest_of(const struct owner *o)
{
    struct list *at = o->used.prev;
    for (; at != &o->used; at = at->prev) {
        struct entry *e = container_of(at, struct entry, owned);
        if (!e->is_minting) {
            return e;
        }
    }
    return NULL;
}

static struct entry *
oldest_of_all(const struct leaf_cache *c)
{
    struct list *at = c->used.prev;
    for (; at != &c->used; at = at->prev) {
        struct entry *e = container_of(at, struct entry, used);
        if (!e->is_minting) {
            return e;
        }
    }
    return NULL;
}

/* Room for one more of this owner's. Whoever has an eighth of a full cache
 * pushes out its own: asking for many names harms nobody else. */
static void
cache_evict(struct leaf_cache *c, const struct owner *o)
{
    while (c->entries.count >= c->max) {
        struct entry *e = o->n > c->max / 8 ? oldest_of(o) : NULL;
        if (e == NULL) {
            e = oldest_of_all(c);
        }
        if (e == NULL) {
            return; /* all are being minted: bounded there */
        }
        entry_free(e);
    }
}

static struct entry *
entry_new(struct leaf_cache *c, struct owner *o, struct str key)
{
    struct entry *e = xcalloc(sizeof *e + key.n);
    cache_evict(c, o);
    memcpy(e->key, key.p, key.n);
    e->node.key = str_n(e->key, key.n);
    e->name = str_skip(e->node.key, sizeof o->serial);
    e->cache = c;
    e->owner = o;
    list_init(&e->minting);
    list_init(&e->waiters);
    list_add_head(&c->used, &e->used);
    list_add_head(&o->used, &e->owned);
    o->n++;
    map_add(&c->entries, &e->node);
    return e;
}

static void
entry_touch(struct entry *e)
{
    list_del(&e->used);
    list_del(&e->owned);
    list_add_head(&e->cache->used, &e->used);
    list_add_head(&e->owner->used, &e->owned);
}

static void
entry_grant(struct entry *e)
{
    struct list *node = list_pop(&e->waiters);
    while (node != NULL) {
        struct waiter *w = container_of(node, struct waiter, node);
        task_grant(w->task);
        xfree(w);
        node = list_pop(&e->waiters);
    }
}

static struct leaf *
answer_leaf(const struct entry *e, const struct mint_answer *a)
{
    if (a == NULL) {
        return NULL; /* logged there */
    }
    if (a->status != MINT_OK) {
        log_at(LOG_ERR, "the keeper refused a certificate for \"%.*s\": %s",
            STR_ARG(e->name),
            a->status == MINT_NO_CA ? "the sandbox has no CA" : "bad ask");
        return NULL;
    }
    return leaf_new(e->cache->key, &e->owner->issuer, e->name, a);
}

static void
on_minted(void *arg, const struct mint_answer *a)
{
    struct entry *e = arg;
    struct leaf *leaf = answer_leaf(e, a);
    e->is_minting = false;
    list_del(&e->minting);
    if (leaf == NULL) {
        e->retry_at = clock_mono() + TTL_FAILED;
    } else {
        if (e->leaf != NULL) {
            leaf_unref(e->leaf);
        }
        e->leaf = leaf;
    }
    entry_grant(e);
}

static void
entry_mint(struct entry *e, uint32_t index)
{
    struct leaf_cache *c = e->cache;
    struct mint_ask ask = {
        .index = index, .serial = e->owner->serial, .n_name = (uint8_t)e->name.n
    };
    memcpy(ask.key, leaf_key_public(c->key), sizeof ask.key);
    memcpy(ask.name, e->name.p, e->name.n);
    e->is_minting = true;
    list_add_tail(&c->minting, &e->minting);
    if (!mints_add(c->mints, &ask, on_minted, e)) {
        on_minted(e, NULL);
    }
}

/* The same task may ask again without having been granted. */
static void
entry_wait(struct entry *e, struct task *task)
{
    struct list *at = e->waiters.next;
    for (; at != &e->waiters; at = at->next) {
        if (container_of(at, struct waiter, node)->task == task) {
            return;
        }
    }
    struct waiter *w = xcalloc(sizeof *w);
    w->task = task;
    list_add_tail(&e->waiters, &w->node);
}

static struct entry *
entry_find(const struct leaf_cache *c, struct str key)
{
    struct map_node *node = map_find(&c->entries, key);
    return node != NULL ? container_of(node, struct entry, node) : NULL;
}

/* Whether it has a leaf to give, and renews one that is soon over. */
static bool
entry_is_usable(struct entry *e, uint32_t index)
{
    if (e == NULL || e->leaf == NULL) {
        return false;
    }
    double left = leaf_not_after(e->leaf) - clock_wall();
    if (left < RENEW_LEFT && !e->is_minting && clock_mono() >= e->retry_at &&
        owner_spend(e->cache, e->owner)) {
        entry_mint(e, index);
    }
    return left >= USABLE_LEFT;
}

enum leaf_state
leaf_get(struct leaf_cache *c, const struct leaf_owner *o, struct str name,
    struct task *waiter, struct leaf **out)
{
    CHECK(c, CACHE_MAGIC);
    char key[KEY_MAX];
    if (!cert_name_is_valid(name)) {
        return LEAF_FAILED;
    }
    memcpy(key, &o->serial, sizeof o->serial);
    memcpy(key + sizeof o->serial, name.p, name.n);
    struct str k = str_n(key, sizeof o->serial + name.n);
    struct owner *owner = owner_get(c, o);
    struct entry *e = entry_find(c, k);
    if (owner == NULL) {
        return LEAF_FAILED;
    }
    if (entry_is_usable(e, o->index)) {
        entry_touch(e);
        *out = leaf_ref(e->leaf);
        return LEAF_READY;
    }
    if (e == NULL || !e->is_minting) {
        if (e != NULL && clock_mono() < e->retry_at) {
            return LEAF_FAILED;
        }
        if (!owner_spend(c, owner)) {
            return LEAF_DENIED;
        }
        e = e != NULL ? e : entry_new(c, owner, k);
        entry_mint(e, o->index);
    }
    if (!e->is_minting) {
        return LEAF_FAILED;
    }
    entry_touch(e);
    entry_wait(e, waiter);
    return LEAF_PENDING;
}

void
leaf_forget(struct leaf_cache *c, struct task *waiter)
{
    CHECK(c, CACHE_MAGIC);
    struct list *l = c->minting.next;
    for (; l != &c->minting; l = l->next) {
        struct entry *e = container_of(l, struct entry, minting);
        struct list *at = e->waiters.next;
        while (at != &e->waiters) {
            struct waiter *w = container_of(at, struct waiter, node);
            at = at->next;
            if (w->task == waiter) {
                list_del(&w->node);
                xfree(w);
            }
        }
    }
}
