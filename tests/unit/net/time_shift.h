#pragma once

/*
 * Makes time pass for weir and its libraries without waiting for it.
 */

#include <time.h>

/* The clock is so many seconds ahead of where it was. */
void time_shift(time_t seconds);
