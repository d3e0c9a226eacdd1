#pragma once

/*
 * Finds patterns that match names which anybody may register, though their
 * author meant the names of one owner. For warnings about a configuration.
 */

#include "base/mem.h"

/* For a pattern of a list that allows. True: its `*` stands inside a label of
 * the part that is registered ("*github.com" matches "evilgithub.com"), or ends
 * the name ("google.*" matches "google.evil.example"); then `example` is such a
 * name and `instead` what to write, in `a`. A pattern that is "*" alone is
 * meant. */
bool stranger_matches(struct arena *a, struct str pattern, struct str *example,
    struct str *instead);

/* For a pattern that a secret is bound to: whether anybody may register a name
 * that it matches, as with "*.com" and "*.co.uk". */
bool stranger_owns_below(struct str pattern);
