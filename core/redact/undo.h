#pragma once

/*
 * Escapes that stand for a token byte: those of percent-encoding (%2D), of JSON
 * and of languages like it (\u002d, \x2d, \/ and \\). Any other escape (\n,
 * %20) stands for a byte that no form has, and is left as it is.
 */

#include "redact/token.h"

/* The most bytes of an escape. */
#define REDACT_ESCAPE_MAX 6

/* The most blocks of 64 bytes in a struct redact_marks. */
#define REDACT_MARKS_MAX 64

/* Bytes of a text, and a mask of where an escape may begin in them: at each
 * backslash, and at each '%' that the digits of a token byte follow or may. */

struct redact_marks {
    const unsigned char *p;
    size_t n;
    uint64_t masks[REDACT_MARKS_MAX]; /* a bit for each byte */
};

/* `n` is at most 64 * REDACT_MARKS_MAX. */
void redact_marks_init(struct redact_marks *m, const struct simd *simd,
    const unsigned char *p, size_t n);

/* An escape, or the place where one may begin. */
struct redact_escape {
    size_t at;
    unsigned n;         /* its length; 0: there is no whole escape */
    unsigned char byte; /* that it stands for */
};

/* The first escape at `from` or behind it. If there is none, `at` is where an
 * escape begins that more bytes may complete (`is_end`: none come), or the end
 * of the bytes. */
struct redact_escape redact_undo_next(
    const struct redact_marks *m, size_t from, bool is_end);

/* A hexadecimal digit: its value, and the bits that redact_token has for it as
 * the high and as the low digit. Two digits are a token byte if the `high` of
 * the first and the `low` of the second share a bit. */
struct redact_digit {
    uint8_t high, low, value;
};

extern const struct redact_digit redact_digits[256];

/* The byte for the two digits at `p`; 0: they are none, or it is no token byte.
 */
static inline unsigned char
redact_undo_digits(const unsigned char *p)
{
    const struct redact_digit *one = &redact_digits[p[0]];
    const struct redact_digit *two = &redact_digits[p[1]];
    return one->high & two->low ? (unsigned char)(one->value << 4 | two->value)
                                : 0;
}
