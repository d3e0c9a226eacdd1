#pragma once

/*
 * Short runs with escapes that a piece has whole. Their escapes are undone
 * again and again, and the windows are those that run.h would give. Their bytes
 * are kept until the batch that they were added to is flushed. Where in the
 * text a byte stands is computed only for a hit.
 *
 * For scan.c. What is done depends on the text, never on the secrets' bytes.
 */

#include "redact/run.h"

#define REDACT_WHOLE_MAX REDACT_HISTORY_MIN /* bytes of such a run */

/* A run as it stands (stage 0), and with each layer of escapes undone. */
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

/* Adds a run of `n` bytes. `has_plain`: 16 bytes in a row are not special (else
 * no form can stand in it before an escape is undone). */
void redact_whole_add(struct redact_whole *w, struct redact_batch *b,
    const unsigned char *run, size_t n, bool has_plain);

/* Whether the span is of such a run. */
static inline bool
redact_whole_has(const struct redact_whole *w, const struct redact_span *s)
{
    const struct redact_whole_run *r = s->whose;
    return r >= w->runs && r < w->runs + LEN(w->runs);
}

/* Where in the text the bytes of a span of such a run stand. */
struct str redact_whole_range(const struct redact_whole *w,
    const struct redact_span *s, const struct simd *simd, struct str bytes);
