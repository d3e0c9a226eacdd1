#pragma once

/*
 * Bare deflate (RFC 1951) inflated so that each block's end is seen, and the
 * bit at which it lies. For gzip_mask.c.
 */

#include "http/gzip_ring.h"

struct gzip_blocks;

struct gzip_blocks *gzip_blocks_new(void);
void gzip_blocks_free(struct gzip_blocks *b); /* NULL is fine */

/* Another stream begins. */
void gzip_blocks_reset(struct gzip_blocks *b);

/* Goes on in the middle of one, at a block's begin: the text before it ended
 * at offset `at`, its last bytes are in `r`; the first `n_bits` bits (0 to 7)
 * are `bits`. */
void gzip_blocks_resume(struct gzip_blocks *b, const struct gzip_ring *r,
    uint64_t at, unsigned n_bits, unsigned bits);

enum gzip_block {
    BLOCK_GOES_ON, /* it needs more input or more room */
    BLOCK_ENDS,    /* another follows */
    BLOCK_LAST,    /* the stream's end; what follows is no part of it */
    BLOCK_BAD      /* corrupt */
};

/* What one run took and gave; of BLOCK_ENDS how many bits of the last byte
 * taken are the next block's, 0 to 7. */
struct gzip_blocks_run {
    size_t used, made;
    unsigned bits_left;
};

/* To the end of a block at most. `room` is 1 at least. */
enum gzip_block gzip_blocks_run(struct gzip_blocks *b, struct str in, char *to,
    size_t room, struct gzip_blocks_run *run);

/* It may give more without further input. */
bool gzip_blocks_has_more(const struct gzip_blocks *b);
