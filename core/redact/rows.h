#pragma once

/*
 * Rows of bits that are set in the masks of blocks of 64 bytes, of which bit 0
 * is the first byte's. For scan.c.
 */

#include "base/obj.h"

#define BLOCK 64

/* Bit i: the mask has bits i to i + n - 1; `n` is 16 to 64. */
static inline uint64_t
long_runs(uint64_t mask, unsigned n)
{
    unsigned more = n - 16, some = more < 16 ? more : 16;
    mask &= mask >> 1;
    mask &= mask >> 2;
    mask &= mask >> 4;
    mask &= mask >> 8;
    mask &= mask >> some;
    return mask & mask >> (more - some);
}

/* Bit i: 16 bits in a row end there, be it that they begin in the mask of the
 * block before. */
static inline uint64_t
long_ends(uint64_t last, uint64_t mask)
{
    mask &= mask << 1 | last >> 63;
    last &= last << 1;
    mask &= mask << 2 | last >> 62;
    last &= last << 2;
    mask &= mask << 4 | last >> 60;
    last &= last << 4;
    return mask & (mask << 8 | last >> 56);
}

/* From where 16 bits in a row end, in a mask and in the one before: where `n`
 * do, 16 to 64. */
static inline uint64_t
longer_ends(uint64_t last, uint64_t ends, unsigned n)
{
    unsigned more = n - 16, some = more < 16 ? more : 16;
    ends &= ends << some | last >> 1 >> (BLOCK - 1 - some);
    last &= last << some;
    more -= some;
    return ends & (ends << more | last >> 1 >> (BLOCK - 1 - more));
}

/* The bits of a mask from `from` on that are set, as many as in a row. */
static inline unsigned
row(uint64_t mask, unsigned from)
{
    uint64_t others = ~(mask >> from);
    return others != 0 ? (unsigned)__builtin_ctzll(others) : BLOCK;
}

/* ... and those at its end. */
static inline unsigned
last_row(uint64_t mask)
{
    return mask != UINT64_MAX ? (unsigned)__builtin_clzll(~mask) : BLOCK;
}

/* The first `n` bits, or all. */
static inline uint64_t
low_bits(size_t n)
{
    return n < BLOCK ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
}

/* Whether bits [from, from + n) have one; n is at most 63. */
static inline bool
has_bits(uint64_t mask, unsigned from, unsigned n)
{
    return (mask >> from & low_bits(n)) != 0;
}
