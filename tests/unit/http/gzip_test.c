/*
 * gzip and deflate held to each other and to what the format says, however
 * the bytes are cut; each way in which a body can be bad.
 */

#include "http/gzip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"

#define OUT_MAX (4 * 1024 * 1024)

static char *out, *packed; /* of this process alone: see units.c */

/* printf hello | gzip -n */
static const char hello[] =
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07\x00"
    "\x86\xa6\x10\x36\x05\x00\x00\x00";

/* The same by RFC 1950, and by RFC 1951 alone. */
static const char hello_zlib[] = "\x78\x9c\xcb\x48\xcd\xc9\xc9\x07\x00\x06\x2c"
                                 "\x02\x15";
static const char hello_raw[] = "\xcb\x48\xcd\xc9\xc9\x07\x00";

#define BYTES(a) str_n((a), sizeof(a) - 1)

static size_t
drain(struct bufq *q, size_t n)
{
    size_t got = bufq_copy(q, out + n, OUT_MAX - n);
    bufq_consume(q, got);
    return n + got;
}

/* Feeds `s` in pieces; `out` has what came, *n bytes. */
static enum gzip_io
inflated(struct gunzip *g, struct str s, size_t piece, size_t *n)
{
    struct bufq in, to;
    enum gzip_io r = GZIP_NEED;
    bufq_init(&in, SIZE_MAX);
    bufq_init(&to, piece * 3);
    *n = 0;
    while (r != GZIP_BAD && r != GZIP_DONE) {
        size_t k = piece < s.n ? piece : s.n;
        if (r == GZIP_NEED) {
            bufq_append(&in, str_n(s.p, k));
            s = str_skip(s, k);
        }
        r = gunzip_run(g, &in, &to, s.n == 0);
        assert_true(r != GZIP_NEED || s.n != 0);
        *n = drain(&to, *n);
    }
    bufq_fini(&in);
    bufq_fini(&to);
    return r;
}

static void
assert_inflates(enum coding coding, struct str s, struct str expected)
{
    for (size_t piece = 1; piece <= s.n + 1; piece++) {
        struct gunzip *g = gunzip_new(coding, 0);
        size_t n;
        enum gzip_io r = inflated(g, s, piece, &n);
        if (r != GZIP_DONE) {
            fail_msg("in pieces of %zu: %s", piece, gunzip_why(g));
        }
        assert_int_equal(n, expected.n);
        assert_memory_equal(out, expected.n != 0 ? expected.p : "", n);
        gunzip_free(g);
    }
}

static void
assert_bad(enum coding coding, struct str s, const char *why)
{
    for (size_t piece = 1; piece <= s.n + 1; piece++) {
        struct gunzip *g = gunzip_new(coding, 0);
        size_t n;
        assert_int_equal(inflated(g, s, piece, &n), GZIP_BAD);
        assert_non_null(strstr(gunzip_why(g), why));
        gunzip_free(g);
    }
}

/* `parts` one behind the other, in a static buffer. */
static struct str
joined(struct str a, struct str b)
{
    static char text[4096];
    assert_true(a.n + b.n <= sizeof text);
    if (a.p != text) { /* what was joined before stays */
        memcpy(text, a.p, a.n);
    }
    memcpy(text + a.n, b.p, b.n);
    return str_n(text, a.n + b.n);
}

static void
members(void **state)
{
    struct str one = BYTES(hello);
    (void)state;
    assert_inflates(CODING_GZIP, one, STR("hello"));
    assert_inflates(CODING_GZIP, joined(one, one), STR("hellohello"));
    assert_inflates(
        CODING_GZIP, joined(joined(one, one), one), STR("hellohellohello"));
    assert_inflates(CODING_GZIP, STR_NONE, STR_NONE);
}

static void
deflate_wrapped_and_raw(void **state)
{
    (void)state;
    assert_inflates(CODING_DEFLATE, BYTES(hello_zlib), STR("hello"));
    assert_inflates(CODING_DEFLATE, BYTES(hello_raw), STR("hello"));
    assert_inflates(CODING_DEFLATE, STR_NONE, STR_NONE);
}

static void
trailing(void **state)
{
    struct str one = BYTES(hello);
    (void)state;
    assert_inflates(CODING_GZIP, joined(one, STR("\0\0\0\0")), STR("hello"));
    assert_inflates(
        CODING_DEFLATE, joined(BYTES(hello_zlib), STR("\0")), STR("hello"));
    assert_bad(CODING_GZIP, joined(one, STR("x")), "follows");
    assert_bad(CODING_GZIP, joined(one, STR("\0\0x")), "follows");
    assert_bad(CODING_GZIP, joined(joined(one, STR("\0")), one), "follows");
    assert_bad(CODING_DEFLATE, joined(BYTES(hello_raw), STR("hi")), "follows");
    assert_bad(CODING_DEFLATE, joined(BYTES(hello_zlib), BYTES(hello_zlib)),
        "follows");
}

static void
truncated(void **state)
{
    struct str one = BYTES(hello), zlib = BYTES(hello_zlib);
    (void)state;
    for (size_t n = 1; n < one.n; n++) {
        assert_bad(CODING_GZIP, str_n(one.p, n), "truncated");
        assert_bad(CODING_GZIP, joined(one, str_n(one.p, n)), "truncated");
    }
    for (size_t n = 2; n < zlib.n; n++) {
        assert_bad(CODING_DEFLATE, str_n(zlib.p, n), "truncated");
    }
    assert_bad(CODING_DEFLATE, STR("\xcb\x48\xcd\xc9"), "truncated");
    assert_bad(CODING_DEFLATE, STR("\x78"), "");
}

static void
corrupt(void **state)
{
    struct str one = BYTES(hello);
    (void)state;
    assert_bad(CODING_GZIP, STR("plain text, no gzip"), "corrupt");
    for (size_t i = one.n - 8; i < one.n; i++) {
        char copy[sizeof hello];
        memcpy(copy, hello, sizeof hello);
        copy[i] ^= 1;
        assert_bad(CODING_GZIP, str_n(copy, one.n), "corrupt");
    }
    assert_bad(
        CODING_GZIP, joined(one, STR("\x1f\x8c\x08\0\0\0\0")), "corrupt");
    /* RFC 1950: a preset dictionary is no zlib body of HTTP's */
    assert_bad(CODING_DEFLATE, STR("\x78\xbb\0\0\0\1xxxxxxxx"), "corrupt");
}

static unsigned
chance(unsigned n)
{
    return (unsigned)rand() % n;
}

/* All of `s`, dry now and then; in `packed`. */
static struct str
deflated(enum coding coding, int level, struct str s, size_t piece)
{
    struct gzip *g = gzip_new(coding, level);
    struct bufq in, to;
    size_t n = 0;
    enum gzip_io r = GZIP_NEED;
    bufq_init(&in, SIZE_MAX);
    bufq_init(&to, 64 + chance(3000));
    while (r != GZIP_DONE) {
        size_t k = piece < s.n ? piece : s.n;
        if (r == GZIP_NEED) {
            bufq_append(&in, str_n(s.p, k));
            s = str_skip(s, k);
        }
        r = gzip_run(g, &in, &to, chance(2) == 0, s.n == 0);
        assert_int_not_equal(r, GZIP_BAD);
        size_t got = bufq_copy(&to, packed + n, OUT_MAX - n);
        bufq_consume(&to, got);
        n += got;
    }
    gzip_free(g);
    bufq_fini(&in);
    bufq_fini(&to);
    return str_n(packed, n);
}

static void
there_and_back(void **state)
{
    static char text[200000];
    (void)state;
    srand(5);
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (char)(i % 3000 < 1500 ? 'a' + chance(20) : chance(256));
    }
    static const size_t sizes[] = { 0, 1, 10, 5000, 65536, sizeof text };
    for (unsigned round = 0; round < 48; round++) {
        struct str s = str_n(text, sizes[round % LEN(sizes)]);
        enum coding c = round % 4 < 2 ? CODING_GZIP : CODING_DEFLATE;
        size_t piece = round % 3 == 0 ? 100000 : 1 + chance(5000);
        struct str z = deflated(c, 1 + (int)(round % 9), s, piece);
        struct gunzip *g = gunzip_new(c, 0);
        size_t n;
        assert_int_equal(inflated(g, z, 1 + chance(9000), &n), GZIP_DONE);
        assert_int_equal(n, s.n);
        assert_memory_equal(out, s.p, n);
        gunzip_free(g);
    }
}

/* Dry: what was taken can be read at the other end; once for each time. */
static void
flushed(void **state)
{
    struct gzip *g = gzip_new(CODING_GZIP, 1);
    struct gunzip *u = gunzip_new(CODING_GZIP, 0);
    struct bufq in, mid, to;
    char text[32];
    (void)state;
    bufq_init(&in, SIZE_MAX);
    bufq_init(&mid, SIZE_MAX);
    bufq_init(&to, SIZE_MAX);
    assert_int_equal(gzip_run(g, &in, &mid, true, false), GZIP_NEED);
    assert_int_equal(mid.len, 0);
    for (int i = 0; i < 100; i++) {
        size_t n = (size_t)snprintf(text, sizeof text, "event %d", i);
        bufq_append(&in, str_n(text, n));
        assert_int_equal(gzip_run(g, &in, &mid, true, false), GZIP_NEED);
        size_t had = mid.len;
        assert_int_equal(gzip_run(g, &in, &mid, true, false), GZIP_NEED);
        assert_int_equal(mid.len, had);
        assert_int_equal(gunzip_run(u, &mid, &to, false), GZIP_NEED);
        assert_int_equal(to.len, n);
        assert_int_equal(bufq_copy(&to, out, n), n);
        assert_memory_equal(out, text, n);
        bufq_consume(&to, n);
    }
    bufq_append(&in, STR("more to come"));
    assert_int_equal(gzip_run(g, &in, &mid, false, false), GZIP_NEED);
    assert_int_equal(mid.len, 0);
    assert_int_equal(gzip_run(g, &in, &mid, false, true), GZIP_DONE);
    assert_int_equal(gunzip_run(u, &mid, &to, true), GZIP_DONE);
    assert_int_equal(to.len, 12);
    bufq_fini(&to);
    gzip_free(g);
    gunzip_free(u);
}

static void
a_bomb(void **state)
{
    const size_t size = 3 * 1024 * 1024;
    char *zeros = xcalloc(size);
    struct str z;
    size_t n;
    (void)state;
    z = deflated(CODING_GZIP, 9, str_n(zeros, size), size);
    assert_true(z.n < size / 900);
    struct gunzip *g = gunzip_new(CODING_GZIP, 100);
    assert_int_equal(inflated(g, z, 1000, &n), GZIP_BAD);
    assert_non_null(strstr(gunzip_why(g), "gunzip_ratio"));
    assert_true(n >= GUNZIP_FREE - 100000 && n <= GUNZIP_FREE + 100000);
    gunzip_free(g);
    g = gunzip_new(CODING_GZIP, 0);
    assert_int_equal(inflated(g, z, 1000, &n), GZIP_DONE);
    assert_int_equal(n, size);
    gunzip_free(g);
    z = deflated(CODING_GZIP, 9, str_n(zeros, GUNZIP_FREE), GUNZIP_FREE);
    g = gunzip_new(CODING_GZIP, 1);
    assert_int_equal(inflated(g, z, 1000, &n), GZIP_DONE);
    gunzip_free(g);
    xfree(zeros);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members),
        cmocka_unit_test(deflate_wrapped_and_raw),
        cmocka_unit_test(trailing),
        cmocka_unit_test(truncated),
        cmocka_unit_test(corrupt),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(flushed),
        cmocka_unit_test(a_bomb),
    };
    out = xcalloc(OUT_MAX);
    packed = xcalloc(OUT_MAX);
    return cmocka_run_group_tests_name("gzip", tests, NULL, NULL);
}
