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
