/*
 * Bodies that are truncated, corrupt, too large in the one way or the other:
 * no more leaves of them than could be read, and a check that is wrong stays
 * wrong.
 */

#include "gzip_mask_pack.h"

#include <valgrind/valgrind.h>

#define BITS (RUNNING_ON_VALGRIND ? 5 : 1)

static void
truncated(void **state)
{
    static const struct kind *const kinds[] = { &named_gzip, &plain_zlib };
    (void)state;
    srand(5);
    for (int i = 0; i < 2; i++) {
        pack(kinds[i], 400, 0);
        for (size_t n = body_n - 1; n > 2; n--) {
            body_n = n;
            assert_bad(i == 0 ? CODING_GZIP : CODING_DEFLATE, "truncated");
        }
    }
    pack(&plain_raw, 400, 0);
    body_n--;
    assert_bad(CODING_DEFLATE, "truncated");
}

/* Whether zlib takes it for one member or more with their checks right. */
static bool
is_right(const char *s, size_t n)
{
    static unsigned char to[65536];
    z_stream z = { .next_in = (unsigned char *)s,
        .avail_in = (unsigned)n,
        .next_out = to,
        .avail_out = sizeof to };
    assert_int_equal(inflateInit2(&z, 31), Z_OK);
    int r = inflate(&z, Z_FINISH);
    (void)inflateEnd(&z);
    return r == Z_STREAM_END;
}

static void
one_corrupt(void)
{
    struct plain p;
    struct drive d;
    begin(&d, &p, CODING_GZIP, 20);
    feed(&d, &p, false);
    char *s = left_of(&d);
    if (d.result == GZIP_DONE) {
        assert_true(p.is_whole);
        assert_true(d.filter.has_masked || d.all.len == body_n);
        assert_int_equal(is_right(s, d.all.len), is_right(body, body_n));
    } else {
        assert_int_equal(d.result, GZIP_BAD);
        assert_false(is_right(s, d.all.len));
    }
    free(s);
    end(&d, &p);
}

/* Of each bit (under Valgrind of some): what leaves is at most what could be
 * read, and a check that is wrong stays wrong, masked or not. */
static void
corrupt(void **state)
{
    (void)state;
    srand(6);
    for (int is_masked = 0; is_masked < 2; is_masked++) {
        pack(&named_gzip, 700, is_masked ? 9 : 0);
        for (size_t bit = 0; bit < 8 * body_n; bit += BITS) {
            body[bit / 8] ^= (char)(1 << bit % 8);
            one_corrupt();
            body[bit / 8] ^= (char)(1 << bit % 8);
        }
    }
    body_n = 0;
    add(STR("plain text, no gzip"));
    assert_bad(CODING_GZIP, "corrupt");
    body_n = 0;
    add(STR("\x1f\x8b\x08\xff\0\0\0\0\0\0"));
    assert_bad(CODING_GZIP, "corrupt");
}

static void
too_long_a_header(void **state)
{
    (void)state;
    body_n = 0;
    add(STR("\x1f\x8b\x08\x08\0\0\0\0\0\0"));
    memset(body + body_n, 'n', 100000);
    body_n += 100000;
    assert_bad(CODING_GZIP, "too long");
}

/* Of text that stays it is not asked how much there is. */
static void
ratio(void **state)
{
    struct plain p;
    struct drive d;
    (void)state;
    for (int is_masked = 0; is_masked < 2; is_masked++) {
        memset(text, 0, 3000000);
        if (is_masked) {
            memcpy(text + 1000, DRIVE_SECRET, sizeof DRIVE_SECRET - 1);
        }
        body_n = 0;
        add_packed(&plain_gzip, text, 3000000);
        for (unsigned max = 100; max <= 10000; max *= 100) {
            plain_make(&p, str_n(body, body_n), CODING_GZIP);
            drive_init(&d, CODING_GZIP, 1, max, 0, 65536);
            feed(&d, &p, false);
            bool is_bomb = is_masked && max == 100;
            assert_int_equal(d.result, is_bomb ? GZIP_BAD : GZIP_DONE);
            if (is_bomb) {
                assert_non_null(strstr(gzip_mask_why(d.mask), "gunzip_ratio"));
            }
            end(&d, &p);
        }
    }
}

static unsigned long acc;
static unsigned acc_n;

static void
add_bits(unsigned long bits, unsigned n)
{
    acc |= bits << acc_n;
    for (acc_n += n; acc_n >= 8; acc_n -= 8) {
        body[body_n++] = (char)acc;
        acc >>= 8;
    }
}

/* A literal 0 to 143 in fixed codes (RFC 1951 3.2.6), most significant bit
 * first. */
static void
add_literal(unsigned char c)
{
    for (int i = 7; i >= 0; i--) {
        add_bits((0x30u + c) >> i & 1, 1);
    }
}

/* Blocks of `n` bytes each in fixed codes; the last one is the last. */
static void
add_blocks(const size_t *sizes, unsigned n)
{
    body_n = 0;
    acc = acc_n = 0;
    size_t at = 0;
    for (unsigned i = 0; i < n; i++) {
        add_bits(i + 1 == n, 1);
        add_bits(1, 2);
        for (size_t k = 0; k < sizes[i]; k++) {
            add_literal((unsigned char)text[at++]);
        }
        add_bits(0, 7);
    }
    add_bits(0, (8 - acc_n) % 8);
}

/* Up to 256 KiB pass; from a larger one on it is compressed anew. */
static void
large_blocks(void **state)
{
    static const size_t sizes[] = { 1000, 262000, 3000, 262200, 20000 };
    struct plain p;
    struct drive d;
    (void)state;
    srand(7);
    make_text(text, 600000, 0);
    add_blocks(sizes, 3);
    assert_passes(CODING_DEFLATE, 40, false);
    add_blocks(sizes, LEN(sizes));
    begin(&d, &p, CODING_DEFLATE, 40);
    feed(&d, &p, false);
    assert_int_equal(d.result, GZIP_DONE);
    assert_non_null(strstr(gzip_mask_anew(d.mask), "256k"));
    assert_true(d.all.len < body_n);
    char *s = left_of(&d);
    assert_memory_equal(s, body, 266000);
    free(s);
    assert_inflates(&d, CODING_DEFLATE);
    end(&d, &p);
}

/* What is held because the reader is slow is no block that is too large. */
static void
held_for_a_slow_reader(void **state)
{
    static const size_t sizes[] = { 130000, 230000, 1000 };
    struct plain p;
    struct drive d;
    (void)state;
    srand(11);
    make_text(text, 600000, 0);
    add_blocks(sizes, LEN(sizes));
    begin(&d, &p, CODING_DEFLATE, 0);
    bufq_append(&d.in, str_n(body, body_n));
    for (unsigned i = 0; d.result != GZIP_DONE; i++) {
        assert_true(i < 1000);
        pass(&d, true);
        bufq_move(&d.all, &d.out, i < 20 ? 1000 : i < 23 ? 0 : SIZE_MAX);
    }
    assert_null(gzip_mask_anew(d.mask));
    assert_int_equal(d.all.len, body_n);
    end(&d, &p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truncated),
        cmocka_unit_test(corrupt),
        cmocka_unit_test(too_long_a_header),
        cmocka_unit_test(ratio),
        cmocka_unit_test(large_blocks),
        cmocka_unit_test(held_for_a_slow_reader),
    };
    pack_init();
    return cmocka_run_group_tests_name("gzip_mask_bad", tests, NULL, NULL);
}
