#pragma once

/*
 * Guesses that are not told yet: another form, or one that is found when
 * escapes are undone, may show that they are none. For scan.c.
 */

#include "redact/scan.h"

#define REDACT_GUESSES 8

struct redact_guess {
    unsigned secret;
    uint64_t from, to; /* in the text */
};

/* Where a form stands, in the text. */
struct redact_place {
    uint64_t from, to;
};

struct redact_guesses {
    unsigned n, n_found;
    struct redact_guess items[REDACT_GUESSES];
    struct redact_place found[REDACT_GUESSES]; /* the last of n_found */
};

void redact_guesses_init(struct redact_guesses *g);

/* False: there is no room for it, and it is told at once. */
must_check bool redact_guesses_add(
    struct redact_guesses *g, struct redact_guess guess);

/* A form stands there: no guess was made at these bytes, nor will be that is
 * found later. */
void redact_guesses_clear(struct redact_guesses *g, uint64_t from, uint64_t to);

/* Takes one that ends at `end` or before it; false: there is none. */
must_check bool redact_guesses_take(
    struct redact_guesses *g, uint64_t end, struct redact_guess *guess);

/* Only of the first `n` secrets. */
void redact_guesses_change(struct redact_guesses *g, unsigned n);
