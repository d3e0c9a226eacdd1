#pragma once

/*
 * Where a placeholder stands in a text, and what is written in its place. A
 * query's and a path's bytes are read percent-encoded or not. Pure; called by
 * modules/substitute.c (bodies are http/substitute.h's).
 */

#include "base/str.h"

enum placeholder_form {
    PLACEHOLDER_PLAIN,
    PLACEHOLDER_QUERY,
    PLACEHOLDER_PATH
};

/* The byte at `at`; returns how many bytes of the text it takes. */
size_t placeholder_byte(
    enum placeholder_form form, struct str text, size_t at, unsigned char *c);

/* How many bytes from `at` on are the placeholder; 0: they are not. */
size_t placeholder_match(enum placeholder_form form, struct str text, size_t at,
    struct str placeholder);

/* Where the new text goes; p NULL: it is measured. */
struct placeholder_sink {
    char *p;
    size_t n;
};

void placeholder_put(struct placeholder_sink *to, struct str s);

/* Escaped for its place. A path keeps "/", as a secret may be of more than one
 * segment. */
void placeholder_put_value(
    struct placeholder_sink *to, enum placeholder_form form, struct str value);
