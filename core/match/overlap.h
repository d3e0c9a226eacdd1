#pragma once

/*
 * Compares the hosts of one pattern with those of a set, to warn of rules that
 * can never have an effect. In doubt the answer is the one that causes no
 * warning: doubt comes from regexes, or when `budget`, which counts comparisons
 * down, is used up. `name` is canonical text as pattern_set_nth() gives it;
 * sets are compiled; a NULL set has no hosts.
 */

#include "match/pattern.h"

/* A budget for a question that may take a tenth of a second. */
#define OVERLAP_BUDGET 250000

/* Whether some host of `name` matches the set; in doubt, true. */
bool overlap_meets(
    const struct pattern_set *s, struct str name, unsigned *budget);

/* Whether every host of `name` matches the set; in doubt, false. */
bool overlap_covers(
    const struct pattern_set *s, struct str name, unsigned *budget);
