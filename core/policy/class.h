#pragma once

/*
 * A `sandbox_class`: the policy that sandboxes are created from, and the
 * who-chain's directives. Made by the conf part's check(), const afterwards;
 * workers inherit it by the fork.
 */

#include "conf/bind.h"
#include "policy/policy.h"

struct class
{
    unsigned magic;
    struct str name;
    struct scope *scope;
    struct policy *policy; /* of a sandbox without values of its own */
    const struct pattern_set *hosts;  /* its own host blocks; NULL: none */
    const struct pattern_set *shared; /* those of egress that it sees */
    const struct block *outbound;     /* rule 7; NULL: none */
    struct class *next;               /* in file order */
};

#define CLASS_MAGIC 0xc1a55c1au

/* A `host_list` directive: allowed_hosts or denied_hosts as it stands. */
struct host_list {
    struct pattern_set *set; /* its values: struct token; NULL: the directive
                                is not there */
    const struct token *at;  /* of the (first) directive */
};

/* PART_CLASS's struct. Fields marked own are not inherited. */
struct class_conf {
    struct host_list allowed_hosts;     /* own; sandbox_class, sandbox */
    struct host_list denied_hosts;      /* own; sandbox_class, sandbox */
    bool internet;                      /* egress, sandbox_class, sandbox */
    unsigned connections, header_slots; /* likewise */
    unsigned header_slots_queue;        /* likewise */
    double header_slots_timeout;        /* likewise; seconds */
    struct str outbound;                /* own; sandbox_class */
    struct class *classes;              /* of egress, when it is checked */
};

/* sandbox_class, and what it has in common with a sandbox. */
extern const struct conf_part class_part;

/* Classes of egress in file order, once it is checked. */
const struct class *classes_of(
    const struct conf *c, const struct scope *egress);

/* What a checked scope of the class's, or of a sandbox of it, says: the values
 * of a policy, which lend its lists. */
struct policy class_values(const struct class_conf *cc, const struct class *k);

/* The class of that name in egress, or NULL. */
struct class *class_find(const struct scope *egress, struct str name);
