#pragma once

/*
 * Sets of small numbers, one bit for each, as processes send them.
 */

#include "base/obj.h"

#define BITS_BYTES(n) (((n) + 7) / 8) /* for the numbers below n */

/* Whether `i` is in a set of `n` bytes; a number beyond them is not. */
static inline bool
bits_has(const uint8_t *set, size_t n, unsigned i)
{
    return i / 8 < n && (set[i / 8] >> i % 8 & 1) != 0;
}

static inline void
bits_add(uint8_t *set, size_t n, unsigned i)
{
    AN(i / 8 < n);
    set[i / 8] |= (uint8_t)(1U << i % 8);
}
