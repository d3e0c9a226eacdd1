#pragma once

/*
 * Which parts of a secret's value are worth looking for in a response: the runs
 * of token bytes that are too long and too varied to be there by chance, or to
 * be guessed by a sandbox (SPEC 7). Pure; called when a value is loaded or a
 * table is made of it, never while text passes.
 */

#include "base/str.h"

/* A run has at least so many bytes, and so many bits: its length times log2 of
 * the size of its alphabet (worth.c). */
#define WORTH_MIN 16
#define WORTH_BITS 80

/* Of a longer run its last bytes are looked for. */
#define WORTH_MAX 1024

/* Finds the next run from *at on that is worth it, and moves *at behind the
 * run; *at is 0 at first. False: there is none. `run` is lent by the value. */
must_check bool worth_next(struct str value, size_t *at, struct str *run);

/* Whether there is such a run. A value without one is used, but no scan looks
 * for it. */
bool worth_looking_for(struct str value);
