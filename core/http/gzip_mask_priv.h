#pragma once

/*
 * The state that the two ends of a gzip_mask share. A cut is a place at which
 * the compressed body may be cut: the end of a block or of a header. Offsets in
 * the compressed body and in its text are in this order:
 *
 *     compressed:  sent <= last.at <= taken      (`held` begins at sent)
 *     text:        last.text <= cleared <= text  (`copy` begins at cleared)
 *
 * `last` is the last cut before which all text is cleared. gzip_mask_read.c
 * alone moves `taken` and `text` and adds cuts; gzip_mask.c alone moves the
 * others. The modes, in order:
 *
 *     PASSES -> REDOES -> ANEW -> PLAIN, or PASSES -> PLAIN
 *
 * PASSES sends the held bytes before `last`. REDOES inflates the held bytes
 * again, from `last` to `cleared`, and deflates that text. ANEW deflates the
 * text that the filter returns; all members that follow are joined to the one
 * in which it began. PLAIN passes the bytes behind the last member.
 */

#include "http/gzip_blocks.h"
#include "http/gzip_mask.h"
#include "http/gzip_sum.h"

/* The most cuts that are kept before they are cleared; beyond that, cut()
 * merges them. */
#define CUTS_MAX 64

#define CHECK_MAX 8

/* What gzip_mask_read() reads next. */
enum gzip_mask_place {
    AT_FIRST,  /* the body's first bytes */
    AT_HEAD,   /* a gzip member's header */
    AT_BLOCKS, /* deflate blocks */
    AT_CHECK,  /* a member's check */
    AT_NEXT,   /* another member, or what is behind the last */
    AT_PLAIN   /* the bytes behind the last member */
};
enum gzip_mask_mode { PASSES, REDOES, ANEW, PLAIN };

/* Before the cut are `at` bytes of the compressed body and the low `bits` bits
 * of the next byte; they hold the text before offset `text`. */
struct cut {
    uint64_t at, text;
    unsigned bits;
    bool is_fixed; /* a member ends or begins here; never merged away, since
                      that member's blocks can be read again only from here */
};

struct gzip_mask {
    unsigned magic;
    enum coding coding;
    int level;
    unsigned ratio;
    gzip_look *look;
    void *arg;

    /* the reading end */
    enum gzip_mask_place place;
    struct gzip_head head;
    struct gzip_blocks *blocks; /* NULL before the first block */
    unsigned window_bits;
    unsigned char check[CHECK_MAX]; /* the member's CRC-32 and size (gzip), or
                                       Adler-32 (zlib) */
    unsigned n_check, check_size;   /* bytes of it: read, in all */
    uint64_t taken, text;
    uint64_t member;        /* offset of the member's text */
    uint32_t sum_of_member; /* check of the member's text so far */
    bool is_whole;          /* no further member follows */
    uint64_t end;           /* if is_whole: where the members' text ends */
    const char *why;        /* the error, NULL: none */
    const char *stuck;      /* gzip_mask_stuck() of the last gzip_mask_read();
                               NULL when text was returned since */

    /* The members that have ended and are not cleared, taken as one; all that
     * ended since the body is compressed anew. Their check is computed from the
     * text. The origin's is not used: it may be wrong by any value, and then
     * the check that is written would tell that of the masked text. */
    struct ended {
        bool is_set;
        bool is_wrong; /* the origin's check differs */
        uint64_t text; /* offset at which their text ends */
        uint32_t crc, size;
    } ended;

    struct bufq held, copy;
    struct cut cuts[CUTS_MAX];
    unsigned n_cuts;

    /* the writing end */
    enum gzip_mask_mode mode;
    uint64_t sent, cleared;
    struct cut last;
    struct gzip_ring *seen;      /* the text before `cleared` */
    struct gzip_ring *seen_last; /* the text before last.text */
    struct gzip_blocks *again;   /* REDOES: inflates the held bytes */
    uint64_t redone;             /* REDOES: up to this offset of the text */
    struct gzip *gzip;           /* REDOES, ANEW */
    struct bufq anew;            /* text to be deflated */
    struct gzip_sum sum;
    const char *why_anew;
};

#define GZIP_MASK_MAGIC 0x6712a5c4u

/* Why no more can be read until text is cleared; NULL: more can be read. */
const char *gzip_mask_stuck(const struct gzip_mask *g);

/* Whether the part that is compressed anew expands beyond `ratio`; `why` is
 * gzip_mask_bomb then. */
bool gzip_mask_is_bomb(const struct gzip_mask *g);
extern const char gzip_mask_bomb[];
