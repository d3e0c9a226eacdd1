/*
 * The writing end of a gzip_mask: takes the text that the filter returns, and
 * sends the held bytes or compresses the text anew.
 */

#include "http/gzip_mask.h"

#include "base/mem.h"
#include "http/gzip_mask_priv.h"

/* The most bytes of text that one call inflates again. */
#define REDO_WORK (128 * 1024)

struct gzip_mask *
gzip_mask_new(
    enum coding coding, int level, unsigned ratio, gzip_look *look, void *arg)
{
    AN(coding == CODING_GZIP || coding == CODING_DEFLATE);
    struct gzip_mask *g = xcalloc(sizeof *g);
    g->magic = GZIP_MASK_MAGIC;
    g->coding = coding;
    g->level = level;
    g->ratio = ratio;
    g->look = look;
    g->arg = arg;
    g->window_bits = 15;
    gzip_head_init(&g->head);
    bufq_init(&g->held, GZIP_MASK_HELD);
    bufq_init(&g->copy, SIZE_MAX); /* bounded by has_room() */
    bufq_init(&g->anew, GZIP_MASK_TEXT);
    return g;
}

const char gzip_mask_bomb[] = "it expands beyond gunzip_ratio";

bool
gzip_mask_is_bomb(const struct gzip_mask *g)
{
    uint64_t given = g->text - g->last.text;
    return g->mode != PASSES && g->ratio != 0 && given > GUNZIP_FREE &&
           given / g->ratio > g->taken - g->last.at;
}

static void
free_rings(struct gzip_mask *g)
{
    xfree(g->seen);
    xfree(g->seen_last);
    g->seen = g->seen_last = NULL;
}

void
gzip_mask_free(struct gzip_mask *g)
{
    if (g != NULL) {
        CHECK(g, GZIP_MASK_MAGIC);
        g->magic = 0;
        gzip_head_fini(&g->head);
        gzip_blocks_free(g->blocks);
        gzip_blocks_free(g->again);
        gzip_free(g->gzip);
        free_rings(g);
        bufq_fini(&g->held);
        bufq_fini(&g->copy);
        bufq_fini(&g->anew);
        xfree(g);
    }
}

const char *
gzip_mask_why(const struct gzip_mask *g)
{
    CHECK(g, GZIP_MASK_MAGIC);
    AN(g->why != NULL);
    return g->why;
}

const char *
gzip_mask_anew(const struct gzip_mask *g)
{
    CHECK(g, GZIP_MASK_MAGIC);
    return g->why_anew;
}

size_t
gzip_mask_memory(const struct gzip_mask *g)
{
    CHECK(g, GZIP_MASK_MAGIC);
    size_t rings = (g->seen != NULL) + (g->seen_last != NULL);
    size_t inflates = (g->blocks != NULL) + (g->again != NULL);
    return sizeof *g + g->head.bytes.cap + g->held.len + g->copy.len +
           g->anew.len + rings * GZIP_RING_SIZE + inflates * GUNZIP_MEMORY +
           (g->gzip != NULL ? GZIP_MEMORY : 0);
}

/* Moves `last` to the last cut that is cleared, and seen_last with it. */
static void
take_cuts(struct gzip_mask *g)
{
    unsigned n = 0;
    AN(g->last.text <= g->cleared && g->n_cuts <= CUTS_MAX);
    while (n < g->n_cuts && g->cuts[n].text <= g->cleared) {
        n++;
    }
    if (n == 0) {
        return;
    }
    struct cut c = g->cuts[n - 1];
    if (c.text != g->last.text) {
        if (g->seen_last == NULL) {
            g->seen_last = xalloc(sizeof *g->seen_last);
        }
        gzip_ring_follow(g->seen_last, g->seen, g->last.text, c.text);
    }
    AN(c.at >= g->last.at && c.at <= g->taken);
    g->last = c;
    g->n_cuts -= n;
    memmove(g->cuts, g->cuts + n, g->n_cuts * sizeof g->cuts[0]);
}

static void
clear(struct gzip_mask *g, struct str s)
{
    if (g->seen == NULL) {
        g->seen = xalloc(sizeof *g->seen);
    }
    gzip_ring_add(g->seen, g->cleared, s);
    g->cleared += s.n;
}

/* The filter returned `s` unchanged. It is cleared in two parts if a cut lies
 * in it, so that seen_last is copied from a ring that ends at that cut. */
static void
pass(struct gzip_mask *g, struct str s)
{
    uint64_t end = g->cleared + s.n, to = 0;
    for (unsigned i = 0; i < g->n_cuts && g->cuts[i].text <= end; i++) {
        to = g->cuts[i].text;
    }
    if (to > g->cleared) {
        size_t n = (size_t)(to - g->cleared);
        clear(g, str_n(s.p, n));
        s = str_skip(s, n);
        take_cuts(g);
    }
    clear(g, s);
}

/* Sends the held bytes before `last`. False: `out` has no room for them. */
static bool
release(struct gzip_mask *g, struct bufq *out)
{
    AN(g->sent <= g->last.at && g->last.at <= g->taken);
    g->sent += bufq_move(out, &g->held, (size_t)(g->last.at - g->sent));
    return g->sent == g->last.at;
}

/* The length of the common beginning of `a` and `b`. */
static size_t
same(const char *a, const char *b, size_t n)
{
    size_t i = 0;
    if (memcmp(a, b, n) == 0) {
        return n;
    }
    while (a[i] == b[i]) {
        i++;
    }
    return i;
}

/* The body is compressed anew from `last` on. `why` NULL: a byte was masked. */
static void
begin_anew(struct gzip_mask *g, const char *why)
{
    AN(g->mode == PASSES);
    take_cuts(g);
    g->mode = REDOES;
    g->n_cuts = 0;
    g->redone = g->last.text;
    g->why_anew = why;
    if (g->ended.is_set && g->ended.text <= g->last.text) {
        g->ended = (struct ended){ 0 };
    }
    gzip_sum_init(&g->sum, g->coding == CODING_DEFLATE);
    if (g->why == NULL && gzip_mask_is_bomb(g)) {
        g->why = gzip_mask_bomb;
    }
}

/* The next run of the returned text and of its copy, up to the end of the
 * members at most. Returns its length. */
static size_t
next_run(const struct gzip_mask *g, const struct bufq *text, struct str *is,
    struct str *was)
{
    *is = bufq_peek(text);
    *was = bufq_peek(&g->copy);
    size_t n = is->n < was->n ? is->n : was->n;
    AN(n != 0 || bufq_is_empty(text));
    if (g->is_whole && g->cleared < g->end && n > g->end - g->cleared) {
        n = (size_t)(g->end - g->cleared);
    }
    return n;
}

/* Whether all text of the members is cleared. */
static bool
is_behind(const struct gzip_mask *g)
{
    return g->is_whole && g->cleared == g->end;
}

static void
compare(struct gzip_mask *g, struct bufq *text)
{
    struct str is, was;
    take_cuts(g);
    while (!bufq_is_empty(text) && !is_behind(g) && g->mode == PASSES) {
        size_t n = next_run(g, text, &is, &was);
        size_t k = same(is.p, was.p, n);
        pass(g, str_n(was.p, k));
        bufq_consume(text, k);
        bufq_consume(&g->copy, k);
        if (k != n) {
            begin_anew(g, NULL);
        }
    }
}

/* All that is cleared was written. */
static enum gzip_io
write_ends(const struct gzip_mask *g, const struct bufq *out, bool is_end)
{
    if (g->why != NULL) {
        return bufq_is_empty(out) ? GZIP_BAD : GZIP_FULL;
    }
    AZ(is_end && g->cleared != g->text);
    return is_end ? GZIP_DONE : GZIP_NEED;
}

/* If reading was stuck before the filter ran and the filter returned nothing,
 * it will never return more: the body is compressed anew. The bytes that
 * release() has sent may have made room, so gzip_mask_stuck() is asked again.
 */
static enum gzip_io
write_passing(
    struct gzip_mask *g, struct bufq *text, struct bufq *out, bool is_end)
{
    if (!bufq_is_empty(text)) {
        g->stuck = NULL;
    }
    compare(g, text);
    if (!release(g, out)) {
        return GZIP_FULL;
    }
    if (g->mode != PASSES) {
        return GZIP_BUSY;
    }
    if (g->why == NULL && is_behind(g)) {
        AN(g->sent == g->taken);
        g->mode = PLAIN;
        return GZIP_BUSY;
    }
    if (g->why == NULL && g->stuck != NULL && gzip_mask_stuck(g) != NULL) {
        begin_anew(g, g->stuck);
        return GZIP_BUSY;
    }
    return write_ends(g, out, is_end);
}

static void
begin_redo(struct gzip_mask *g)
{
    unsigned bits = g->last.bits, n = bits != 0 ? 8 - bits : 0;
    unsigned char shared = 0; /* the byte that the cut divides */
    AN(g->sent == g->last.at && g->redone == g->last.text);
    if (bits != 0) {
        AN(bufq_copy(&g->held, (char *)&shared, 1) == 1);
        bufq_consume(&g->held, 1);
    }
    g->gzip = gzip_resume(
        g->level, g->window_bits, bits, shared & ((1u << bits) - 1));
    g->again = gzip_blocks_new();
    gzip_blocks_resume(
        g->again, g->seen_last, g->last.text, n, (unsigned)shared >> bits);
}

static void
end_redo(struct gzip_mask *g)
{
    AN(g->redone == g->cleared);
    gzip_blocks_free(g->again);
    g->again = NULL;
    free_rings(g);
    bufq_fini(&g->held);
    g->mode = ANEW;
}

/* Inflates a run of the held bytes again. */
static void
redo_some(struct gzip_mask *g)
{
    struct gzip_blocks_run run;
    size_t room;
    uint64_t left = g->cleared - g->redone;
    char *to = bufq_reserve(&g->anew, 1, &room);
    room = room < left ? room : (size_t)left;
    enum gzip_block r =
        gzip_blocks_run(g->again, bufq_peek(&g->held), to, room, &run);
    bufq_commit(&g->anew, run.made);
    bufq_consume(&g->held, run.used);
    g->redone += run.made;
    AN(r == BLOCK_GOES_ON || r == BLOCK_ENDS);
    AN(run.made != 0 || run.used != 0 || r == BLOCK_ENDS);
}

static enum gzip_io
write_redone(struct gzip_mask *g, struct bufq *out)
{
    uint64_t until = g->redone + REDO_WORK;
    if (!release(g, out)) {
        return GZIP_FULL;
    }
    if (g->why != NULL) {
        return write_ends(g, out, false);
    }
    if (g->gzip == NULL) {
        begin_redo(g);
    }
    while (g->redone < g->cleared) {
        enum gzip_io r = gzip_run(g->gzip, &g->anew, out, false, false);
        if (r == GZIP_FULL) {
            return r;
        }
        if (g->redone >= until) {
            return GZIP_BUSY;
        }
        redo_some(g);
    }
    end_redo(g);
    return GZIP_BUSY;
}

/* Moves the returned text to `anew`, as far as there is room. */
static void
take_text(struct gzip_mask *g, struct bufq *text)
{
    struct str is, was;
    while (!bufq_is_empty(text) && !is_behind(g) && !bufq_is_full(&g->anew)) {
        size_t n = next_run(g, text, &is, &was);
        if (memcmp(is.p, was.p, n) == 0) {
            gzip_sum_same(&g->sum, n);
        } else {
            gzip_sum_changed(&g->sum, str_n(was.p, n), str_n(is.p, n));
        }
        bufq_append(&g->anew, str_n(is.p, n));
        g->cleared += n;
        bufq_consume(text, n);
        bufq_consume(&g->copy, n);
    }
}

/* Writes the check behind the last block. If the origin's was wrong, so is this
 * one, by a value that the origin cannot choose. Masking keeps the length. */
static void
write_check(const struct gzip_mask *g, struct bufq *out)
{
    uint32_t sum = gzip_sum_of(&g->sum, g->ended.crc), size = g->ended.size;
    sum = g->ended.is_wrong ? ~sum : sum;
    unsigned char gzip[] = { (unsigned char)sum, (unsigned char)(sum >> 8),
        (unsigned char)(sum >> 16), (unsigned char)(sum >> 24),
        (unsigned char)size, (unsigned char)(size >> 8),
        (unsigned char)(size >> 16), (unsigned char)(size >> 24) };
    unsigned char zlib[] = { gzip[3], gzip[2], gzip[1], gzip[0] };
    const unsigned char *check = g->check_size == 8 ? gzip : zlib;
    bufq_append(out, str_n((const char *)check, g->check_size));
}

static enum gzip_io
write_anew(struct gzip_mask *g, struct bufq *text, struct bufq *out,
    bool is_dry, bool is_end)
{
    AN(g->gzip != NULL && bufq_is_empty(&g->held));
    take_text(g, text);
    bool is_last = is_behind(g) && g->why == NULL;
    bool is_all = bufq_is_empty(text) || is_behind(g);
    is_dry = is_all && (is_dry || is_end);
    enum gzip_io r = gzip_run(g->gzip, &g->anew, out, is_dry, is_last);
    if (r == GZIP_FULL) {
        return r;
    }
    if (r == GZIP_DONE) {
        write_check(g, out);
        gzip_free(g->gzip);
        g->gzip = NULL;
        g->mode = PLAIN;
        return GZIP_BUSY;
    }
    return is_all ? write_ends(g, out, is_end) : GZIP_BUSY;
}

/* The bytes behind the last member leave as the filter returned them. */
static enum gzip_io
write_plain(
    struct gzip_mask *g, struct bufq *text, struct bufq *out, bool is_end)
{
    size_t n = bufq_move(out, text, SIZE_MAX);
    bufq_consume(&g->copy, n);
    g->cleared += n;
    if (!bufq_is_empty(text)) {
        return GZIP_FULL;
    }
    return write_ends(g, out, is_end);
}

enum gzip_io
gzip_mask_write(struct gzip_mask *g, struct bufq *text, struct bufq *out,
    bool is_dry, bool is_end)
{
    CHECK(g, GZIP_MASK_MAGIC);
    AN(text->len <= g->copy.len);
    enum gzip_io r = GZIP_BUSY;
    enum gzip_mask_mode was;
    do { /* enters the next mode at once; continues in a mode in another call */
        was = g->mode;
        switch (g->mode) {
        case PASSES:
            r = write_passing(g, text, out, is_end);
            break;
        case REDOES:
            r = write_redone(g, out);
            break;
        case ANEW:
            r = write_anew(g, text, out, is_dry, is_end);
            break;
        case PLAIN:
            r = write_plain(g, text, out, is_end);
            break;
        }
    } while (r == GZIP_BUSY && g->mode != was);
    return r;
}
