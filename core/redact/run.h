#pragma once

/*
 * Runs of token bytes that cannot be looked at where they lie: they have
 * escapes, or more of one is to come. A stage holds the last bytes of a run;
 * the first as it stands, each next one with the escapes of the one before it
 * undone, for as long as that has any: a stretch. Each byte has the offset in
 * the text at which it, or the escape that it was, begins.
 *
 * For scan.c. Which stages there are, and what they take, depends on the text.
 */

#include "redact/guess.h"
#include "redact/window.h"

/* As it stands, and undone up to four times. */
#define REDACT_STAGES 5

/* A stage keeps so many bytes before an escape, and behind it, at least. */
#define REDACT_HISTORY_MIN 128

struct redact_stage {
    bool is_on;
    size_t n;      /* bytes there */
    size_t base;   /* the first of this stretch: what is before it has ended */
    size_t next;   /* the next window to try */
    size_t undone; /* what is before it was given to the next stage */
    size_t quiet;  /* bytes since an escape; the stretch ends when they are many
                      (not of the first stage) */
    unsigned char *bytes; /* NULL: there were none yet */
    uint32_t *at; /* offsets, low bits; one more, for the end; of the first
                     stage, where they are in a row, a stretch's first alone */
};

struct redact_run {
    const struct redact_keys *keys;
    size_t history; /* bytes that a stage keeps: no form is longer */
    size_t room;    /* bytes that a stage may hold */
    uint64_t end;   /* offset of the run's last byte so far */
    struct redact_stage stages[REDACT_STAGES];
    struct redact_guesses guesses;
};

struct redact_run *redact_run_new(const struct redact_keys *keys);
void redact_run_free(struct redact_run *r); /* NULL is fine */

/* A run begins, or another. Spans of the batch may be of one before it. */
void redact_run_begin(
    struct redact_run *r, struct redact_batch *b, uint64_t offset);

/* Its next bytes. */
void redact_run_feed(
    struct redact_run *r, struct redact_batch *b, struct str bytes);

/* More is to come later: all that can be tried now is. */
void redact_run_step(struct redact_run *r, struct redact_batch *b);

/* It has ended. */
void redact_run_end(struct redact_run *r, struct redact_batch *b);

/* Other keys from here on, of which the first `n` secrets are the old ones'. No
 * batch has spans of it. */
void redact_run_change(
    struct redact_run *r, const struct redact_keys *keys, unsigned n);

/* The range in the text of bytes of a span of the run. */
void redact_run_range(const struct redact_run *r, const struct redact_span *s,
    struct str bytes, uint64_t *from, uint64_t *to);
