#pragma once

/*
 * Escapes, of percent-encoding and of JSON and the languages around it, that
 * stand for a token byte: %2D, \u002d, \x2d, \/ and \\. What another escape
 * stands for is of no form (\n, %20), and stays as it is: so it swallows no
 * first letter of one.
 */

#include <endian.h>

#include "redact/token.h"

/* None has more bytes; one of them is not yet decided. */
#define REDACT_ESCAPE_MAX 6

/* The first '%' or '\' of `n` bytes; n. */
static inline size_t
redact_undo_find(const unsigned char *p, size_t n)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t x, percent, slash;
        memcpy(&x, p + i, sizeof x);
        x = le64toh(x);
        percent = x ^ (ones * '%');
        slash = x ^ (ones * '\\');
        uint64_t hit =
            (((percent - ones) & ~percent) | ((slash - ones) & ~slash)) & high;
        if (hit != 0) {
            return i + (size_t)__builtin_ctzll(hit) / 8;
        }
    }
    while (i < n && p[i] != '%' && p[i] != '\\') {
        i++;
    }
    return i;
}

/* What the '%' or '\' at `p` begins, with `n` bytes there. The length of the
 * escape, and in *to the byte that it stands for; 1: it begins none; 0: the
 * bytes behind it must tell. */
unsigned redact_undo(const unsigned char *p, size_t n, unsigned char *to);
