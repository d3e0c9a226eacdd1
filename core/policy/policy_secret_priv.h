#pragma once

/*
 * What policy_secret.c and policy_secret_carried.c share: where a configuration
 * uses secrets.
 */

#include "policy/policy_secret.h"

/* One use of a secret, to be judged when all of egress is bound. */
struct policy_secret_use {
    struct policy_secret *def;
    const struct scope *scope;
    const struct token *at;
    struct policy_secret_use *next;
};

/* A secret that a block's requests may carry. */
struct policy_secret_carried {
    const struct policy_secret *def;
    bool is_for_all; /* it is bound to every name that the block serves */
};

struct policy_secret_list {
    struct policy_secret_carried *items; /* in the order of first use */
    unsigned n;
};

/* The struct of policy_secret_part; only the main scope's is filled. */
struct policy_secret_conf {
    struct policy_secret *defs; /* in order of index */
    unsigned n;
    struct policy_secret_use *uses, *last_use; /* in the order bound */
    struct secret_store *store;
};

struct policy_secret_conf *policy_secret_conf_of(const struct conf *c);

/* Fills block->secrets of all blocks. Called once, when all uses are known. */
void policy_secret_list_all(struct conf *c);
