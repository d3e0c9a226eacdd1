/*
 * A single host is looked up as a request's host is. A glob is compared with
 * each pattern of the set. Called by sandbox/reach.c and
 * policy/policy_secret.c, once for each configuration.
 */

#include "match/overlap.h"

#include "match/glob.h"

#define GLOB_MAX 256

static bool
is_regex(struct str name)
{
    return str_starts(name, STR("~"));
}

static bool
is_glob(struct str name)
{
    return !is_regex(name) && str_find(name, '*') != name.n;
}

/* Whether the set has this one name, or this address or the IPv4 address that
 * it certainly carries, as in decide.c. */
static bool
matches(const struct pattern_set *s, struct str name)
{
    struct addr a;
    struct addr_carried carried;
    char text[ADDR_TEXT_MAX];
    bool is_literal = addr_parse(name, &a);
    if (pattern_match(s, name, is_literal ? &a : NULL, NULL) == PATTERN_MATCH) {
        return true;
    }
    addr_carries(&a, &carried);
    return is_literal && carried.is_sure &&
           pattern_match(s, addr_format(&carried.items[0], false, text),
               &carried.items[0], NULL) == PATTERN_MATCH;
}

static bool
spend(unsigned *budget)
{
    *budget -= *budget != 0;
    return *budget != 0;
}

/* Whether a text exists that matches both globs. Read from their ends: can[j]
 * is the answer for the rest of `a` and for `b` from j on. */
static bool
globs_meet(struct str a, struct str b)
{
    bool can[GLOB_MAX + 1], below;
    AN(b.n <= GLOB_MAX);
    for (size_t i = a.n + 1; i-- != 0;) {
        bool a_star = i < a.n && a.p[i] == '*';
        below = false; /* can[j + 1] of the previous row */
        for (size_t j = b.n + 1; j-- != 0;) {
            bool b_star = j < b.n && b.p[j] == '*';
            bool was = i < a.n && can[j];
            bool right = j < b.n && can[j + 1];
            bool is_same = i < a.n && j < b.n && a.p[i] == b.p[j];
            can[j] = (i == a.n && j == b.n) || (a_star && (was || right)) ||
                     (b_star && (right || was)) || (is_same && below);
            below = was;
        }
    }
    return can[0];
}

bool
overlap_meets(const struct pattern_set *s, struct str name, unsigned *budget)
{
    unsigned n = s != NULL ? pattern_set_count(s) : 0;
    if (is_regex(name)) {
        return n != 0;
    }
    if (!is_glob(name)) {
        return matches(s, name);
    }
    for (unsigned i = 0; i < n; i++) {
        struct str other = pattern_set_nth(s, i);
        if (!spend(budget) || is_regex(other) || globs_meet(name, other)) {
            return true;
        }
    }
    return false;
}

bool
overlap_covers(const struct pattern_set *s, struct str name, unsigned *budget)
{
    unsigned n = s != NULL ? pattern_set_count(s) : 0;
    if (!is_regex(name) && !is_glob(name)) {
        return matches(s, name);
    }
    for (unsigned i = 0; i < n; i++) {
        struct str other = pattern_set_nth(s, i);
        /* in `name`, a star is a byte that only a star matches */
        bool is_covered = is_regex(name)
                              ? str_eq(other, STR("*"))
                              : is_glob(other) && glob_match(other, name);
        if (!spend(budget)) {
            return false;
        }
        if (is_covered || str_eq(other, name)) {
            return true;
        }
    }
    return false;
}
