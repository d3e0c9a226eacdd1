#pragma once

/*
 * A body in gzip or deflate that is looked through and leaves as it came: it is
 * inflated beside the stream, and what holds nothing to mask goes on
 * compressed, byte for byte, by whole blocks (RFC 1951 3.2.3) as far as they
 * are cleared. From the first masked byte on it is compressed anew.
 *
 * It has two ends with a filter between them, which gives back as many bytes as
 * it is given, in order, each as it was or masked, some of them later:
 *
 *     compressed -> gzip_mask_read() -> text -> the filter
 *     compressed <- gzip_mask_write() <- text <- the filter
 *
 * What the filter has given back is cleared. Nothing leaves that shows a bit of
 * text that is not. Knows no socket and no filter.
 */

#include "http/gzip.h"
#include "http/gzip_head.h"

/* Compressed bytes that wait for a block's end; a block that has more is
 * compressed anew. */
#define GZIP_MASK_HELD (256 * 1024)

/* Text that is ahead of what has come back, beyond what the filter holds. */
#define GZIP_MASK_TEXT (64 * 1024)

struct gzip_mask;

/* `level` (1 to 9) and `ratio` (0: no limit) are for what is compressed anew:
 * beyond GUNZIP_FREE no more than `ratio` bytes of text may come out of each of
 * it that went in. `look` gets the plain text in the headers of gzip members;
 * it has no part in the text that goes through the filter. */
struct gzip_mask *gzip_mask_new(
    enum coding coding, int level, unsigned ratio, gzip_look *look, void *arg);
void gzip_mask_free(struct gzip_mask *g); /* NULL is fine */

/* The text of `in`, members one behind the other, and of what stands behind
 * the last of them. `is_end`: nothing will follow `in`; GZIP_DONE then. Never
 * GZIP_BAD: gzip_mask_write() says so when what was cleared has left. */
enum gzip_io gzip_mask_read(
    struct gzip_mask *g, struct bufq *in, struct bufq *text, bool is_end);

/* `text` came back. `is_dry`: no more comes now, so that all taken must be
 * readable at the other end when `out` has been sent, as far as whole blocks
 * allow; `is_end`: no more comes. GZIP_BAD comes when `out` is empty. */
enum gzip_io gzip_mask_write(struct gzip_mask *g, struct bufq *text,
    struct bufq *out, bool is_dry, bool is_end);

/* Of GZIP_BAD: static. */
const char *gzip_mask_why(const struct gzip_mask *g);

/* Why it is compressed anew; static. NULL: it is not, or for a masked byte. */
const char *gzip_mask_anew(const struct gzip_mask *g);

/* Bytes that it holds, zlib's included. At most GZIP_MASK_MEMORY and what the
 * filter holds, whatever comes. */
size_t gzip_mask_memory(const struct gzip_mask *g);

/* zlib's inflate takes 40 KiB; twice while a block is read again. */
#define GUNZIP_MEMORY (40 * 1024)
#define GZIP_MASK_MEMORY                                                       \
    (GZIP_MASK_HELD + 2 * GZIP_MASK_TEXT + 2 * 32 * 1024 + GZIP_HEAD_MAX +     \
        2 * GUNZIP_MEMORY + GZIP_MEMORY)
