#pragma once

/*
 * Inflates raw deflate (RFC 1951) block by block, and tells at which bit each
 * block ends. For gzip_mask.c.
 */

#include "http/gzip_ring.h"

struct gzip_blocks;

struct gzip_blocks *gzip_blocks_new(void);
void gzip_blocks_free(struct gzip_blocks *b); /* NULL is fine */

/* Starts a new deflate stream. */
void gzip_blocks_reset(struct gzip_blocks *b);

/* Starts in the middle of a deflate stream, where a block begins. `at` is the
 * offset of the block's text; `r` has the text before it. The block's first
 * `n_bits` bits (0 to 7) are `bits`; the others come with gzip_blocks_run(). */
void gzip_blocks_resume(struct gzip_blocks *b, const struct gzip_ring *r,
    uint64_t at, unsigned n_bits, unsigned bits);

enum gzip_block {
    BLOCK_GOES_ON, /* the block needs more input or more room */
    BLOCK_ENDS,    /* the block ended, another follows */
    BLOCK_LAST,    /* the last block and its stream ended */
    BLOCK_BAD      /* the stream is corrupt */
};

struct gzip_blocks_run {
    size_t used, made;  /* bytes of input taken, bytes of text written */
    unsigned bits_left; /* on BLOCK_ENDS: how many bits (0 to 7) of the last
                           byte taken belong to the next block */
};

/* Inflates `in` to `to`, up to the end of a block at most. `room` is at least
 * 1 and below 1 GiB. */
enum gzip_block gzip_blocks_run(struct gzip_blocks *b, struct str in, char *to,
    size_t room, struct gzip_blocks_run *run);

/* Whether gzip_blocks_run() may write more without further input. */
bool gzip_blocks_has_more(const struct gzip_blocks *b);
