/*
 * A compressed body of any bytes, cut in any way: what comes out does not
 * depend on the cuts, is bounded by a ratio where there is one, and what ends
 * in order is the same when it is compressed and read again. Input: a byte of
 * options, the body.
 */

#include "fuzz.h"

#include "http/gzip.h"

#define RATIO 50
#define MID_LIMIT 4096
#define SIZE_LIMIT 4096

static enum gzip_io
decode(
    enum coding c, unsigned ratio, struct str s, uint64_t cuts, struct bufq *to)
{
    struct gunzip *g = gunzip_new(c, ratio);
    struct bufq in, mid;
    enum gzip_io r = GZIP_NEED;
    size_t size = s.n;
    bufq_init(&in, SIZE_MAX);
    bufq_init(&mid, MID_LIMIT);
    while (r == GZIP_NEED || r == GZIP_FULL) {
        if (r == GZIP_NEED && s.n != 0) {
            size_t n = cuts != 0 ? cuts_next(&cuts, s.n) : s.n;
            bufq_append(&in, str_n(s.p, n));
            s = str_skip(s, n);
        }
        r = gunzip_run(g, &in, &mid, s.n == 0);
        AN(r != GZIP_NEED || s.n != 0 || !bufq_is_full(&mid));
        AN(mid.len <= MID_LIMIT);
        bufq_move(to, &mid, SIZE_MAX);
    }
    AN(ratio == 0 || to->len <= GUNZIP_FREE + (size + 1) * ratio + MID_LIMIT);
    AN(r != GZIP_BAD || gunzip_why(g) != NULL);
    gunzip_free(g);
    bufq_fini(&in);
    return r;
}

static void
encode(enum coding c, const struct bufq *from, uint64_t cuts, struct bufq *to)
{
    struct gzip *g = gzip_new(c, 1 + (int)(cuts % 9));
    struct bufq in;
    struct arena *a = arena_new(4096);
    struct str s = queue_text(a, from);
    enum gzip_io r = GZIP_NEED;
    bufq_init(&in, SIZE_MAX);
    while (r != GZIP_DONE) {
        size_t n = s.n != 0 ? cuts_next(&cuts, s.n) : 0;
        bufq_append(&in, str_n(s.p, n));
        s = str_skip(s, n);
        r = gzip_run(g, &in, to, cuts % 2 == 0, s.n == 0);
        AN(r == GZIP_NEED || r == GZIP_DONE);
    }
    gzip_free(g);
    arena_free(a);
}

static void
check_same(const struct bufq *x, const struct bufq *y)
{
    struct arena *a = arena_new(4096);
    AN(str_eq(queue_text(a, x), queue_text(a, y)));
    arena_free(a);
}

/* Packed and unpacked again. */
static void
check_there_and_back(enum coding c, const struct bufq *from, uint64_t cuts)
{
    struct bufq packed, again;
    bufq_init(&packed, SIZE_MAX);
    bufq_init(&again, SIZE_MAX);
    encode(c, from, cuts, &packed);
    struct gunzip *g = gunzip_new(c, 0);
    AN(gunzip_run(g, &packed, &again, true) == GZIP_DONE);
    gunzip_free(g);
    check_same(from, &again);
    bufq_fini(&packed);
    bufq_fini(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bufq whole, cut, bounded;
    if (size < 1 || size > SIZE_LIMIT) {
        return 0;
    }
    enum coding c = data[0] % 2 == 0 ? CODING_GZIP : CODING_DEFLATE;
    struct str s = str_n((const char *)data + 1, size - 1);
    uint64_t cuts = cuts_begin(s);
    bufq_init(&whole, SIZE_MAX);
    bufq_init(&cut, SIZE_MAX);
    bufq_init(&bounded, SIZE_MAX);
    enum gzip_io r = decode(c, 0, s, 0, &whole);
    AN(decode(c, 0, s, cuts, &cut) == r);
    if (r == GZIP_DONE) {
        check_same(&whole, &cut);
        check_there_and_back(c, &whole, cuts);
    }
    (void)decode(c, RATIO, s, cuts, &bounded);
    bufq_fini(&whole);
    bufq_fini(&cut);
    bufq_fini(&bounded);
    return 0;
}
