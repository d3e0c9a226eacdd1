/*
 * The reading end of a gzip_mask: inflates the body, holds its compressed bytes
 * and adds the cuts.
 */

#include "http/gzip_mask_priv.h"

/* Adds a cut behind all others. It replaces the last one if both are at the
 * same offset of the text, or if there is no room and the last is not fixed.
 */
static void
cut(struct gzip_mask *g, unsigned bits_left, bool is_fixed)
{
    struct cut c = { .at = g->taken - (bits_left != 0),
        .text = g->text,
        .bits = (8 - bits_left) % 8,
        .is_fixed = is_fixed };
    if (g->mode != PASSES) {
        return;
    }
    struct cut *behind = g->n_cuts != 0 ? &g->cuts[g->n_cuts - 1] : NULL;
    if (behind != NULL && behind->text == c.text) {
        c.is_fixed = c.is_fixed || behind->is_fixed;
        *behind = c;
    } else if (g->n_cuts < CUTS_MAX) {
        g->cuts[g->n_cuts++] = c;
    } else if (!behind->is_fixed) {
        *behind = c;
    }
}

/* `s` was taken; it is held as long as it may be sent as it is. */
static void
hold(struct gzip_mask *g, struct str s)
{
    g->taken += s.n;
    if (g->mode == PASSES) {
        bufq_append(&g->held, s);
    }
}

/* Gives text to the filter; the caller has added it to `copy`, or will. */
static void
give(struct gzip_mask *g, struct bufq *to, struct str s)
{
    bufq_append(to, s);
    g->text += s.n;
}

/* The same for the text of a member, which its check covers. */
static void
give_blocks(struct gzip_mask *g, struct bufq *to, struct str s)
{
    if (g->check_size != 0) {
        g->sum_of_member =
            gzip_sum_add(g->check_size == 4, g->sum_of_member, s);
    }
    give(g, to, s);
}

/* RFC 1950 2.2: method 8, a window of 32 KiB at most, a check, no dictionary.
 * Raw deflate that begins so would be a stored block with odd padding. */
static bool
is_zlib(const unsigned char *p)
{
    return (p[0] & 0x0f) == 8 && p[0] >> 4 <= 7 &&
           (p[0] * 256u + p[1]) % 31 == 0 && !(p[1] & 0x20);
}

static void
begin_blocks(struct gzip_mask *g)
{
    if (g->blocks == NULL) {
        g->blocks = gzip_blocks_new();
    }
    gzip_blocks_reset(g->blocks);
    g->member = g->text;
    g->sum_of_member = gzip_sum_begin(g->check_size == 4);
    g->n_check = 0;
    g->place = AT_BLOCKS;
    cut(g, 0, true);
}

/* Decides by the first bytes what follows: a gzip header, zlib's format or raw
 * deflate. False: more bytes are needed. */
static bool
read_first(struct gzip_mask *g, struct bufq *in, bool is_end)
{
    unsigned char first[2] = { 0 };
    size_t n = bufq_copy(in, (char *)first, 2);
    if (g->coding == CODING_GZIP) {
        g->check_size = 8;
        g->place = AT_HEAD;
        return true;
    }
    if (n < 2 && !is_end) {
        return false;
    }
    if (n == 2 && is_zlib(first)) {
        g->window_bits = (first[0] >> 4) + 8u;
        g->check_size = 4;
        hold(g, str_n((char *)first, 2));
        bufq_consume(in, 2);
    }
    begin_blocks(g);
    return true;
}

static void
read_head(struct gzip_mask *g, struct bufq *in)
{
    if (!gzip_head_take(&g->head, in, &g->why) || g->why != NULL) {
        return;
    }
    gzip_head_look(&g->head, g->look, g->arg);
    hold(g, buf_str(&g->head.bytes));
    gzip_head_reset(&g->head);
    begin_blocks(g);
}

static uint32_t
little(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

/* Keeps the check of the member that ended in g->ended, joined with those kept
 * before, unless all their text is cleared. It is needed if the body is
 * compressed anew. */
static void
end_member(struct gzip_mask *g)
{
    struct ended *e = &g->ended;
    bool is_gzip = g->check_size == 8;
    uint32_t check = little(g->check);
    struct ended now = { .is_set = true,
        .text = g->text,
        .crc = g->sum_of_member,
        .size = is_gzip ? little(g->check + 4) : 0 };
    g->place = AT_NEXT;
    cut(g, 0, true);
    check = is_gzip ? check : __builtin_bswap32(check);
    now.is_wrong = g->check_size != 0 && check != now.crc;
    if (!e->is_set || (g->mode == PASSES && e->text <= g->cleared)) {
        *e = now;
        return;
    }
    e->crc = gzip_sum_joined(e->crc, now.crc, g->text - g->member);
    e->size += now.size;
    e->is_wrong = e->is_wrong || now.is_wrong;
    e->text = now.text;
}

static void
read_check(struct gzip_mask *g, struct bufq *in)
{
    size_t n = bufq_copy(
        in, (char *)g->check + g->n_check, g->check_size - g->n_check);
    hold(g, str_n((char *)g->check + g->n_check, n));
    bufq_consume(in, n);
    g->n_check += (unsigned)n;
    if (g->n_check == g->check_size) {
        end_member(g);
    }
}

/* Decides whether another member follows. False: more bytes are needed. */
static bool
read_next(struct gzip_mask *g, struct bufq *in, bool is_end)
{
    char first[2] = { 0 };
    size_t n = bufq_copy(in, first, 2);
    bool is_gzip = g->coding == CODING_GZIP && first[0] == 0x1f;
    if (is_gzip && n < 2 && !is_end) {
        return false;
    }
    if (is_gzip && (unsigned char)first[1] == 0x8b) {
        g->place = AT_HEAD;
        return true;
    }
    g->is_whole = true;
    g->end = g->text;
    g->place = AT_PLAIN;
    return true;
}

static void
read_plain(struct gzip_mask *g, struct bufq *in, struct bufq *to)
{
    struct str run = bufq_peek_for(in, to);
    bufq_append(&g->copy, run);
    give(g, to, run);
    bufq_consume(in, run.n);
}

static void
read_blocks(struct gzip_mask *g, struct bufq *in, struct bufq *to)
{
    struct gzip_blocks_run run;
    struct str from = bufq_peek(in);
    size_t room, most = bufq_room(to);
    AN(g->blocks != NULL && most != 0);
    if (g->mode == PASSES && from.n > bufq_room(&g->held)) {
        from.n = bufq_room(&g->held);
    }
    char *text = bufq_reserve(&g->copy, 1, &room);
    room = room < most ? room : most;
    enum gzip_block r = gzip_blocks_run(g->blocks, from, text, room, &run);
    give_blocks(g, to, str_n(text, run.made));
    bufq_commit(&g->copy, run.made);
    hold(g, str_n(from.p, run.used));
    bufq_consume(in, run.used);
    if (r == BLOCK_BAD) {
        g->why = "the compressed data is corrupt";
    } else if (gzip_mask_is_bomb(g)) {
        g->why = gzip_mask_bomb;
    } else if (r == BLOCK_ENDS) {
        cut(g, run.bits_left, false);
    } else if (r == BLOCK_LAST) {
        g->place = AT_CHECK;
        if (g->check_size == 0) {
            end_member(g);
        }
    }
}

static bool
has_more(const struct gzip_mask *g)
{
    return g->place == AT_BLOCKS && gzip_blocks_has_more(g->blocks);
}

/* g->ended has one check for all members that are not cleared. So a member that
 * would be the second one in it is not read to its end before the first one is
 * cleared: it may yet leave as it is. */
const char *
gzip_mask_stuck(const struct gzip_mask *g)
{
    const struct ended *e = &g->ended;
    if (g->mode != PASSES) {
        return NULL;
    }
    if (bufq_is_full(&g->held)) {
        return "a block is larger than 256k";
    }
    bool is_second = g->place == AT_CHECK && e->is_set &&
                     e->text > g->cleared && e->text != g->text;
    return is_second ? "its members are too small" : NULL;
}

/* Whether more may be read. GZIP_MASK_TEXT limits the copy while `to` has text
 * that the filter has not taken; what the filter holds comes on top. */
static bool
has_room(const struct gzip_mask *g, const struct bufq *to)
{
    bool is_ahead = g->copy.len >= GZIP_MASK_TEXT && !bufq_is_empty(to);
    return !bufq_is_full(to) && !is_ahead;
}

/* False: more bytes are needed. */
static bool
read_some(struct gzip_mask *g, struct bufq *in, struct bufq *to, bool is_end)
{
    switch (g->place) {
    case AT_FIRST:
        return read_first(g, in, is_end);
    case AT_HEAD:
        read_head(g, in);
        return true;
    case AT_BLOCKS:
        read_blocks(g, in, to);
        return true;
    case AT_CHECK:
        read_check(g, in);
        return true;
    case AT_NEXT:
        return read_next(g, in, is_end);
    case AT_PLAIN:
        read_plain(g, in, to);
        return true;
    }
    PANIC("no place");
}

/* No further byte will be read: the body has ended, or is corrupt. */
static void
read_ends(struct gzip_mask *g)
{
    bool is_empty = g->place == AT_FIRST;
    if (g->is_whole) {
        return;
    }
    g->is_whole = true;
    g->end = g->text;
    if (g->why == NULL && g->place != AT_NEXT && !is_empty) {
        g->why = "the compressed data is truncated";
    }
}

enum gzip_io
gzip_mask_read(
    struct gzip_mask *g, struct bufq *in, struct bufq *text, bool is_end)
{
    CHECK(g, GZIP_MASK_MAGIC);
    AN(g->cleared <= g->text && g->sent <= g->taken);
    AN(g->copy.len == g->text - g->cleared);
    g->stuck = NULL;
    while (g->why == NULL && (!bufq_is_empty(in) || has_more(g))) {
        g->stuck = gzip_mask_stuck(g);
        if (g->stuck != NULL || !has_room(g, text)) {
            return GZIP_FULL;
        }
        if (!read_some(g, in, text, is_end)) {
            break;
        }
    }
    if (!is_end) {
        return GZIP_NEED;
    }
    read_ends(g);
    return GZIP_DONE;
}
