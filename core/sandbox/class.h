#pragma once

/*
 * A `sandbox_class`: the policy that sandboxes are created from, and the
 * who-chain's directives. Made by the conf part's check(), const afterwards;
 * workers inherit it by the fork.
 */

#include "conf/bind.h"
#include "sandbox/pattern.h"

struct block;

/* What holds for one sandbox: its own values where it has them, else its
 * class's. A change at run time makes a new one with a higher revision and
 * swaps the sandbox's pointer. */
struct policy {
    unsigned magic;
    uint64_t revision;                    /* 0: the config file's */
    const struct pattern_set *allowed;    /* NULL: not set (rule 3) */
    const struct token *allowed_at;       /* the list's; NULL: in no file */
    const struct pattern_set *denied;     /* the class's; NULL: none */
    const struct pattern_set *own_denied; /* the sandbox's; NULL: none */
    bool internet;
    unsigned connections;        /* client connections at a time */
    unsigned header_slots;       /* requests waiting for response headers */
    unsigned header_slots_queue; /* ... and for such a slot */
    double header_slots_timeout; /* ... each so long; seconds */

    /* Set at run time only: rules 4 and 6. Values are struct block. */
    const struct pattern_set *outbound_by_host;
    const struct block *outbound;
};

#define POLICY_MAGIC 0x90117c70u

struct class
{
    unsigned magic;
    struct str name;
    struct scope *scope;
    struct policy policy;
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

struct sandbox_token;
struct sandbox_addresses;

/* PART_SANDBOX's struct. Fields marked own are not inherited. */
struct sandbox_conf {
    struct host_list allowed_hosts;      /* own; sandbox_class, sandbox */
    struct host_list denied_hosts;       /* own; sandbox_class, sandbox */
    bool internet;                       /* egress, sandbox_class, sandbox */
    unsigned connections, header_slots;  /* likewise */
    unsigned header_slots_queue;         /* likewise */
    double header_slots_timeout;         /* likewise; seconds */
    unsigned max_sandboxes;              /* egress */
    struct str outbound;                 /* own; sandbox_class */
    struct str class_name;               /* own; sandbox */
    struct sandbox_token *token;         /* own; sandbox */
    struct sandbox_addresses *addresses; /* own; sandbox */

    struct sandbox_set *set; /* of egress, when it is checked */
};

/* sandbox_class, sandbox and their directives. */
extern const struct conf_part sandbox_part;

/* SPEC 11: [A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*, 64 at most. Also for
 * the names of classes and handlers. */
bool sandbox_id_is_valid(struct str id);
#define SANDBOX_ID_MAX 64
