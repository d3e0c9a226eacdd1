#pragma once

/*
 * Scans a body in gzip or deflate without compressing it again where nothing is
 * masked. The body is inflated for a filter, and its compressed bytes wait.
 * They are sent as they came, in whole blocks (RFC 1951 3.2.3), when the filter
 * has returned the text of the block unchanged. From the first masked byte on
 * the text that the filter returns is compressed anew.
 *
 *     compressed -> gzip_mask_read() -> text -> the filter
 *     compressed <- gzip_mask_write() <- text <- the filter
 *
 * The filter returns as many bytes as it was given, in order, each as it was or
 * masked; it may hold bytes back for a while. Text that it has returned is
 * cleared. No byte leaves that depends on text which is not cleared. Knows no
 * socket and no filter.
 */

#include "http/gzip.h"
#include "http/gzip_head.h"

/* The most compressed bytes that wait until their block is cleared. The body
 * is compressed anew from the first block that is larger. */
#define GZIP_MASK_HELD (256 * 1024)

/* The most bytes of text that gzip_mask_read() is ahead of the filter: those
 * that the filter holds itself are not counted. */
#define GZIP_MASK_TEXT (64 * 1024)

struct gzip_mask;

/* `level` (1 to 9) and `ratio` hold for what is compressed anew: behind its
 * first GUNZIP_FREE bytes of text, `ratio` limits the bytes of text for each
 * byte of input; 0: no limit. `look` scans the plain text in the headers of
 * gzip members, which does not go through the filter. */
struct gzip_mask *gzip_mask_new(
    enum coding coding, int level, unsigned ratio, gzip_look *look, void *arg);
void gzip_mask_free(struct gzip_mask *g); /* NULL is fine */

/* Writes the text of `in` to `text`: that of all members, and then the bytes
 * behind the last member as they are. `is_end`: nothing will follow `in`;
 * returns GZIP_DONE when all is read. Never GZIP_BAD: gzip_mask_write() returns
 * it, after the cleared bytes have left. */
enum gzip_io gzip_mask_read(
    struct gzip_mask *g, struct bufq *in, struct bufq *text, bool is_end);

/* Takes `text`, which the filter returned, and writes to `out`. `is_dry`: no
 * more comes now, so `out` is flushed as far as whole blocks allow. `is_end`:
 * nothing will follow `text`. GZIP_BAD is returned when `out` is empty. */
enum gzip_io gzip_mask_write(struct gzip_mask *g, struct bufq *text,
    struct bufq *out, bool is_dry, bool is_end);

/* Why it was GZIP_BAD: a static text. */
const char *gzip_mask_why(const struct gzip_mask *g);

/* Why the body is compressed anew though nothing was masked: a static text.
 * NULL: it is not compressed anew, or a byte was masked. */
const char *gzip_mask_anew(const struct gzip_mask *g);

/* Bytes allocated, zlib's included: at most GZIP_MASK_MEMORY plus the bytes of
 * text that the filter holds. */
size_t gzip_mask_memory(const struct gzip_mask *g);

/* zlib's inflate takes 40 KiB; there are two while a block is inflated again.
 */
#define GUNZIP_MEMORY (40 * 1024)
#define GZIP_MASK_MEMORY                                                       \
    (GZIP_MASK_HELD + 2 * GZIP_MASK_TEXT + 2 * 32 * 1024 + GZIP_HEAD_MAX +     \
        2 * GUNZIP_MEMORY + GZIP_MEMORY)
