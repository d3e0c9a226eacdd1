#pragma once

/*
 * The content codings gzip and deflate as streams (RFC 9110 8.4.1, RFC 1950 to
 * 1952), from one queue to another. Each run goes on until the input is used
 * up or the output is full. Memory is bounded whatever comes: about 40 KiB for
 * each gunzip, GZIP_MEMORY for each gzip.
 *
 * gzip.c and gzip_*.c own zlib. They know nothing of HTTP.
 */

#include "base/bufq.h"

/* The coding of a body. */
enum coding { CODING_GZIP, CODING_DEFLATE };

enum gzip_io {
    GZIP_NEED, /* all input was taken: call again with more */
    GZIP_FULL, /* the output is full: drain it, then call again */
    GZIP_DONE, /* the input has ended, and all output was written */
    GZIP_BUSY, /* from gzip_mask_write() only: call again, input or not */
    GZIP_BAD   /* an error, for good: gunzip_why(), gzip_mask_why() */
};

/* Bytes of decoded text that pass whatever the ratio: a small body of zeros
 * is no attack. */
#define GUNZIP_FREE (1024 * 1024)

struct gunzip;

/* `coding` is CODING_GZIP (any number of members, RFC 1952 2.2) or
 * CODING_DEFLATE (in zlib's format as RFC 9110 8.4.1.2 says, or raw as some
 * origins send it). Behind the first GUNZIP_FREE bytes of text, `ratio` limits
 * the bytes of text for each byte of input; 0: no limit. */
struct gunzip *gunzip_new(enum coding coding, unsigned ratio);
void gunzip_free(struct gunzip *g); /* NULL is fine */

/* `is_end`: nothing will follow `in`. An input of no bytes is an empty body.
 * Behind the last member only zeros may stand, as for gzip(1); they are
 * dropped. Not to be called again after GZIP_BAD. */
enum gzip_io gunzip_run(
    struct gunzip *g, struct bufq *in, struct bufq *out, bool is_end);

/* Why it was GZIP_BAD: a static text. */
const char *gunzip_why(const struct gunzip *g);

/* About the bytes that zlib allocates for one gzip at windowBits 13 and
 * memLevel 6. With zlib's defaults, 15 and 8, it is 268 KiB and the output is
 * 5% smaller. */
#define GZIP_MEMORY (70 * 1024)

struct gzip;

/* `level` 1 to 9. CODING_DEFLATE is written in zlib's format. */
struct gzip *gzip_new(enum coding coding, int level);
void gzip_free(struct gzip *g); /* NULL is fine */

/* Raw deflate (RFC 1951) that continues another raw deflate stream between two
 * blocks. The other's last byte had `n_bits` bits (0 to 7), the low ones: they
 * are given as `bits` and written first. The new blocks never refer to text
 * before them, nor further back than 1 << `window_bits` bytes (8 to 15). */
struct gzip *gzip_resume(
    int level, unsigned window_bits, unsigned n_bits, unsigned bits);

/* `is_dry`: no more input comes now, so the output is flushed: the receiver
 * can decode all text that was taken. `is_end`: nothing will follow `in`. */
enum gzip_io gzip_run(struct gzip *g, struct bufq *in, struct bufq *out,
    bool is_dry, bool is_end);

/* The version of the zlib that is loaded, "1.2.13"; static. */
const char *gzip_library(void);
