#pragma once

/*
 * The inside of a set of sandboxes, for the file that makes it.
 */

#include "match/prefix.h"
#include "sandbox/sandbox.h"

#define SANDBOX_SET_MAGIC 0x5a4d5e75u

struct sandbox_set {
    unsigned magic;
    struct arena *arena; /* the conf's */
    struct sandbox *items;
    unsigned n;
    struct map by_id, by_token;
    struct prefix_map *by_addr;
};
