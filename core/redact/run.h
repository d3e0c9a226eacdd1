#pragma once

/*
 * What was seen of one run of token bytes that cannot be looked at where it
 * lies: it has escapes, or more of it is to come. A stage holds the last bytes
 * of the run; the first as it stands, each next one with the escapes of the one
 * before it undone, where that has any. Each byte has the offset in the text at
 * which it, or the escape that it was, begins.
 *
 * For scan.c. Which stages there are, and what they take, depends on the text.
 */

#include "redact/window.h"

/* As it stands, and undone up to four times. */
#define REDACT_STAGES 5

/* Guesses of a run that are not told yet: its escapes may show them whole. */
#define REDACT_GUESSES 8

struct redact_stage {
    size_t n;      /* bytes there */
    size_t next;   /* the next window to try */
    size_t undone; /* what is before it was given to the next stage */
    size_t quiet;  /* bytes since an escape; the stage ends when there are many
                      (not the first, which ends with the run) */
    bool is_on;
    unsigned char *bytes; /* NULL: there were none yet */
    uint32_t first;       /* the offset of the first, low bits */
    uint32_t *at;         /* of each, and of the end; NULL: they are in a row */
};

struct redact_guess {
    unsigned secret;
    uint64_t from, to;
};

struct redact_run {
    const struct redact_keys *keys;
    size_t history; /* bytes that a stage keeps: no form is longer */
    size_t room;    /* bytes that a stage may hold */
    uint64_t end;   /* offset */
    struct redact_stage stages[REDACT_STAGES];
    unsigned n_guesses;
    struct redact_guess guesses[REDACT_GUESSES];
};

/* One that begins at that offset. */
struct redact_run *redact_run_new(
    const struct redact_keys *keys, uint64_t offset);
void redact_run_free(struct redact_run *r); /* NULL is fine */

/* Its next bytes. The batch is left empty. */
void redact_run_feed(
    struct redact_run *r, struct redact_batch *b, struct str bytes);

/* It has ended. */
void redact_run_end(struct redact_run *r, struct redact_batch *b);

/* Other keys from here on, of which the first `n` secrets are the old ones'. */
void redact_run_change(
    struct redact_run *r, const struct redact_keys *keys, unsigned n);

/* The range in the text of bytes of a span of the run. */
void redact_run_range(const struct redact_run *r, const struct redact_span *s,
    struct str bytes, uint64_t *from, uint64_t *to);
