#pragma once

/*
 * Windows that are tried, gathered from many runs and looked up together. For
 * scan.c and run.c.
 */

#include "redact/keys.h"
#include "redact/scan.h"

#define REDACT_BATCH 64

/* Bytes that lie together and hold whole what may stand in them. */
struct redact_span {
    const unsigned char *from, *to;
    void *whose; /* for who is told */
};

/* [from, to): bytes of the span. */
typedef void redact_hit(void *arg, const struct redact_span *span,
    enum redact_event event, unsigned secret, struct str bytes);

struct redact_batch {
    const struct redact_keys *keys;
    redact_hit *hit;
    void *arg;
    unsigned n, n_spans;
    const unsigned char *at[REDACT_BATCH];
    struct redact_span spans[REDACT_BATCH]; /* of these windows, in order */
};

void redact_batch_init(struct redact_batch *b, const struct redact_keys *keys,
    redact_hit *hit, void *arg);

/* Adds the span's windows at byte `from` and every stride behind it that have
 * `wait` bytes behind them, but those before which there is no room for the
 * rest of a form; its bytes stay until the next flush. Returns where the next
 * window would be. */
size_t redact_batch_add(struct redact_batch *b, const struct redact_span *span,
    size_t from, size_t wait);

/* Looks up all that were added. */
void redact_batch_flush(struct redact_batch *b);

/* Adds all windows of a run that stands in the text as it is looked at; there
 * is room for a form in it. */
static inline void
redact_batch_run(
    struct redact_batch *b, const unsigned char *from, const unsigned char *to)
{
    struct redact_span span = { from, to, NULL };
    const unsigned char *at = from + b->keys->shortest - REDACT_WINDOW;
    if ((size_t)(to - at) >= REDACT_WINDOW + b->keys->stride) {
        redact_batch_add(b, &span, 0, 0);
        return;
    }
    b->spans[b->n_spans++] = span;
    b->at[b->n++] = at;
    if (b->n == REDACT_BATCH) {
        redact_batch_flush(b);
    }
}
