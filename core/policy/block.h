#pragma once

/*
 * Host blocks, handlers and locations, as far as decisions need them. Each has
 * one struct block, in scope->owner. block_part makes them when the
 * configuration is bound; after that they are const.
 *
 * Directives here: handler, allow, deny, return, methods, classes. `host` and
 * `location` belong to modules/host_match.c, which also asks for decisions.
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

/* One `allow` or `deny`, or several that follow each other. The first rule that
 * matches holds. */
struct access_rule {
    bool is_allow, is_all;
    bool has_param; /* it names a $param_…: no sandbox has params yet, so allow
                       matches nothing, and deny matches all */
    struct pattern_set *set; /* its values: struct token; NULL: no pattern */
    const struct token *at;  /* of "all" or the first $param_…; NULL: none */
    struct access_rule *next;
};

/* The struct of block_part. Fields marked own are not inherited. */
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
    struct str name;           /* of a handler; a location's path or regex */
    const struct class *class; /* that it stands in; NULL: shared */
    struct block *outer;       /* of a location: its host block or handler */

    /* host */
    struct pattern_set *names;

    /* host, handler */
    struct location_index *locations;   /* NULL: none */
    bool has_return;                    /* in itself or in a location */
    bool uses_secret, has_proxy_pass;   /* likewise */
    bool has_own_path;                  /* likewise: block_mark_path() */
    struct policy_secret_list *secrets; /* all of them; NULL: none */

    /* location */
    enum location_kind kind;
    bool is_final; /* ^~: no regex is tried after it */
    struct regex *regex;
    bool is_caseless; /* the regex */
};

#define BLOCK_MAGIC 0xb10cb10cu

extern const struct conf_part block_part;

/* set() of the commands that open a host block or a location; they name
 * block_part as their `part`. Makes the struct block. */
bool block_set_host(struct bind *b, const struct directive *d, void *field);
bool block_set_location(struct bind *b, const struct directive *d, void *field);

/* The block of a scope; and, for a location, the host block or handler around
 * it. NULL: the scope is of another kind. */
struct block *block_of(const struct scope *s);
struct block *block_outermost(const struct scope *s);

/* Whether the block serves sandboxes of class `k`: it is the class's own, or a
 * shared one that is open to the class. */
bool block_is_for(const struct block *b, const struct class *k);

/* Called by a module's set() or check() in the scope of the block or of a
 * location of it: the block sends requests elsewhere (proxy_pass). If it is
 * shared and there are two classes or more, it must have `classes` (SPEC 5);
 * that is judged when egress is checked. */
void block_mark_proxy_pass(const struct scope *s);

/* Called likewise: paths leave with another prefix. So they are judged and sent
 * in canonical form, as for blocks with locations. */
void block_mark_path(const struct scope *s);

/* What the block or a location of it has that weir can only do if it sees the
 * requests: "a secret", "methods" and so on. NULL: nothing, so TLS to the host
 * may stay unopened. */
const char *block_needs_requests(const struct block *b);

/* What the block's own allow and deny rules say of a host. */
enum access { ACCESS_NONE, ACCESS_ALLOW, ACCESS_DENY };

struct access_hit {
    struct str pattern;     /* that matched; may be empty; lent */
    const struct token *at; /* its place; NULL: nothing matched */
    bool is_exact;          /* the pattern is one name or address */

    /* The ranges of the rules before the one that matched (of all rules, if
     * none did). They judge the addresses that the name is resolved to; there,
     * too, the first that matches holds. */
    const struct guard_rule *ranges;
    unsigned n_ranges;
};

enum access block_access(const struct block *b, struct str host,
    const struct addr *literal, struct access_hit *hit);

/* Whether `methods` admits it; methods are case-sensitive. */
bool block_allows_method(const struct block *b, struct str method);

/* The location for a canonical path without query, chosen as in nginx: an exact
 * one; the longest prefix, if it is ^~; the first regex that matches; the
 * longest prefix. NULL: none. *is_failed: a regex failed to run, and the caller
 * denies the request. */
const struct block *block_location(
    const struct block *b, struct str path, bool *is_failed);
