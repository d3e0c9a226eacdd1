#pragma once

/*
 * What the tests of a gzip_mask share: text, bodies of it packed by zlib in
 * every way, and what has to leave of them.
 */

#include "gzip_mask_drive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"

#define BODY_MAX (8 * 1024 * 1024)

#define TEXT_MAX (4 * 1024 * 1024)

/* Of this file's process alone: see units.c. */
static char *body, *text;
static size_t body_n;

static inline void
pack_init(void)
{
    body = xcalloc(BODY_MAX);
    text = xcalloc(TEXT_MAX);
}

static inline unsigned
chance(unsigned n)
{
    return (unsigned)rand() % n;
}

/* Text that compresses somewhat, with the secret now and then: one in `odds`
 * words; 0: never. */
static inline size_t
make_text(char *to, size_t n, unsigned odds)
{
    static const char *const words[] = { "the ", "stream, ", "{\"key\": \"",
        "value-", "window", "\n", "S3CRET-0123", "aaaaaaaaaaaaaaaaaaaaaa ",
        "block ", "0123456789 ", "x" };
    size_t at = 0;
    while (at + 64 < n) {
        const char *s = odds != 0 && chance(odds) == 0
                            ? " " DRIVE_SECRET " "
                            : words[chance(LEN(words))];
        at += (size_t)snprintf(to + at, n - at, "%s", s);
        if (chance(40) == 0) {
            at += (size_t)snprintf(to + at, n - at, "%x ", chance(1u << 24));
        }
    }
    return at;
}

static inline void
add(struct str s)
{
    assert_true(body_n + s.n <= BODY_MAX);
    memcpy(body + body_n, s.p, s.n);
    body_n += s.n;
}

struct kind {
    int level, strategy, bits, mem, flush;
    unsigned pieces;
    bool is_named;
};

/* One stream more of `n` bytes at `s`, in body. */
static inline void
add_packed(const struct kind *k, const char *s, size_t n)
{
    static const int all[] = { Z_NO_FLUSH, Z_PARTIAL_FLUSH, Z_SYNC_FLUSH,
        Z_FULL_FLUSH, Z_BLOCK };
    z_stream z = { 0 };
    gz_header head = { .extra = (unsigned char *)"extra",
        .extra_len = 5,
        .name = (unsigned char *)"name",
        .comment = (unsigned char *)"comment",
        .hcrc = 1 };
    int r =
        deflateInit2(&z, k->level, Z_DEFLATED, k->bits, k->mem, k->strategy);
    assert_int_equal(r, Z_OK);
    if (k->is_named && k->bits > 15) {
        deflateSetHeader(&z, &head);
    }
    z.next_in = (unsigned char *)s;
    for (unsigned i = 0; i <= k->pieces; i++) {
        size_t left = n - z.total_in;
        z.avail_in =
            (unsigned)(i < k->pieces ? chance((unsigned)left + 1) : left);
        int flush = i < k->pieces ? all[k->flush % 5] : Z_FINISH;
        do {
            z.next_out = (unsigned char *)body + body_n;
            z.avail_out = (unsigned)(BODY_MAX - body_n);
            r = deflate(&z, flush);
            body_n = BODY_MAX - z.avail_out;
        } while (z.avail_in != 0 && r == Z_OK);
    }
    assert_int_equal(r, Z_STREAM_END);
    (void)deflateEnd(&z);
}

static inline struct kind
any_kind(enum coding c)
{
    static const int gzip[] = { 31, 31, 28, 25 },
                     other[] = { 15, -15, 9, -9, 12 };
    return (struct kind){ .level = (int)chance(10),
        .strategy = (int)chance(5),
        .bits = c == CODING_GZIP ? gzip[chance(4)] : other[chance(5)],
        .mem = 1 + (int)chance(9),
        .flush = (int)chance(5),
        .pieces = chance(3) == 0 ? chance(40) : 0,
        .is_named = chance(3) == 0 };
}

/* Feeds all of body[] in random pieces. */
static inline void
feed(struct drive *d, const struct plain *p, bool is_waiting)
{
    struct str rest = str_n(body, body_n);
    bool is_all;
    do {
        size_t max = chance(2) == 0 ? 9 : 30000;
        size_t n = 1 + chance((unsigned)max);
        n = n < rest.n ? n : rest.n;
        bufq_append(&d->in, str_n(rest.p, n));
        rest = str_skip(rest, n);
        drive_run(d, rest.n == 0);
        if (!d->filter.has_masked && gzip_mask_anew(d->mask) == NULL) {
            struct str fed = str_n(body, body_n - rest.n);
            drive_check_passed(d, p, fed, &is_all);
            assert_true(is_all || !is_waiting);
        }
    } while (rest.n != 0 && d->result != GZIP_BAD);
}

static inline char *
left_of(const struct drive *d)
{
    char *s = malloc(d->all.len + 1);
    assert_non_null(s);
    assert_int_equal(bufq_copy(&d->all, s, d->all.len), d->all.len);
    return s;
}

/* What left is, by zlib alone with its checks, what the filter gave back. */
static inline void
assert_inflates(const struct drive *d, enum coding c)
{
    char *s = left_of(d);
    struct gunzip *g = gunzip_new(c, 0);
    struct bufq in, out;
    bufq_init(&in, SIZE_MAX);
    bufq_init(&out, SIZE_MAX);
    bufq_append(&in, str_n(s, d->all.len));
    enum gzip_io r = gunzip_run(g, &in, &out, true);
    if (r != GZIP_DONE) {
        fail_msg("%s", gunzip_why(g));
    }
    assert_int_equal(out.len, d->filter.back.len);
    for (size_t at = 0; !bufq_is_empty(&out);) {
        struct str is = bufq_peek(&out);
        struct str want = bufq_peek_at(&d->filter.back, at);
        size_t n = is.n < want.n ? is.n : want.n;
        assert_memory_equal(is.p, want.p, n);
        at += n;
        bufq_consume(&out, n);
    }
    gunzip_free(g);
    bufq_fini(&in);
    bufq_fini(&out);
    free(s);
}

static inline void
begin(struct drive *d, struct plain *p, enum coding c, size_t hold_max)
{
    plain_make(p, str_n(body, body_n), c);
    drive_init(d, c, 1, 0, hold_max, 65536);
}

static inline void
end(struct drive *d, struct plain *p)
{
    drive_fini(d);
    plain_free(p);
}

/* All of body[] leaves as it came. */
static inline void
assert_passes(enum coding c, size_t hold_max, bool is_waiting)
{
    struct plain p;
    struct drive d;
    begin(&d, &p, c, hold_max);
    feed(&d, &p, is_waiting);
    assert_int_equal(d.result, GZIP_DONE);
    assert_null(gzip_mask_anew(d.mask));
    assert_int_equal(d.all.len, body_n);
    assert_false(d.filter.has_masked);
    end(&d, &p);
}

/* All of body[] leaves with its text masked, as one member. */
static inline void
assert_masked(enum coding c, size_t hold_max)
{
    struct plain p;
    struct drive d;
    begin(&d, &p, c, hold_max);
    feed(&d, &p, false);
    if (d.result == GZIP_BAD) {
        fail_msg("%s", gzip_mask_why(d.mask));
    }
    assert_int_equal(d.result, GZIP_DONE);
    assert_true(d.filter.has_masked);
    assert_inflates(&d, c);
    end(&d, &p);
}

/* It ends in an error that says `why`; of what was masked nothing is said. */
static inline void
assert_bad(enum coding c, const char *why)
{
    struct plain p;
    struct drive d;
    begin(&d, &p, c, 0);
    feed(&d, &p, false);
    assert_int_equal(d.result, GZIP_BAD);
    assert_true(bufq_is_empty(&d.out));
    if (why != NULL) {
        assert_non_null(strstr(gzip_mask_why(d.mask), why));
    }
    end(&d, &p);
}

static const struct kind plain_gzip = { 6, Z_DEFAULT_STRATEGY, 31, 8, 0, 0,
    false };
static const struct kind flushed_gzip = { 6, Z_DEFAULT_STRATEGY, 31, 8, 2, 40,
    false };
static const struct kind named_gzip = { 6, Z_DEFAULT_STRATEGY, 31, 8, 0, 0,
    true };
static const struct kind plain_zlib = { 6, Z_DEFAULT_STRATEGY, 15, 8, 0, 0,
    false };
static const struct kind plain_raw = { 6, Z_DEFAULT_STRATEGY, -15, 8, 0, 0,
    false };

static inline void
pack(const struct kind *k, size_t n, unsigned odds)
{
    body_n = 0;
    add_packed(k, text, make_text(text, n, odds));
}
