#pragma once

/*
 * What the tests of patterns compare with: numbers that are the same in every
 * run, and a matcher too simple to be wrong.
 */

#include "base/str.h"

struct naive_random {
    uint64_t state;
};

unsigned naive_below(struct naive_random *r, unsigned n);

/* `*` is any run of bytes. */
bool naive_glob(struct str pattern, struct str subject);

/* Labels of one or two letters out of few, so that many names are alike;
 * with `star` some bytes are stars. Returns the length. */
size_t naive_name(struct naive_random *r, bool with_star, char *out);
#define NAIVE_NAME_MAX 64
