/*
 * The kernel's clock, and what a test adds to it.
 */

#include "time_shift.h"

#include "../seams.h"

static time_t ahead;

static int
shifted(clockid_t id, struct timespec *ts)
{
    int r = kernel_clock(id, ts);
    ts->tv_sec += ahead;
    return r;
}

void
time_shift(time_t seconds)
{
    ahead += seconds;
    seam_clock(shifted);
}
