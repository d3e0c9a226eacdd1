#pragma once

/*
 * A `sandbox_class`: the policy that its sandboxes begin with; and the
 * directives that may stand in egress, sandbox_class and sandbox. Made when the
 * configuration is bound and checked; const after that, and inherited by the
 * workers through the fork.
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
    const struct pattern_set *shared; /* egress's that are open to it */
    const struct block *outbound;     /* for rule 7; NULL: none */
    struct class *next;               /* in file order */
};

#define CLASS_MAGIC 0xc1a55c1au

/* An allowed_hosts or a denied_hosts of one block. */
struct host_list {
    struct pattern_set *set; /* its values: struct token; NULL: the block has
                                no such directive */
    const struct token *at;  /* of the (first) directive */
};

/* The struct of class_part. Fields marked own are not inherited. */
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

/* The directive sandbox_class, and those that a sandbox may have, too. */
extern const struct conf_part class_part;

/* Classes of egress in file order, once it is checked. */
const struct class *classes_of(
    const struct conf *c, const struct scope *egress);

/* The values of a policy from `cc`, of the class's own scope or of a sandbox of
 * it, once that is checked. The lists are lent. */
struct policy class_values(const struct class_conf *cc, const struct class *k);

/* The class of that name in egress, or NULL. */
struct class *class_find(const struct scope *egress, struct str name);
