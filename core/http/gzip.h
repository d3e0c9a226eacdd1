#pragma once

/*
 * Content codings gzip and deflate as streams (RFC 9110 8.4.1, RFC 1950 to
 * 1952): from a queue to a queue, as far as both allow, nothing held back
 * that could be given. Memory is bounded whatever comes: about 40 KiB for each
 * gunzip, GZIP_MEMORY for each gzip.
 *
 * The owner of zlib, with gzip_*.c beside it; knows nothing of HTTP, nor the
 * codings' names.
 */

#include "base/bufq.h"

/* What a body is wrapped in. */
enum coding { CODING_GZIP, CODING_DEFLATE };

enum gzip_io {
    GZIP_NEED, /* took all; more input, please */
    GZIP_FULL, /* the output is full */
    GZIP_DONE, /* the input had ended, and all is out */
    GZIP_BUSY, /* gzip_mask_write() alone: it has work to do, again please */
    GZIP_BAD   /* it cannot go on: why */
};

/* Decoded, this much passes whatever the ratio, in bytes: a small body of
 * nothing but zeros is no attack. */
#define GUNZIP_FREE (1024 * 1024)

struct gunzip;

/* `coding` is CODING_GZIP (members without end, RFC 1952 2.2) or
 * CODING_DEFLATE (zlib's wrapping as RFC 9110 8.4.1.2 says, or none as some
 * origins send). Beyond GUNZIP_FREE no more than `ratio` bytes may come out of
 * each that went in; 0: no limit. */
struct gunzip *gunzip_new(enum coding coding, unsigned ratio);
void gunzip_free(struct gunzip *g); /* NULL is fine */

/* `is_end`: nothing will follow `in`. No byte at all is an empty body. Behind
 * the last member only zeros may stand, as gzip(1) has it; they are dropped. */
enum gzip_io gunzip_run(
    struct gunzip *g, struct bufq *in, struct bufq *out, bool is_end);

/* Of GZIP_BAD: static. */
const char *gunzip_why(const struct gunzip *g);

/* What zlib takes for one gzip at windowBits 13 and memLevel 6, about; its
 * default of 15 and 8 takes 268 KiB for text 5% smaller. */
#define GZIP_MEMORY (70 * 1024)

struct gzip;

/* `level` 1 to 9. CODING_DEFLATE is wrapped as zlib does. */
struct gzip *gzip_new(enum coding coding, int level);
void gzip_free(struct gzip *g); /* NULL is fine */

/* Bare deflate (RFC 1951) that goes on in the middle of another's: behind the
 * low `n_bits` (0 to 7) of a byte, which are `bits` and are written first. It
 * refers to nothing that was before it, and no further back than
 * 1 << `window_bits` (8 to 15). */
struct gzip *gzip_resume(
    int level, unsigned window_bits, unsigned n_bits, unsigned bits);

/* `is_dry`: nothing more comes now, so that all taken must be readable at the
 * other end when `out` has been sent. */
enum gzip_io gzip_run(struct gzip *g, struct bufq *in, struct bufq *out,
    bool is_dry, bool is_end);

/* "1.2.13", of the zlib that runs; static. */
const char *gzip_library(void);
