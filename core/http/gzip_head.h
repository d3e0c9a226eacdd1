#pragma once

/*
 * The header of a gzip member (RFC 1952 2.3). It comes in pieces and is kept
 * until it is whole and its extra field, file name and comment were scanned,
 * which are not compressed. For gzip_mask.c; reads no byte behind the header.
 */

#include "base/buf.h"
#include "base/bufq.h"

/* Bytes of a header: 64 KiB for an extra field, the rest for file name and
 * comment. */
#define GZIP_HEAD_MAX (68 * 1024)

/* Scans `n` bytes, which are a whole text, and masks them in place. */
typedef void gzip_look(void *arg, char *text, size_t n);

struct gzip_head {
    struct buf bytes;
    unsigned part; /* gzip_head.c's enum part: the part that is being read */
    size_t left;   /* bytes left of a part whose size is known */
    struct gzip_head_field {
        size_t at, n;
    } fields[3]; /* of extra field, file name and comment those present */
    unsigned n_fields;
};

void gzip_head_init(struct gzip_head *h);
void gzip_head_fini(struct gzip_head *h);

/* Drops what was read: the next member's header begins. */
void gzip_head_reset(struct gzip_head *h);

/* Takes the header's bytes from `in`. True: the header is whole, or it is
 * malformed or too long and *why is set to a static text. */
must_check bool gzip_head_take(
    struct gzip_head *h, struct bufq *in, const char **why);

/* Scans each field of a whole header. If a field was masked, the header's CRC,
 * where it has one, is computed anew; a CRC that was wrong stays wrong. */
void gzip_head_look(struct gzip_head *h, gzip_look *look, void *arg);
