#pragma once

/*
 * A gzip member's header (RFC 1952 2.3) that comes in pieces and is kept whole
 * until it has been looked through: its extra field, its file name and its
 * comment are plain text. For gzip_mask.c; the deflate stream is none of its.
 */

#include "base/buf.h"
#include "base/bufq.h"

/* An extra field may have 64 KiB; name and comment share the rest. */
#define GZIP_HEAD_MAX (68 * 1024)

/* Looks through `n` bytes of plain text, which are a text of their own, and
 * masks in place. */
typedef void gzip_look(void *arg, char *text, size_t n);

struct gzip_head {
    struct buf bytes;
    unsigned part; /* gzip_head.c's, which is coming */
    size_t left;   /* bytes of it, where that is known */
    struct gzip_head_field {
        size_t at, n;
    } fields[3];
    unsigned n_fields;
};

void gzip_head_init(struct gzip_head *h);
void gzip_head_fini(struct gzip_head *h);

/* Another begins. */
void gzip_head_reset(struct gzip_head *h);

/* Takes what belongs to it. True: it is whole, or *why says why it is none. */
must_check bool gzip_head_take(
    struct gzip_head *h, struct bufq *in, const char **why);

/* Of a whole one: each field is looked through. Its check, if it has one, is
 * right after that if it was right before. */
void gzip_head_look(struct gzip_head *h, gzip_look *look, void *arg);
