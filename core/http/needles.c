/*
 * Texts that may lie across the cut between two pieces are searched in a copy
 * of the bytes on both sides of it; all others in the piece itself.
 */

#include "http/needles.h"

bool
needles_add(struct needles *s, struct str text)
{
    AN(text.n != 0 && text.n <= NEEDLE_BYTES);
    AZ(s->tail);
    if (s->n == NEEDLES_MAX) {
        return false;
    }
    s->texts[s->n++] = text;
    s->longest = text.n > s->longest ? text.n : s->longest;
    return true;
}

static unsigned
find_in(const struct needles *s, struct str bytes)
{
    unsigned i = 0;
    while (i < s->n &&
           memmem(bytes.p, bytes.n, s->texts[i].p, s->texts[i].n) == NULL) {
        i++;
    }
    return i;
}

/* Keeps the stream's last bytes in `tail`: one less than the longest text has.
 */
static void
keep_tail(struct needles *s, struct str piece)
{
    AN(s->longest != 0 && s->n_tail < s->longest);
    size_t max = s->longest - 1;
    size_t from_piece = piece.n < max ? piece.n : max;
    size_t kept = max - from_piece;
    kept = kept < s->n_tail ? kept : s->n_tail;
    memmove(s->tail, s->tail + s->n_tail - kept, kept);
    memcpy(s->tail + kept, piece.p + piece.n - from_piece, from_piece);
    s->n_tail = kept + from_piece;
    AN(s->n_tail < s->longest);
}

unsigned
needles_find(struct needles *s, struct arena *a, struct str piece)
{
    if (s->n == 0 || piece.n == 0) {
        return s->n;
    }
    if (s->tail == NULL) {
        s->tail = arena_alloc(a, s->longest * 2);
    }
    unsigned found = s->n;
    AN(s->n <= NEEDLES_MAX && s->longest <= NEEDLE_BYTES);
    if (s->n_tail != 0) {
        size_t ahead = piece.n < s->longest - 1 ? piece.n : s->longest - 1;
        memcpy(s->tail + s->n_tail, piece.p, ahead);
        found = find_in(s, str_n(s->tail, s->n_tail + ahead));
    }
    if (found == s->n) {
        found = find_in(s, piece);
    }
    keep_tail(s, piece);
    return found;
}
