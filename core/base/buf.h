#pragma once

/*
 * A growable run of bytes with a ceiling that is set when it is made. Adding
 * beyond the ceiling fails and changes nothing.
 */

#include "base/str.h"

struct buf {
    char *p;
    size_t n, cap, max;
    size_t gone; /* bytes consumed, before p */
    bool is_secret;
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);  /* frees the memory; ceiling and mark stay */
void buf_clear(struct buf *b); /* drops the bytes; the memory stays */

/* It holds secrets, or will: memory that it gives back is wiped before. Bytes
 * that were dropped stay until then. */
static inline void
buf_mark_secret(struct buf *b)
{
    b->is_secret = true;
}

must_check bool buf_add(struct buf *b, struct str s);
must_check bool buf_addc(struct buf *b, char c);
must_check bool buf_addf(struct buf *b, const char *fmt, ...) printf_like(2, 3);

/* Room for `n` more bytes at the returned pointer, NULL beyond the ceiling;
 * the caller adds what it wrote to b->n. */
must_check char *buf_reserve(struct buf *b, size_t n);

/* Drops the first n bytes. The others are moved only when room is needed after
 * them. */
void buf_consume(struct buf *b, size_t n);

static inline struct str
buf_str(const struct buf *b)
{
    return str_n(b->p, b->n);
}
