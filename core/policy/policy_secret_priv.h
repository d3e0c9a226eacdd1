#pragma once

/*
 * What policy_secret_conf.c and policy_secret_carried.c share: the uses of
 * secrets that a configuration has.
 */

#include "policy/policy_secret.h"

/* A `$secret_NAME`, to be judged when all of egress is bound. */
struct policy_secret_use {
    struct policy_secret *def;
    const struct scope *scope;
    const struct token *at;
    struct policy_secret_use *next;
};

/* What a block's requests may carry, in the order of the first use. */
struct policy_secret_carried {
    const struct policy_secret *def;
    bool is_for_all; /* it is bound to every name that the block serves */
};

struct policy_secret_list {
    struct policy_secret_carried *items;
    unsigned n;
};

/* PART_SECRET's struct; only the main scope's is filled. */
struct policy_secret_conf {
    struct policy_secret *defs; /* in order of index */
    unsigned n;
    struct policy_secret_use *uses, *last_use; /* in the order bound */
    struct secret_store *store;
};

struct policy_secret_conf *policy_secret_conf_of(const struct conf *c);

/* Fills block->secrets of all blocks; once, when all uses are known. */
void policy_secret_list_all(struct conf *c);
