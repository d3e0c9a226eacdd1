#pragma once

/*
 * What the configuration says of sandboxes: `sandbox ID { … }` and
 * max_sandboxes. Nothing here is for a request.
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

/* PART_SANDBOX's struct. Fields marked own are not inherited. */
struct sandbox_conf {
    unsigned max_sandboxes;              /* egress */
    struct sandbox_token *token;         /* own; sandbox */
    struct sandbox_addresses *addresses; /* own; sandbox */

    struct sandbox_set *set; /* of egress, when it is checked */
};

/* Stands behind class_part: classes are finished first. */
extern const struct conf_part sandbox_part;

/* The set of a configuration; never NULL once it is bound (an empty set when
 * there is no egress block). */
struct sandbox_set *sandbox_set_of(const struct conf *c);

/* token.c */
bool set_token(struct bind *b, const struct directive *d, void *field);

/* reach.c: warns of host blocks and locations that no request can reach, when
 * all of egress is checked. */
void reach_warn(
    struct conf *c, const struct scope *egress, const struct sandbox_set *set);
