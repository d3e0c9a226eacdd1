#pragma once

/*
 * Guesses that are not reported yet. A form that is found later at the same
 * bytes shows that nobody guessed there. For scan.c.
 */

#include "redact/scan.h"

#define REDACT_GUESSES 8

struct redact_guess {
    unsigned secret;
    uint64_t from, to; /* in the text */
};

/* Where a form was found, in the text. */
struct redact_place {
    uint64_t from, to;
};

struct redact_guesses {
    unsigned n, n_found;
    struct redact_guess items[REDACT_GUESSES];
    struct redact_place found[REDACT_GUESSES]; /* the last ones of n_found */
};

void redact_guesses_init(struct redact_guesses *g);

/* Keeps a guess, unless a form was found at its bytes. False: there is no room,
 * and the caller reports it at once. */
must_check bool redact_guesses_add(
    struct redact_guesses *g, struct redact_guess guess);

/* A form was found at these bytes: drops the guesses that have some of them,
 * and remembers the place for redact_guesses_add(). */
void redact_guesses_clear(struct redact_guesses *g, uint64_t from, uint64_t to);

/* Takes out one guess that ends at `end` or before it. False: there is none. */
must_check bool redact_guesses_take(
    struct redact_guesses *g, uint64_t end, struct redact_guess *guess);

/* Keeps the guesses of the first `n` secrets only. */
void redact_guesses_change(struct redact_guesses *g, unsigned n);
