#pragma once

/*
 * What holds for one sandbox: its own values where it has them, else its
 * class's. Nothing in it changes. A change at run time makes a new one with a
 * higher revision and puts it in the place of the sandbox's; an exchange keeps
 * a reference to the one that it was decided under, and so do those that are
 * lent something of it: patterns, ranges, the class.
 *
 * It has references to its lists, which others may share. Class and blocks are
 * the configuration's, which outlives every policy.
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
    const struct token *allowed_at; /* the list's; NULL: in no file */
    struct pattern_set *denied;     /* the class's; NULL: none */
    struct pattern_set *own_denied; /* the sandbox's; NULL: none */
    bool internet;
    unsigned connections;        /* client connections at a time */
    unsigned header_slots;       /* requests waiting for response headers */
    unsigned header_slots_queue; /* ... and for such a slot */
    double header_slots_timeout; /* ... each so long; seconds */

    /* Set at run time only: rules 4 and 6. Values are struct block. */
    struct pattern_set *outbound_by_host;
    const struct block *outbound;
};

#define POLICY_MAGIC 0x90117c70u

/* A copy of those values with one reference, the caller's; it takes references
 * of its own to the lists. */
struct policy *policy_new(const struct policy *values);
struct policy *policy_ref(struct policy *p);
void policy_unref(struct policy *p);
