#pragma once

/*
 * How long the open end of a text is held back (SPEC 7): until `limit` seconds
 * of waiting for the origin went by without a byte, or HOLD_RUN_MAX (or
 * `limit`, if that is more) since the run began. Only waiting counts: a sandbox
 * that does not read must not be able to turn this clock.
 *
 * It is told how many bytes are held, and asks nothing about them: when they
 * go depends on nothing else.
 */

#include "base/str.h"

#define HOLD_RUN_MAX 1.0 /* seconds */

struct hold {
    double limit;
    bool is_waiting;
    double since;  /* ... this is the clock_mono() at which that began */
    double quiet;  /* seconds of waiting since the last byte, and ... */
    double waited; /* ... since the run began */
    uint64_t end;  /* of the text so far, in bytes */
};

void hold_init(struct hold *h, double limit);

/* `n` more bytes came, or none; the last `held` of the text are a run that may
 * go on. */
void hold_feed(struct hold *h, double now, size_t n, size_t held);

/* Whether nothing is to be held back now. */
bool hold_is_over(const struct hold *h);

/* All that is not held was taken, and the origin is waited for: until the next
 * hold_feed(). Returns when that would be the end of the hold. */
double hold_wait(struct hold *h, double now);
