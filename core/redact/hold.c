/*
 * Two sums of the time that weir waited, and when each begins anew. Called by
 * modules/redact.c each time that its filter runs.
 */

#include "redact/hold.h"

void
hold_init(struct hold *h, double limit)
{
    *h = (struct hold){ .limit = limit };
}

void
hold_feed(struct hold *h, double now, size_t n, size_t held)
{
    double waited = h->is_waiting ? now - h->since : 0;
    h->is_waiting = false;
    h->quiet = n != 0 ? 0 : h->quiet + waited;
    h->waited += waited;
    AN(held <= h->end + n);
    if (held <= n) { /* another run: no byte of it is an old one */
        h->waited = 0;
    }
    h->end += n;
}

static double
longest(const struct hold *h)
{
    return h->limit > HOLD_RUN_MAX ? h->limit : HOLD_RUN_MAX;
}

bool
hold_is_over(const struct hold *h)
{
    return h->quiet >= h->limit || h->waited >= longest(h);
}

double
hold_wait(struct hold *h, double now)
{
    double quiet = h->limit - h->quiet, run = longest(h) - h->waited;
    h->is_waiting = true;
    h->since = now;
    return now + (quiet < run ? quiet : run);
}
