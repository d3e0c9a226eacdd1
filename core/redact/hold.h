#pragma once

/*
 * How long the open run at the end of a text is held back (SPEC 7). The hold
 * ends when weir has waited for the origin for `limit` seconds without a byte,
 * or for HOLD_RUN_MAX (or `limit`, if that is more) since the run began. Only
 * the time in which weir waits for the origin counts: a sandbox that does not
 * read must not make the hold end sooner.
 *
 * A hold knows how many bytes are held, never which: so the time at which they
 * leave tells nothing about them.
 */

#include "base/str.h"

#define HOLD_RUN_MAX 1.0 /* seconds */

struct hold {
    double limit;
    bool is_waiting; /* for the origin, and ... */
    double since;    /* ... the clock_mono() at which that began */
    double quiet;    /* seconds waited since the last byte */
    double waited;   /* seconds waited since the run began */
    uint64_t end;    /* of the text so far, in bytes */
};

void hold_init(struct hold *h, double limit);

/* `n` more bytes came (0: none). The last `held` bytes of the text are a run
 * that may go on. */
void hold_feed(struct hold *h, double now, size_t n, size_t held);

/* Whether the hold has ended, so that all bytes may leave. */
bool hold_is_over(const struct hold *h);

/* weir waits for the origin from now on, until the next hold_feed(). Returns
 * the clock_mono() at which the hold ends if no byte comes. */
double hold_wait(struct hold *h, double now);
