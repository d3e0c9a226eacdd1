#pragma once

/*
 * Sets of host patterns, compiled once and then const. The cost of a lookup
 * grows with the length of the host, not with the number of patterns: exact
 * names, and wildcards that are whole labels, are hashed; other globs share one
 * automaton; addresses are in a prefix tree. Only regexes are tried one after
 * another.
 *
 * There are two semantics:
 * - PATTERN_LIST (allowed_hosts, denied_hosts, allow, deny, hosts=): names, in
 *   which `*` stands for any run of characters, dots too; addresses; CIDR
 *   ranges. A duplicate is ignored. An exact name is found before patterns, and
 *   patterns in the order in which they were added.
 * - PATTERN_SERVER (host blocks), as nginx's server_name: exact names and
 *   addresses, then the longest `*.SUFFIX`, then the longest `PREFIX.*`, then
 *   the first `~REGEX` in the order added, matched against the whole name in
 *   any case. `.NAME` is NAME and `*.NAME`. A duplicate is an error.
 *
 * A set is made and compiled when a configuration is read. After that any
 * process may match, also after a fork.
 */

#include "base/addr.h"
#include "base/regex.h"

enum pattern_kind { PATTERN_LIST, PATTERN_SERVER };

/* PATTERN_FAILED: a regex reached its match limit, and the caller denies. */
enum pattern_result { PATTERN_NONE, PATTERN_MATCH, PATTERN_FAILED };

struct pattern_set;

struct pattern_hit {
    void *value;        /* as added */
    struct str pattern; /* canonical text; lent by the set */
    bool is_exact;      /* the pattern is one name or address */
    bool is_regex; /* the pattern is a regex: captures point into the host */
    struct regex_match captures;
};

/* Why a pattern was refused. */
struct pattern_error {
    char text[256]; /* such as "no port may stand in a host pattern"; the caller
                       adds the place */
    void *other; /* the value of the pattern that this one repeats, else NULL */
};

/* One reference, the caller's; the last that is given back frees it. */
struct pattern_set *pattern_set_new(enum pattern_kind kind);
struct pattern_set *pattern_set_ref(struct pattern_set *s); /* NULL: NULL */
void pattern_set_unref(struct pattern_set *s);              /* NULL: nothing */

/* Checks a pattern, makes it canonical and adds it; before compile only.
 * `pattern` need not outlive the call. False with *err filled in. */
must_check bool pattern_set_add(struct pattern_set *s, struct str pattern,
    void *value, struct pattern_error *err);

/* Once, after the last add. */
void pattern_set_compile(struct pattern_set *s);

/* Finds the pattern for a host. `host` is canonical (http/url.h); `literal` is
 * its address if it is one, else NULL. `hit` (may be NULL) is filled in on
 * PATTERN_MATCH. A NULL set matches nothing. */
enum pattern_result pattern_match(const struct pattern_set *s, struct str host,
    const struct addr *literal, struct pattern_hit *hit);

/* How many patterns the set has, and the i-th one in the order added, as
 * canonical text. The set need not be compiled. */
unsigned pattern_set_count(const struct pattern_set *s);
struct str pattern_set_nth(const struct pattern_set *s, unsigned i);

/* Whether every pattern is an exact name or address. */
bool pattern_set_is_exact(const struct pattern_set *s);

/* The addresses and ranges of the list: the guard judges resolved addresses by
 * those of denied_hosts. Lent; *n may be 0. */
const struct cidr *pattern_set_cidrs(const struct pattern_set *s, unsigned *n);

/* Whether one of the ranges holds a resolved address; NULL set: false. */
bool pattern_set_has_addr(const struct pattern_set *s, const struct addr *a);
