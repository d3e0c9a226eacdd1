#pragma once

/*
 * Host blocks, handlers and locations: what of them the decision needs. One
 * struct block for each, in scope->owner. Built by block_part when the
 * configuration is bound, const afterwards.
 *
 * Directives here: handler, allow, deny, return, methods, classes. `host` and
 * `location` are a module's, which asks for the decision too.
 */

#include "conf/bind.h"
#include "conf/value.h"
#include "match/pattern.h"

struct class;
struct guard_rule;
struct location_index;
struct policy_secret_list;

struct str_list {
    struct str *items;
    unsigned n;
};

/* One `allow` or `deny`; the first that matches holds. */
struct access_rule {
    bool is_allow, is_all;
    bool
        has_param; /* $param_…: no params, so allow matches nothing, deny all */
    struct pattern_set *set; /* its values: struct token; NULL: no pattern */
    const struct token *at;  /* of "all" or the first $param_…; NULL: none */
    struct access_rule *next;
};

/* PART_BLOCK's struct. */
struct block_conf {
    struct access_rule *access; /* own */
    struct guard_rule *ranges;  /* of those rules that have any, in order */
    struct str_list classes;    /* own; "any" is n 1, items[0] "any" */
    struct str_list methods;    /* n 0: any */
    unsigned return_code;       /* own; 0: none */
    struct value *return_text;  /* own; NULL: none; may not hold a secret */
};

enum location_kind { LOCATION_EXACT, LOCATION_PREFIX, LOCATION_REGEX };

struct block {
    unsigned magic;
    const struct scope
        *scope; /* scope->context: CONF_HOST, _HANDLER, _LOCATION */
    const struct block_conf *conf;
    struct str name;           /* handler's name, location's path or regex */
    const struct class *class; /* that it stands in; NULL: shared */
    struct block *outer;       /* of a location: its host block or handler */

    /* host */
    struct pattern_set *names;

    /* host, handler */
    struct location_index *locations;   /* NULL: none */
    bool has_return;                    /* in itself or in a location */
    bool uses_secret, has_proxy_pass;   /* in itself or in a location */
    bool has_own_path;                  /* the same; block_mark_path() */
    struct policy_secret_list *secrets; /* the same: all; NULL: none */

    /* location */
    enum location_kind kind;
    bool is_final; /* ^~: no regex is tried after it */
    struct regex *regex;
    bool is_caseless; /* the regex */
};

#define BLOCK_MAGIC 0xb10cb10cu

extern const struct conf_part block_part;

/* set() of the commands that open a host block or a location, whose `part` is
 * block_part: makes the struct block. */
bool block_set_host(struct bind *b, const struct directive *d, void *field);
bool block_set_location(struct bind *b, const struct directive *d, void *field);

/* The block of a scope: its own, of the host block or handler around a
 * location with `outermost`. NULL for other scopes. */
struct block *block_of(const struct scope *s);
struct block *block_outermost(const struct scope *s);

/* Whether a class's sandboxes come to a shared block, or one of their own. */
bool block_is_for(const struct block *b, const struct class *k);

/* A module's set() or check(), in the block's scope or a location's: the block
 * sends requests elsewhere. Needs `classes` (SPEC 5) when it is shared and
 * there are two classes or more; that is judged when egress is checked. */
void block_mark_proxy_pass(const struct scope *s);

/* The same: paths go upstream behind another prefix, so they are judged and
 * sent in canonical form, as where there are locations. */
void block_mark_path(const struct scope *s);

/* What of it, or of a location in it, can hold only where requests are seen:
 * "a secret", "methods", …; NULL: nothing, so TLS to it may stay unopened. */
const char *block_needs_requests(const struct block *b);

/* What the block's own allow and deny rules say of a host. */
enum access { ACCESS_NONE, ACCESS_ALLOW, ACCESS_DENY };

struct access_hit {
    struct str pattern;     /* that matched; may be empty; lent */
    const struct token *at; /* its place; NULL: nothing matched */
    bool is_exact;          /* it is that one name or address */

    /* The ranges that stand before what matched (where nothing did: all) judge
     * the addresses that a name is resolved to: the first that matches holds,
     * there too. */
    const struct guard_rule *ranges;
    unsigned n_ranges;
};

enum access block_access(const struct block *b, struct str host,
    const struct addr *literal, struct access_hit *hit);

/* Whether `methods` admits it; methods are case-sensitive. */
bool block_allows_method(const struct block *b, struct str method);

/* The location for a canonical path (without query), as nginx chooses: exact,
 * the longest prefix if it is ^~, the first regex, the longest prefix. NULL:
 * none. *is_failed: a regex failed to run, and the request is denied. */
const struct block *block_location(
    const struct block *b, struct str path, bool *is_failed);
