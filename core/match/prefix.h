#pragma once

/*
 * A map from address ranges to values. It finds the longest prefix that holds
 * an address, in at most as many steps as an address has bits.
 */

#include "base/addr.h"

struct prefix_map;

struct prefix_map *prefix_map_new(void);
void prefix_map_free(struct prefix_map *m); /* NULL: nothing */

/* `value` is not NULL. False: the map has this range already. */
must_check bool prefix_map_add(
    struct prefix_map *m, const struct cidr *c, void *value);

/* False when exactly this range is not there. */
bool prefix_map_remove(struct prefix_map *m, const struct cidr *c);

/* The value of exactly this range, or NULL. */
void *prefix_map_get(const struct prefix_map *m, const struct cidr *c);

/* The value of the longest range that holds the address, or NULL. */
void *prefix_map_find(const struct prefix_map *m, const struct addr *a);

/* Calls `fn` with the value of each range that holds the address, the shortest
 * first. */
void prefix_map_visit(const struct prefix_map *m, const struct addr *a,
    void (*fn)(void *arg, void *value), void *arg);
