#pragma once

/*
 * Escapes, of percent-encoding and of JSON and the languages around it, that
 * stand for a token byte: %2D, \u002d, \x2d, \/ and \\. What another escape
 * stands for is of no form (\n, %20), and stays as it is: so it swallows no
 * first letter of one.
 */

#include "redact/token.h"

/* None has more bytes. */
#define REDACT_ESCAPE_MAX 6

/* Bytes of a text, and where in them a backslash stands, or '%' and what makes
 * it an escape or may yet. */
#define REDACT_MARKS_MAX 64

struct redact_marks {
    const unsigned char *p;
    size_t n;
    uint64_t masks[REDACT_MARKS_MAX]; /* of 64 bytes each */
};

/* `n` is 64 * REDACT_MARKS_MAX at most; 65 bytes behind them may be read. */
void redact_marks_init(struct redact_marks *m, const struct simd *simd,
    const unsigned char *p, size_t n);

/* An escape, or where it would be. */
struct redact_escape {
    size_t at;
    unsigned n; /* its bytes; 0: there is none, as far as bytes are there */
    unsigned char byte;
};

/* The first escape at `from` or behind it. Where there is none, `at` is what
 * the bytes behind may make one (`is_end`: there are none), or the end. */
struct redact_escape redact_undo_next(
    const struct redact_marks *m, size_t from, bool is_end);

/* A hexadecimal digit: redact_token's bits for a high and for a low half, which
 * meet if both are a token byte's, and its value. */
struct redact_digit {
    uint8_t high, low, value;
};

extern const struct redact_digit redact_digits[256];

/* The byte for "%" and the digits at `p`; 0: it is no token byte. */
static inline unsigned char
redact_undo_digits(const unsigned char *p)
{
    const struct redact_digit *one = &redact_digits[p[0]];
    const struct redact_digit *two = &redact_digits[p[1]];
    return one->high & two->low ? (unsigned char)(one->value << 4 | two->value)
                                : 0;
}
