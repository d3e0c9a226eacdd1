#pragma once

/*
 * How the hosts of one pattern lie to those of a set: for warnings of what a
 * configuration can never do. In doubt (regexes, more comparisons than
 * `budget`, which is counted down) the answer is the one that warns of
 * nothing. `name` is canonical text as pattern_set_nth() gives it; sets are
 * compiled, NULL has no host.
 */

#include "match/pattern.h"

/* For a question whose answer is worth a tenth of a second. */
#define OVERLAP_BUDGET 250000

/* Whether some host of `name` matches the set; in doubt, true. */
bool overlap_meets(
    const struct pattern_set *s, struct str name, unsigned *budget);

/* Whether every host of `name` matches the set; in doubt, false. */
bool overlap_covers(
    const struct pattern_set *s, struct str name, unsigned *budget);
