#pragma once

/*
 * Searches a stream for given texts, wherever the stream is cut into pieces.
 * Neither the texts nor the stream may be secret: the time depends on both.
 */

#include "base/mem.h"
#include "base/str.h"

#define NEEDLES_MAX 64
#define NEEDLE_BYTES 256 /* the most bytes of a text */

struct needles {
    struct str texts[NEEDLES_MAX];
    unsigned n;

    /* private to needles.c */
    size_t longest;
    char *tail; /* the stream's last longest - 1 bytes, and as much room */
    size_t n_tail;
};

/* Adds a text of 1 to NEEDLE_BYTES bytes, which is borrowed. `s` is zeroed
 * before the first. False: there are NEEDLES_MAX texts. */
bool needles_add(struct needles *s, struct str text);

/* Searches the next piece of the stream. Returns the number of a text that ends
 * in it: of several the one that was added first; s->n: none. The memory is
 * taken from `a`. No text may be added after the first piece. */
unsigned needles_find(struct needles *s, struct arena *a, struct str piece);
