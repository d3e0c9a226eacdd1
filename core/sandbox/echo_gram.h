#pragma once

/*
 * Where in a text a form of a secret may begin, found by looking at few of its
 * bytes: every form begins with a window of plain symbols, or an escape stands
 * in that window. Of a window one run of four bytes is looked up among those
 * that the secrets' forms have there; escapes are found by memchr(). What it
 * cannot rule out is for echo.c to look at.
 */

#include "base/str.h"

struct echo_grams;

/* `secrets` of ECHO_MIN bytes each at least; nothing of them is kept but
 * hashed runs of four bytes, which are wiped at the end. */
struct echo_grams *echo_grams_new(const struct str *secrets, unsigned n);
void echo_grams_free(struct echo_grams *g); /* NULL is fine */

/* A walk over one piece of text. */
struct echo_walk {
    const struct echo_grams *grams;
    const unsigned char *end;
    const unsigned char *percent, *backslash; /* the next one, or the end */
};

void echo_walk_init(
    struct echo_walk *w, const struct echo_grams *g, struct str text);

/* The next place, from `p` on, at which a form may begin, or the text's end;
 * others until *until are not ruled out either. */
const unsigned char *echo_walk_next(
    struct echo_walk *w, const unsigned char *p, const unsigned char **until);
