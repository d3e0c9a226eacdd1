#pragma once

/*
 * The values that hold for one sandbox: its own where it has them, otherwise
 * its class's. A policy never changes. A change at run time makes a new one
 * with a higher revision, and gives the sandbox that one. An exchange keeps a
 * reference to the policy that it was decided under; so does whoever uses
 * something that the policy lends: patterns, ranges, the class.
 *
 * A policy has references to its lists, which other policies may share. Its
 * class and blocks belong to the configuration, which outlives every policy.
 */

#include "match/pattern.h"

struct block;
struct class;
struct token;

struct policy {
    unsigned magic;
    unsigned refs;
    const struct class *class;
    uint64_t revision;              /* 0: the configuration's */
    struct pattern_set *allowed;    /* NULL: not set (rule 3) */
    const struct token *allowed_at; /* the list's place; NULL: in no file */
    struct pattern_set *denied;     /* the class's; NULL: none */
    struct pattern_set *own_denied; /* the sandbox's; NULL: none */
    bool internet;
    unsigned connections;        /* client connections at a time */
    unsigned header_slots;       /* requests that wait for response headers */
    unsigned header_slots_queue; /* requests that wait for a slot */
    double header_slots_timeout; /* seconds that each waits for a slot */

    /* For rules 4 and 6, set at run time only. Values are struct block. */
    struct pattern_set *outbound_by_host;
    const struct block *outbound;
};

#define POLICY_MAGIC 0x90117c70u

/* A policy with those values. The caller has its one reference; the policy
 * takes references of its own to the lists. */
struct policy *policy_new(const struct policy *values);
struct policy *policy_ref(struct policy *p);
void policy_unref(struct policy *p);
