#pragma once

/*
 * A hash table of nodes that the caller embeds and owns. The hash is SipHash
 * with a random seed, since keys come from peers.
 */

#include "base/str.h"

struct map_node {
    struct map_node *next;
    uint64_t hash;
    struct str key; /* borrowed; must live as long as the node is linked */
};

struct map {
    struct map_node **slots;
    size_t mask, count;
};

void map_init(struct map *m);
void map_fini(struct map *m); /* frees the table, not the nodes */

/* The node with that key, or NULL. */
struct map_node *map_find(const struct map *m, struct str key);

/* The caller has set `node->key`, which is not in the map yet. */
void map_add(struct map *m, struct map_node *node);
void map_del(struct map *m, struct map_node *node);

/* The next node, in no order; `prev` NULL: the first. The map must not change
 * during the walk. */
struct map_node *map_next(const struct map *m, const struct map_node *prev);

/* SipHash-1-3 with the caller's seed; a map's is the process's own. */
uint64_t map_siphash(const uint64_t seed[2], struct str key);
