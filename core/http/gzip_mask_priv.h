#pragma once

/*
 * What the two ends of a gzip_mask share. Between them lie, by offsets in the
 * compressed body and in its text:
 *
 *     compressed:  sent <= last.at <= taken      (held: from sent on)
 *     text:        last.text <= cleared <= text  (copy: from cleared on)
 *
 * `last` is the last cut that is cleared. gzip_mask_read.c alone moves `taken`
 * and `text` and adds cuts, gzip_mask.c alone moves the others. Modes:
 *
 *     PASSES -> REDOES -> ANEW -> PLAIN, or PASSES -> PLAIN
 *
 * PASSES releases what is before `last`. REDOES inflates what is held again,
 * from `last` to `cleared`, and deflates it; from there on ANEW deflates what
 * comes back, and the members that follow become one with the one in which it
 * began. PLAIN is what stands behind the last member.
 */

#include "http/gzip_blocks.h"
#include "http/gzip_mask.h"
#include "http/gzip_sum.h"

/* Cuts that are not cleared: what a filter holds may have any number. */
#define CUTS_MAX 64

#define CHECK_MAX 8

enum gzip_mask_place {
    AT_FIRST,
    AT_HEAD,
    AT_BLOCKS,
    AT_CHECK,
    AT_NEXT,
    AT_PLAIN
};
enum gzip_mask_mode { PASSES, REDOES, ANEW, PLAIN };

/* A place at which a block or a header ends. `at` bytes of the compressed body
 * are before it, and `bits` bits of the next. */
struct cut {
    uint64_t at, text;
    unsigned bits;
    bool is_fixed; /* a member's end or begin, from which alone one can start
                      in that member */
};

struct gzip_mask {
    unsigned magic;
    enum coding coding;
    int level;
    unsigned ratio;
    gzip_look *look;
    void *arg;

    /* gzip_mask_read()'s */
    enum gzip_mask_place place;
    struct gzip_head head;
    struct gzip_blocks *blocks; /* NULL: not needed yet, or any more */
    unsigned window_bits;
    unsigned char check[CHECK_MAX];
    unsigned n_check, check_size;
    uint64_t taken, text;
    uint64_t member;        /* the text's offset where it began, and ... */
    uint32_t sum_of_member; /* ... its check so far */
    bool is_whole;          /* no member follows; the text of all ends at ... */
    uint64_t end;
    const char *why;
    const char *stuck; /* gzip_mask_stuck() when it was last called, and no
                          text has come back since */

    /* Members that have ended and are not cleared, as one; once it is
     * compressed anew, all. Their check is that of the text: the origin's may
     * be wrong by as much as it likes, and what is made of it would show the
     * check of what is masked. */
    struct ended {
        bool is_set;
        bool is_wrong; /* the origin's is another */
        uint64_t text;
        uint32_t crc, size;
    } ended;

    struct bufq held, copy;
    struct cut cuts[CUTS_MAX];
    unsigned n_cuts;

    /* gzip_mask_write()'s */
    enum gzip_mask_mode mode;
    uint64_t sent, cleared;
    struct cut last;
    struct gzip_ring *seen, *seen_last; /* before cleared, before last.text */
    struct gzip_blocks *again;
    uint64_t redone;
    struct gzip *gzip;
    struct bufq anew;
    struct gzip_sum sum;
    const char *why_anew;
};

#define GZIP_MASK_MAGIC 0x6712a5c4u

/* What keeps it from reading on until something is cleared; NULL: nothing. */
const char *gzip_mask_stuck(const struct gzip_mask *g);

/* More comes out of what is compressed anew than may; then `why` is that. */
bool gzip_mask_is_bomb(const struct gzip_mask *g);
extern const char gzip_mask_bomb[];
