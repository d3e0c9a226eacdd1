#pragma once

/*
 * Patterns that take in names which anybody may register, where their author
 * meant names of one owner: for warnings of a configuration.
 */

#include "base/mem.h"

/* Of a list that allows: its `*` begins inside a label of the part that is
 * registered ("*github.com" takes "evilgithub.com"), or ends the name
 * ("google.*" takes "google.evil.example"). "*" alone is meant. False: it is
 * fine; else `example` is such a name and `instead` what to write, in `a`. */
bool stranger_matches(struct arena *a, struct str pattern, struct str *example,
    struct str *instead);

/* Of what a secret is bound to: "*.com", "*.co.uk". */
bool stranger_owns_below(struct str pattern);
