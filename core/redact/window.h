#pragma once

/*
 * A batch of windows, which come from many runs and are looked up together. For
 * scan.c and run.c.
 */

#include "redact/keys.h"
#include "redact/scan.h"

#define REDACT_BATCH 64

/* Bytes that lie together. A form that has a window here stands here whole, or
 * is not there. */
struct redact_span {
    const unsigned char *from, *to;
    void *whose; /* for redact_hit: the stage (run.h) or the run (whole.h) that
                    has the bytes; NULL: they lie in the text */
};

/* `bytes` are bytes of the span. */
typedef void redact_hit(void *arg, const struct redact_span *span,
    enum redact_event event, unsigned secret, struct str bytes);

struct redact_batch {
    const struct redact_keys *keys;
    redact_hit *hit;
    void *arg;
    unsigned n, n_spans;
    const unsigned char *at[REDACT_BATCH];
    struct redact_span spans[REDACT_BATCH]; /* that the windows are in, in the
                                               same order */
};

void redact_batch_init(struct redact_batch *b, const struct redact_keys *keys,
    redact_hit *hit, void *arg);

/* Adds windows of the span, one every stride: the first at `from`, or where the
 * shortest form would have its last window; the last one with `wait` bytes
 * behind it. The span's bytes must stay until the next flush. Returns where
 * the next window would begin. */
size_t redact_batch_add(struct redact_batch *b, const struct redact_span *span,
    size_t from, size_t wait);

/* Looks up all windows that were added, and reports hits. */
void redact_batch_flush(struct redact_batch *b);

/* Adds all windows of a run that is searched where it lies in the text. It is
 * no shorter than the shortest form. */
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
