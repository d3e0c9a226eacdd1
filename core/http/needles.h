#pragma once

/*
 * Looks for whole texts in bytes that come in pieces, wherever those are cut.
 * Neither the texts nor the bytes may be secret: how long it takes depends on
 * both.
 */

#include "base/mem.h"
#include "base/str.h"

#define NEEDLES_MAX 64
#define NEEDLE_BYTES 256 /* of one text, at most; 1 at least */

struct needles {
    struct str texts[NEEDLES_MAX];
    unsigned n;

    /* needles.c's own */
    size_t longest;
    char *tail; /* the last bytes so far, and room for as many more */
    size_t n_tail;
};

/* Zeroed before. The text is borrowed. False: there are NEEDLES_MAX. */
bool needles_add(struct needles *s, struct str text);

/* The next piece, which is none of the texts' memory: the number of the first
 * text in order of adding that ends in it; s->n: none does. After the first
 * piece no text may be added. */
unsigned needles_find(struct needles *s, struct arena *a, struct str piece);
