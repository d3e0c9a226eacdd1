#pragma once

/*
 * What a program or an agent should do about an answer of weir's own: by its
 * status, and by the error type (RFC 9209 2.3) where the status alone would
 * tell it to try again what cannot succeed.
 */

#include <stdbool.h>

struct advice {
    const char *text;  /* a sentence or two; static */
    bool is_retryable; /* the same request may succeed later */
};

/* `error` may be NULL. */
struct advice advice_for(unsigned status, const char *error);
