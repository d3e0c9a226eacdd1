#pragma once

/*
 * Sets of host patterns, compiled once and then const. What a lookup costs
 * grows with the host's length, not with the number of patterns: exact names
 * and wildcards at a label's edge are hashed, other globs share one automaton,
 * addresses a prefix tree. Only regexes are tried one after another.
 *
 * Two semantics:
 * PATTERN_LIST (allowed_hosts, denied_hosts, allow, deny, hosts=): names in
 * which `*` stands for any run of characters, dots included; addresses; CIDR
 * ranges. A duplicate is ignored. An exact name goes before patterns, these in
 * the order in which they were added.
 * PATTERN_SERVER (host blocks), as nginx's server_name: exact names and
 * addresses, then the longest `*.SUFFIX`, then the longest `PREFIX.*`, then
 * the first `~REGEX` in the order added, matched against the whole name in any
 * case. `.NAME` is NAME and `*.NAME`. A duplicate is an error.
 *
 * Life: config (check) or the registry makes a set, adds, compiles; after that
 * any process may match, also after a fork.
 */

#include "base/addr.h"
#include "base/regex.h"

enum pattern_kind { PATTERN_LIST, PATTERN_SERVER };

/* PATTERN_FAILED: a regex failed to run (match limit); the caller denies. */
enum pattern_result { PATTERN_NONE, PATTERN_MATCH, PATTERN_FAILED };

struct pattern_set;

struct pattern_hit {
    void *value;        /* as added */
    struct str pattern; /* canonical text; lent by the set */
    bool is_exact;      /* it is one name or address */
    bool is_regex;      /* then captures point into the host */
    struct regex_match captures;
};

/* Why a pattern was refused. */
struct pattern_error {
    char text[256]; /* "no port may stand in a host pattern"; without place */
    void *other;    /* value of the duplicate, else NULL */
};

/* One reference, the caller's; the last that is given back frees it. */
struct pattern_set *pattern_set_new(enum pattern_kind kind);
struct pattern_set *pattern_set_ref(struct pattern_set *s); /* NULL: NULL */
void pattern_set_unref(struct pattern_set *s);              /* NULL: nothing */

/* Checks, canonicalises and adds; before compile only. `pattern` need not
 * outlive the call. False with *err filled. */
must_check bool pattern_set_add(struct pattern_set *s, struct str pattern,
    void *value, struct pattern_error *err);

/* Once, after the last add. */
void pattern_set_compile(struct pattern_set *s);

/* `host` is canonical (http/url.h); `literal` its address when it is one, else
 * NULL. `hit` is filled on PATTERN_MATCH; may be NULL. A NULL set matches
 * nothing. */
enum pattern_result pattern_match(const struct pattern_set *s, struct str host,
    const struct addr *literal, struct pattern_hit *hit);

/* Without a compiled set's help: how many patterns, and the i-th as added (in
 * canonical text), for the API and for messages. */
unsigned pattern_set_count(const struct pattern_set *s);
struct str pattern_set_nth(const struct pattern_set *s, unsigned i);

/* Whether every pattern is an exact name or address. */
bool pattern_set_is_exact(const struct pattern_set *s);

/* The addresses and ranges of the list: for the guard, which judges resolved
 * addresses by those of denied_hosts. Lent; *n may be 0. */
const struct cidr *pattern_set_cidrs(const struct pattern_set *s, unsigned *n);

/* Whether a resolved address lies in one of them; NULL set: false. */
bool pattern_set_has_addr(const struct pattern_set *s, const struct addr *a);
