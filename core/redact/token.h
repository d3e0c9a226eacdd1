#pragma once

/*
 * Token bytes, of which runs are made (SPEC 7), and how far apart the windows
 * of a run are looked up.
 */

#include "base/str.h"
#include "os/simd.h"
#include "redact/worth.h"

/* The most bytes from one window that is looked up to the next. */
#define REDACT_STRIDE_MAX 24

/* The token bytes of a text: letters, digits, "+/-_.~", and two that escapes
 * begin with and that are special: '%' and '\'. */
extern const struct simd_class redact_token;

static inline bool
redact_is_token(unsigned char c)
{
    return (redact_token.low[c & 15] & redact_token.high[c >> 4]) != 0;
}

/* How far apart windows may be to find a run of a value with `n` bytes. */
unsigned redact_stride(size_t n);
