#pragma once

/*
 * Short runs that are there whole and have escapes: undone again and again, to
 * the same windows as by run.h. Their bytes are kept until the batch that they
 * were given to is flushed. Where in the text a byte of theirs stands is found
 * out when there is something to be told.
 *
 * For scan.c. What is done depends on the text.
 */

#include "redact/run.h"

#define REDACT_WHOLE_MAX REDACT_HISTORY_MIN /* bytes of such a run */

/* The run as it stands, and undone again and again. */
struct redact_whole_run {
    const unsigned char *begin; /* in the text */
    const unsigned char *bytes[REDACT_STAGES];
    size_t n[REDACT_STAGES];
};

struct redact_whole {
    unsigned n;
    size_t used;
    struct redact_whole_run runs[16];
    unsigned char bytes[4096];
};

void redact_whole_init(struct redact_whole *w);

/* A run of `n` bytes. `has_plain`: 16 in a row are no special ones. */
void redact_whole_add(struct redact_whole *w, struct redact_batch *b,
    const unsigned char *run, size_t n, bool has_plain);

/* Whether it is a span of one of them. */
static inline bool
redact_whole_has(const struct redact_whole *w, const struct redact_span *s)
{
    const struct redact_whole_run *r = s->whose;
    return r >= w->runs && r < w->runs + LEN(w->runs);
}

/* Where bytes of a span of such a run stand in the text. */
struct str redact_whole_range(const struct redact_whole *w,
    const struct redact_span *s, const struct simd *simd, struct str bytes);
