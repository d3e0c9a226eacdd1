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
    static unsigned char bytes[64 * 66];
    struct simd_masks masks[66];
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(i + i / 256);
    }
    assert_non_null(simd_classifier(0));
    for (unsigned way = 0; simd_classifier(way) != NULL; way++) {
        simd_classifier(way)(&some, bytes, 66, masks);
        for (size_t i = 0; i < sizeof bytes; i++) {
            unsigned char c = bytes[i];
            unsigned in = some.low[c & 15] & some.high[c >> 4];
            struct simd_masks m = masks[i / 64];
            assert_int_equal(m.in >> i % 64 & 1, in != 0);
            assert_int_equal(m.special >> i % 64 & 1, (in & SIMD_SPECIAL) != 0);
        }
    }
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
        cmocka_unit_test(aes),
    };
    return cmocka_run_group_tests_name("simd", tests, NULL, NULL);
}
