#pragma once

/*
 * The last 32 KiB of a text: a deflate stream refers back no further (RFC 1951
 * 3.2.5). The byte at offset n is at n modulo 32 KiB. For gzip_mask.c.
 */

#include "base/str.h"

#define GZIP_RING_SIZE 32768u

struct gzip_ring {
    char bytes[GZIP_RING_SIZE];
};

/* The length of the contiguous run, at most `n`, that begins at offset `at`. */
static inline size_t
gzip_ring_run(uint64_t at, uint64_t n)
{
    size_t to_end = GZIP_RING_SIZE - (size_t)(at % GZIP_RING_SIZE);
    return n < to_end ? (size_t)n : to_end;
}

/* Adds `s`, the text from offset `at` on. */
static inline void
gzip_ring_add(struct gzip_ring *r, uint64_t at, struct str s)
{
    if (s.n > GZIP_RING_SIZE) {
        at += s.n - GZIP_RING_SIZE;
        s = str_skip(s, s.n - GZIP_RING_SIZE);
    }
    while (s.n != 0) {
        size_t n = gzip_ring_run(at, s.n);
        memcpy(r->bytes + at % GZIP_RING_SIZE, s.p, n);
        at += n;
        s = str_skip(s, n);
    }
}

/* `r` ends at offset `end`, `to` at `from`: copies what `to` lacks from `r`. */
static inline void
gzip_ring_follow(struct gzip_ring *to, const struct gzip_ring *r, uint64_t from,
    uint64_t end)
{
    if (end - from > GZIP_RING_SIZE) {
        from = end - GZIP_RING_SIZE;
    }
    while (from != end) {
        size_t n = gzip_ring_run(from, end - from);
        size_t at = (size_t)(from % GZIP_RING_SIZE);
        memcpy(to->bytes + at, r->bytes + at, n);
        from += n;
    }
}
