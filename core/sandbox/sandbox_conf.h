#pragma once

/*
 * Sandboxes in the configuration: `sandbox ID { … }` and max_sandboxes. No
 * request comes here.
 */

#include "conf/bind.h"
#include "policy/class.h"
#include "sandbox/sandbox_set.h"

struct sandbox_token {
    uint8_t sha256[32];
    const struct token *at;
};

struct sandbox_addresses {
    struct cidr *items;
    const struct token **at;
    unsigned n;
};

/* The struct of sandbox_part. Fields marked own are not inherited. */
struct sandbox_conf {
    unsigned max_sandboxes;              /* egress */
    struct sandbox_token *token;         /* own; sandbox */
    struct sandbox_addresses *addresses; /* own; sandbox */

    struct sandbox_set *set; /* of egress, when it is checked */
};

/* It stands behind class_part, so that classes are completed first. */
extern const struct conf_part sandbox_part;

/* The set of a configuration. Not NULL once that is bound: without an egress
 * block the set is empty. */
struct sandbox_set *sandbox_set_of(const struct conf *c);

/* token.c */
bool set_token(struct bind *b, const struct directive *d, void *field);

/* reach.c: warns of host blocks and locations that no request can reach. Called
 * when all of egress is checked. */
void reach_warn(
    struct conf *c, const struct scope *egress, const struct sandbox_set *set);
