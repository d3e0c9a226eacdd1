#pragma once

/*
 * Rows of set bits in the masks of blocks. A block is 64 bytes; its mask has
 * one bit for each byte, bit 0 for the first. For scan.c.
 */

#include "base/obj.h"

#define BLOCK 64

/* Bit i of the result: the mask has bits i to i + n - 1; `n` is 16 to 64. */
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

/* Bit i of the result: a row of 16 bits ends there. It may have begun in
 * `last`, the mask of the block before. */
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

/* Bit i of the result: a row of `n` bits ends there, 16 to 64. `last` and
 * `ends` are what long_ends() returned for the block before and for this one.
 */
static inline uint64_t
longer_ends(uint64_t last, uint64_t ends, unsigned n)
{
    unsigned more = n - 16, some = more < 16 ? more : 16;
    ends &= ends << some | last >> 1 >> (BLOCK - 1 - some);
    last &= last << some;
    more -= some;
    return ends & (ends << more | last >> 1 >> (BLOCK - 1 - more));
}

/* How many bits are set in a row from bit `from` on. */
static inline unsigned
row(uint64_t mask, unsigned from)
{
    uint64_t others = ~(mask >> from);
    return others != 0 ? (unsigned)__builtin_ctzll(others) : BLOCK;
}

/* How many bits are set in a row at the mask's end. */
static inline unsigned
last_row(uint64_t mask)
{
    return mask != UINT64_MAX ? (unsigned)__builtin_clzll(~mask) : BLOCK;
}

/* A mask of the first `n` bits; of all from 64 on. */
static inline uint64_t
low_bits(size_t n)
{
    return n < BLOCK ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
}

/* Whether one of the bits [from, from + n) is set; n is at most 63. */
static inline bool
has_bits(uint64_t mask, unsigned from, unsigned n)
{
    return (mask >> from & low_bits(n)) != 0;
}
