/*
 * What comes out is valid JSON in valid UTF-8, whatever went in.
 */

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void
escapes_to(struct str in, const char *expected)
{
    struct buf b;
    buf_init(&b, 4096);
    assert_true(json_escape(&b, in));
    assert_true(buf_addc(&b, '\0'));
    assert_string_equal(b.p, expected);
    buf_fini(&b);
}

#define ESCAPES(in, expected) escapes_to(STR(in), expected)

static void
ascii(void **state)
{
    (void)state;
    ESCAPES("", "");
    ESCAPES("plain /~ text", "plain /~ text");
    ESCAPES("a\"b\\c", "a\\\"b\\\\c");
    ESCAPES("\n\r\t\b\f", "\\n\\r\\t\\b\\f");
    ESCAPES("\x01\x1f\x7f", "\\u0001\\u001f\\u007f");
    ESCAPES("a\0b", "a\\u0000b");
}

static void
utf8(void **state)
{
    (void)state;
    ESCAPES("h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
        "h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    ESCAPES("\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa",
        "\xe2\x80\xa7\\u2028\\u2029\xe2\x80\xaa");
    ESCAPES("\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80",
        "\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80");
}

#define BAD "\xef\xbf\xbd"

static void
no_utf8(void **state)
{
    (void)state;
    ESCAPES("a\x80z", "a" BAD "z");
    ESCAPES("\xff\xfe", BAD BAD);
    ESCAPES("\xc3", BAD);
    ESCAPES("\xc3\"", BAD "\\\"");
    ESCAPES("\xe2\x82", BAD BAD);
    ESCAPES("\xc0\xaf\xc1\xbf", BAD BAD BAD BAD); /* overlong */
    ESCAPES("\xe0\x9f\xbf", BAD BAD BAD);
    ESCAPES("\xf0\x8f\xbf\xbf", BAD BAD BAD BAD);
    ESCAPES("\xed\xa0\x80", BAD BAD BAD); /* surrogate */
    ESCAPES("\xf4\x90\x80\x80", BAD BAD BAD BAD);
    ESCAPES("\xf5\x80\x80\x80", BAD BAD BAD BAD);
}

static void
anything_gives_utf8(void **state)
{
    char in[64];
    struct buf b;
    (void)state;
    srandom(1);
    buf_init(&b, 4096);
    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)random() % sizeof in;
        for (size_t i = 0; i < n; i++) {
            in[i] = (char)(random() % 2 != 0 ? random() % 256
                                             : 0x80 + random() % 80);
        }
        buf_clear(&b);
        assert_true(json_escape(&b, str_n(in, n)));
        size_t step = 0;
        for (size_t i = 0; i < b.n; i += step) {
            step = utf8_length(str_n(b.p + i, b.n - i));
            assert_int_not_equal(step, 0);
            assert_true((unsigned char)b.p[i] >= 0x20);
        }
    }
    buf_fini(&b);
}

static void
documents(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 4096);
    assert_true(buf_addc(&b, '{') && json_key_string(&b, "a\"", STR("x")) &&
                json_key_u64(&b, "n", UINT64_MAX) &&
                json_key_bool(&b, "t", true) && buf_addc(&b, ',') &&
                json_key_bool(&b, "f", false) &&
                json_key_string(&b, "e", STR_NONE) && buf_addc(&b, '}') &&
                buf_addc(&b, '\0'));
    assert_string_equal(b.p,
        "{\"a\\\"\":\"x\",\"n\":18446744073709551615,\"t\":true,"
        "\"f\":false,\"e\":\"\"}");
    buf_fini(&b);
}

static void
ceilings(void **state)
{
    struct buf b;
    (void)state;
    for (size_t max = 0; max < 12; max++) {
        buf_init(&b, max);
        assert_false(json_key_string(&b, "ab", STR("\n\xff\"")));
        assert_true(b.n <= max);
        buf_fini(&b);
    }
    buf_init(&b, 14);
    assert_true(json_key_string(&b, "ab", STR("\n\xff\"")));
    assert_int_equal(b.n, 14);
    buf_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ascii),
        cmocka_unit_test(utf8),
        cmocka_unit_test(no_utf8),
        cmocka_unit_test(anything_gives_utf8),
        cmocka_unit_test(documents),
        cmocka_unit_test(ceilings),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
