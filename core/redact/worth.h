#pragma once

/*
 * What of a secret's value is worth looking for in a response: its runs of
 * token bytes that are too long and too varied for chance to write, or for a
 * sandbox to guess (SPEC 7). Pure; called when a value is loaded or a table is
 * made of it, never while text passes.
 */

#include "base/str.h"

#define WORTH_MIN 16 /* bytes of a run, at least ... */
#define WORTH_BITS                                                             \
    80                 /* ... and bits: its length times those of the classes  \
                          that stand in it */
#define WORTH_MAX 1024 /* bytes of a run that are looked for: its last */

/* The next run, from *at on, that is worth it; *at is then behind it, 0 to
 * begin. False: there is none. `run` is lent by the value. */
must_check bool worth_next(struct str value, size_t *at, struct str *run);

/* Whether there is one. A weaker value is used, and not looked for. */
bool worth_looking_for(struct str value);
