#pragma once

/*
 * Token bytes, of which runs are made (SPEC 7), and how far apart windows are
 * tried in these.
 */

#include "base/str.h"
#include "os/simd.h"
#include "redact/worth.h"

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

/* How far apart windows may be for a run of a value with `n` bytes. */
unsigned redact_stride(size_t n);
