#pragma once

/*
 * The owner of PCRE2. Patterns are compiled when the configuration is read,
 * with JIT if the machine has it, and matched without allocation.
 */

#include "base/str.h"

#define REGEX_CAPTURES 10 /* $0 to $9 */

struct regex;

struct regex_match {
    struct str capture[REGEX_CAPTURES]; /* into the subject; p NULL if unset */
};

/* Flags for regex_new(). */
#define REGEX_CASELESS 1u
#define REGEX_WHOLE 2u /* must match the whole subject */

/* NULL with a message (with offset) in `err` on a bad pattern. */
struct regex *regex_new(
    struct str pattern, unsigned flags, char *err, size_t err_size);
void regex_free(struct regex *re);

/* 1: it matches; 0: it does not; -1: the match limit was reached, and the
 * caller denies. */
int regex_run(
    const struct regex *re, struct str subject, struct regex_match *m);

/* The number of named groups, and the i-th one's name and capture index. */
unsigned regex_names(const struct regex *re);
struct str regex_name(const struct regex *re, unsigned i, unsigned *capture);

/* The version of PCRE2 at run time, as "10.42 2022-12-11". Returns `text`. */
#define REGEX_LIBRARY_MAX 64
const char *regex_library(char text[REGEX_LIBRARY_MAX]);
