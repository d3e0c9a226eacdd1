#pragma once

/*
 * A run of token bytes that cannot be searched where it lies, as it has escapes
 * or is not whole yet. A stage holds the last bytes of the run: the first stage
 * as they stand in the text, each next stage with one more layer of escapes
 * undone. A later stage is on only where the stage before it has escapes; the
 * bytes that it holds without a gap are a stretch. For each byte a stage knows
 * the offset in the text at which the byte, or the escape for it, begins.
 *
 * For scan.c. What stages do depends on the text, never on the secrets' bytes.
 */

#include "redact/guess.h"
#include "redact/window.h"

static inline size_t
redact_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The text as it stands, and undone up to four times. */
#define REDACT_STAGES 5

/* A stage keeps at least so many bytes before an escape and after it. */
#define REDACT_HISTORY_MIN 128

struct redact_stage {
    bool is_on;
    size_t n;      /* how many bytes it holds */
    size_t base;   /* where the stretch begins; before it are older ones */
    size_t next;   /* where the next window to be looked up begins */
    size_t undone; /* the bytes before it were given to the next stage */
    size_t quiet;  /* bytes since the last escape: many end the stretch; not
                      used by the first stage */
    unsigned char *bytes; /* NULL: the stage was never on */
    uint32_t *at; /* the low bits of each byte's offset, and of the end's; in
                     the first stage, where offsets follow each other, only
                     at[base] is set */
};

#define REDACT_RUN_MAGIC 0x4e75c4e5u

struct redact_run {
    unsigned magic;
    const struct redact_keys *keys;
    size_t history; /* bytes that a stage keeps: as many as the longest form */
    size_t room;    /* the most bytes that a stage holds */
    uint64_t end;   /* the offset in the text of the run's end so far */
    struct redact_stage stages[REDACT_STAGES];
    struct redact_guesses guesses;
};

struct redact_run *redact_run_new(const struct redact_keys *keys);
void redact_run_free(struct redact_run *r); /* NULL is fine */

/* A run begins. The batch may still have spans of the run before it. */
void redact_run_begin(
    struct redact_run *r, struct redact_batch *b, uint64_t offset);

/* Adds the next bytes of the run. */
void redact_run_feed(
    struct redact_run *r, struct redact_batch *b, struct str bytes);

/* The piece ends and the run may go on: looks up all windows that can be now.
 */
void redact_run_step(struct redact_run *r, struct redact_batch *b);

/* The run has ended: looks up the rest. */
void redact_run_end(struct redact_run *r, struct redact_batch *b);

/* Uses other keys from here on. Their first `n` secrets are those of the old
 * keys. No batch has spans of the run. */
void redact_run_change(
    struct redact_run *r, const struct redact_keys *keys, unsigned n);

/* Where in the text the bytes of a span stand: [from, to). */
void redact_run_range(const struct redact_run *r, const struct redact_span *s,
    struct str bytes, uint64_t *from, uint64_t *to);
