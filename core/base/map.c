/*
 * Chained hash table with a seeded hash (SipHash-1-3, Aumasson and Bernstein
 * 2012), so that a sandbox cannot choose names that collide.
 */

#include "base/map.h"

#include "base/digest.h"
#include "base/mem.h"

static uint64_t map_seed[2];

static inline uint64_t
rotl(uint64_t x, int b)
{
    return (x << b) | (x >> (64 - b));
}

static inline void
sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

uint64_t
map_siphash(const uint64_t seed[2], struct str key)
{
    uint64_t v[4] = { seed[0] ^ 0x736f6d6570736575ull,
        seed[1] ^ 0x646f72616e646f6dull, seed[0] ^ 0x6c7967656e657261ull,
        seed[1] ^ 0x7465646279746573ull };
    size_t i = 0;
    for (; i + 8 <= key.n; i += 8) {
        uint64_t w;
        memcpy(&w, key.p + i, 8);
        v[3] ^= w;
        sip_round(v);
        v[0] ^= w;
    }
    uint64_t last = (uint64_t)key.n << 56;
    if (i < key.n) {
        memcpy(&last, key.p + i, key.n - i);
    }
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t
hash_of(struct str key)
{
    if (map_seed[0] == 0) {
        random_bytes(map_seed, sizeof map_seed);
        map_seed[0] |= 1;
    }
    return map_siphash(map_seed, key);
}

void
map_init(struct map *m)
{
    *m = (struct map){ 0 };
}

void
map_fini(struct map *m)
{
    xfree(m->slots);
    map_init(m);
}

struct map_node *
map_find(const struct map *m, struct str key)
{
    if (m->count == 0) {
        return NULL;
    }
    uint64_t h = hash_of(key);
    struct map_node *n = m->slots[h & m->mask];
    while (n != NULL && !(n->hash == h && str_eq(n->key, key))) {
        n = n->next;
    }
    return n;
}

static void
map_link(struct map *m, struct map_node *node)
{
    struct map_node **slot = &m->slots[node->hash & m->mask];
    node->next = *slot;
    *slot = node;
}

static void
map_grow(struct map *m)
{
    struct map old = *m;
    size_t n = old.slots != NULL ? (old.mask + 1) * 2 : 16;
    m->slots = xcalloc(n * sizeof(struct map_node *));
    m->mask = n - 1;
    for (size_t i = 0; old.slots != NULL && i <= old.mask; i++) {
        struct map_node *node = old.slots[i];
        while (node != NULL) {
            struct map_node *next = node->next;
            map_link(m, node);
            node = next;
        }
    }
    xfree(old.slots);
}

void
map_add(struct map *m, struct map_node *node)
{
    if (m->slots == NULL || m->count > m->mask) {
        map_grow(m);
    }
    node->hash = hash_of(node->key);
    map_link(m, node);
    m->count++;
}

void
map_del(struct map *m, struct map_node *node)
{
    struct map_node **at = &m->slots[node->hash & m->mask];
    while (*at != node) {
        AN(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    m->count--;
}

struct map_node *
map_next(const struct map *m, const struct map_node *prev)
{
    if (m->slots == NULL) {
        return NULL;
    }
    if (prev != NULL && prev->next != NULL) {
        return prev->next;
    }
    size_t i = prev != NULL ? (prev->hash & m->mask) + 1 : 0;
    while (i <= m->mask && m->slots[i] == NULL) {
        i++;
    }
    return i <= m->mask ? m->slots[i] : NULL;
}
