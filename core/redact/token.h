#pragma once

/*
 * Token bytes, of which runs are made, and what of a secret's value is looked
 * for (SPEC 7).
 */

#include "base/str.h"
#include "os/simd.h"

/* A shorter run is not looked at; nor is what of a value counts fewer bits. */
#define REDACT_RUN_MIN 16
#define REDACT_BITS_MIN 80

/* Of a longer run of a value only so many bytes, its last, are looked for. */
#define REDACT_RUN_MAX 1024

/* Windows are tried at most so many bytes apart. */
#define REDACT_STRIDE_MAX 24

/* In a text: letters, digits, "+/-_.~", and, special, what escapes begin
 * with: '%' and '\'. */
extern const struct simd_class redact_token;

static inline bool
redact_is_token(unsigned char c)
{
    return (redact_token.low[c & 15] & redact_token.high[c >> 4]) != 0;
}

/* Cuts the part before and with the next run that is worth it off `rest`. A
 * value's runs have no byte that escapes begin with. False: there is none. */
bool redact_token_cut(struct str *rest, struct str *run);

/* Whether any of the value is looked for. One that is not is weak: chance, or
 * whoever tries them all, would find it. */
bool redact_is_worth(struct str value);

/* How far apart windows may be for a run of a value with `n` bytes. */
unsigned redact_stride(size_t n);
