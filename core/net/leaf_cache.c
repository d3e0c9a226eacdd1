/*
 * The worker's leaves, by sandbox and name. When the cache is full, the sandbox
 * with the most leaves loses one. While a name is being minted, all who ask for
 * it wait for the same mint. A leaf that is soon over is still given out while
 * its successor is being minted.
 */

#include "net/leaf.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/shares.h"
#include "net/mint.h"

#define CACHE_MAGIC 0x1eafcac4u
#define RENEW_LEFT 86400.0 /* seconds of validity left: mint the successor */
#define USABLE_LEFT 3600.0 /* seconds of validity left: do not give it out */
#define TTL_FAILED 1.0
#define KEY_MAX (sizeof(uint64_t) + CERT_NAME_MAX)

struct waiter {
    struct list node;
    struct task *task;
};

/* A sandbox: its budget of mints, and its share of the cache. */
struct owner {
    struct map_node node;
    uint64_t serial;
    struct cert_issuer issuer;
    double tokens, counted_at;
    unsigned n; /* entries */
};

/* States: with `leaf` it is ready, with `is_minting` pending, with both it is
 * being renewed, with neither the mint failed. */
struct entry {
    struct map_node node;
    struct leaf_cache *cache;
    struct owner *owner;
    struct share share;
    struct list minting; /* linked while `is_minting` */
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
    struct shares *shares; /* entries by owner */
    struct list minting;
    unsigned max;
    double rate;
    size_t sweep_at; /* with so many owners, look for some to forget */
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
    c->shares = shares_new();
    list_init(&c->minting);
    return c;
}

static void
entry_free(struct entry *e)
{
    AN(list_is_empty(&e->waiters));
    map_del(&e->cache->entries, &e->node);
    shares_drop(e->cache->shares, &e->share);
    list_del(&e->minting);
    e->owner->n--;
    if (e->leaf != NULL) {
        leaf_unref(e->leaf);
    }
    xfree(e);
}

/* Of the owner with the most leaves, the one that was used longest ago. NULL:
 * none. */
static struct entry *
entry_oldest(
    const struct leaf_cache *c, bool (*may_go)(const struct share *share))
{
    struct share *e = shares_oldest(c->shares, may_go);
    return e != NULL ? container_of(e, struct entry, share) : NULL;
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
    struct entry *e = entry_oldest(c, NULL);
    while (e != NULL) {
        entry_free(e);
        e = entry_oldest(c, NULL);
    }
    shares_free(c->shares);
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

/* Forgets owners that have no leaf and a whole budget: such an owner, made
 * again, would be the same. */
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

/* NULL: the CA's certificate is not one that the keeper makes. */
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
    o->node.key = str_n((const char *)&o->serial, sizeof o->serial);
    map_add(&c->owners, &o->node);
    return o;
}

static bool
is_settled(const struct share *share)
{
    return !container_of(share, struct entry, share)->is_minting;
}

/* Called after the new entry is in, so that who asks for many names evicts its
 * own. Entries that are being minted stay: mint.c bounds their number. */
static void
cache_evict(struct leaf_cache *c)
{
    struct entry *e = NULL;
    do {
        e = c->entries.count > c->max ? entry_oldest(c, is_settled) : NULL;
        if (e != NULL) {
            entry_free(e);
        }
    } while (e != NULL);
}

static struct entry *
entry_new(struct leaf_cache *c, struct owner *o, struct str key)
{
    struct entry *e = xcalloc(sizeof *e + key.n);
    memcpy(e->key, key.p, key.n);
    e->node.key = str_n(e->key, key.n);
    e->name = str_skip(e->node.key, sizeof o->serial);
    e->cache = c;
    e->owner = o;
    e->is_minting = true; /* before mints_add(), which may call back at once */
    list_init(&e->minting);
    list_init(&e->waiters);
    shares_give(c->shares, &e->share, o->node.key);
    o->n++;
    map_add(&c->entries, &e->node);
    cache_evict(c);
    return e;
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
        return NULL; /* leaf_key_new() has logged it */
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

/* A task may ask again before it was woken: then it waits already. */
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

/* Whether the entry has a leaf to give out; starts its renewal if it is soon
 * over. */
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
        shares_touch(&e->share);
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
    shares_touch(&e->share);
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
