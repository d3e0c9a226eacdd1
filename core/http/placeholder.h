#pragma once

/*
 * Finds a placeholder in a header value, a query or a path, and writes a value
 * in its place. In a query and a path, bytes may be percent-encoded. Pure;
 * called by modules/substitute.c (http/substitute.h does bodies).
 */

#include "base/str.h"

enum placeholder_form {
    PLACEHOLDER_PLAIN,
    PLACEHOLDER_QUERY,
    PLACEHOLDER_PATH
};

/* Reads the byte at `at`, decoded; returns how many bytes of text it takes. */
size_t placeholder_byte(
    enum placeholder_form form, struct str text, size_t at, unsigned char *c);

/* The length in `text` of the placeholder that stands at `at`; 0: it does not.
 */
size_t placeholder_match(enum placeholder_form form, struct str text, size_t at,
    struct str placeholder);

/* The text that is being written; p NULL: it is only measured. */
struct placeholder_sink {
    char *p;
    size_t n;
};

void placeholder_put(struct placeholder_sink *to, struct str s);

/* Writes `value` escaped for its place. In a path "/" stays as it is, since a
 * secret may have several segments. */
void placeholder_put_value(
    struct placeholder_sink *to, enum placeholder_form form, struct str value);
