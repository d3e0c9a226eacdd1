/*
 * Every way to classify says the same of every byte at every place; AES by the
 * example of FIPS 197.
 */

#include "os/simd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct simd_class some = {
    .low = { [0] = 1, [5] = 0x43, [12] = 0x82, [15] = 0x15 },
    .high = { [0] = 1, [2] = 0x40, [3] = 0x02, [5] = 0x80, [7] = 0x14 },
};

static void
ways(void **state)
{
    static unsigned char bytes[64 * 66 + 2];
    struct simd_masks masks[66];
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(i + i / 256);
    }
    assert_non_null(simd_way(0));
    for (unsigned way = 0; simd_way(way) != NULL; way++) {
        simd_way(way)->classify(&some, bytes, 66, masks);
        for (size_t i = 0; i < sizeof bytes - 2; i++) {
            unsigned char c = bytes[i];
            unsigned in = some.low[c & 15] & some.high[c >> 4];
            struct simd_masks m = masks[i / 64];
            assert_int_equal(m.in >> i % 64 & 1, in != 0);
            assert_int_equal(m.special >> i % 64 & 1, (in & SIMD_SPECIAL) != 0);
        }
    }
}

/* All that may stand behind a '%', at places that differ. */
static void
escapes(void **state)
{
    static unsigned char bytes[64 * 64 * 7 + 64 + 2];
    static uint64_t masks[64 * 7 + 1];
    static const char hex[] = "0123456789abcdef0123456789ABCDEF";
    (void)state;
    for (unsigned one = 0; one < 256; one++) {
        unsigned n = 0;
        memset(bytes, '\\', sizeof bytes);
        for (unsigned two = 0; two < 256; two++) {
            bytes[n++] = '%';
            bytes[n++] = (unsigned char)one;
            bytes[n++] = (unsigned char)two;
            n += two % 5;
        }
        for (unsigned way = 0; simd_way(way) != NULL; way++) {
            simd_way(way)->escapes(&some, bytes, n / 64 + 1, masks);
            for (unsigned i = 0; i < n; i++) {
                const char *a = bytes[i + 1] ? strchr(hex, bytes[i + 1]) : NULL;
                const char *b = bytes[i + 2] ? strchr(hex, bytes[i + 2]) : NULL;
                bool is_of =
                    a != NULL && b != NULL &&
                    (some.high[(a - hex) % 16] & some.low[(b - hex) % 16]) != 0;
                bool want = bytes[i] == '\\' || (bytes[i] == '%' && is_of);
                assert_int_equal(masks[i / 64] >> i % 64 & 1, want);
            }
        }
    }
}

static bool
is_sample(const unsigned char *p)
{
    unsigned n = 0;
    while (n < SIMD_SAMPLE && (some.low[p[n] & 15] & some.high[p[n] >> 4])) {
        n++;
    }
    return n == SIMD_SAMPLE;
}

/* At every distance; of bytes that are the sample's alone, so that reading
 * behind them is seen. */
static void
samples(void **state)
{
    static const unsigned char in[] = { 0, 5, 15, '%', '5', '<', '\\', 0x7f };
    static const size_t steps[] = { 1, 8, 13, 16, 26, 32, 100 };
    unsigned n_hits = 0;
    (void)state;
    for (size_t k = 0; k < LEN(steps) * 64; k++) {
        size_t step = steps[k / 64], n = k % 64 + 1;
        size_t size = (n - 1) * step + SIMD_SAMPLE;
        unsigned char *p = malloc(size);
        assert_non_null(p);
        for (size_t i = 0; i < size; i++) {
            bool is_other = (i + k) * (i + k) % 37 == 4;
            p[i] = is_other ? "a\x85"[i % 2] : in[i % LEN(in)];
        }
        for (unsigned way = 0; simd_way(way) != NULL; way++) {
            uint64_t hits = simd_way(way)->samples(&some, p, step, n);
            for (size_t i = 0; i < 64; i++) {
                bool want = i < n && is_sample(p + i * step);
                assert_int_equal(hits >> i & 1, want);
                n_hits += want;
            }
        }
        free(p);
    }
    assert_in_range(n_hits, 1000, 1000000);
}

static void
aes(void **state)
{
    static const uint8_t want[16] = { 0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04,
        0x30, 0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a };
    uint8_t key[16], plain[16];
    const unsigned char *at[21];
    uint32_t out[21][4];
    struct simd_aes a;
    (void)state;
    if (!simd_has_aes()) {
        return; /* another processor's */
    }
    for (unsigned i = 0; i < 16; i++) {
        key[i] = (uint8_t)i;
        plain[i] = (uint8_t)(i * 0x11);
    }
    simd_aes_init(&a, key);
    for (unsigned n = 1; n <= 21; n++) {
        at[n - 1] = plain;
        memset(out, 0, sizeof out);
        simd_aes_encrypt(&a, at, n, out);
        for (unsigned i = 0; i < n; i++) {
            assert_memory_equal(out[i], want, 16);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ways),
        cmocka_unit_test(escapes),
        cmocka_unit_test(samples),
        cmocka_unit_test(aes),
    };
    return cmocka_run_group_tests_name("simd", tests, NULL, NULL);
}
