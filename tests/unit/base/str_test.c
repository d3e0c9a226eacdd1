/*
 * Borrowed strings: comparison, cutting, numbers, and empty ones everywhere.
 */

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
equality(void **state)
{
    (void)state;
    assert_true(str_eq(STR("ab"), STR("ab")));
    assert_false(str_eq(STR("ab"), STR("aB")));
    assert_false(str_eq(STR("ab"), STR("abc")));
    assert_true(str_eq(STR_NONE, STR("")));
    assert_true(str_ieq(STR("aBz-[\x01"), STR("AbZ-[\x01")));
    assert_false(str_ieq(STR("@"), STR("`")));
    assert_false(str_ieq(STR("["), STR("{")));
    assert_false(str_ieq(STR("\xc0"), STR("\xe0"))); /* ASCII case alone */
    assert_false(str_ieq(STR("a"), STR("ab")));
    assert_true(str_ieq(STR_NONE, STR("")));
    assert_true(str_eq(str_of(NULL), STR("")));
}

static void
starts_and_ends(void **state)
{
    (void)state;
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_true(str_starts(STR("abc"), STR("")));
    assert_false(str_starts(STR("ab"), STR("abc")));
    assert_false(str_starts(STR("abc"), STR("bc")));
    assert_true(str_ends(STR("abc"), STR("bc")));
    assert_true(str_ends(STR("abc"), STR("")));
    assert_true(str_ends(STR_NONE, STR_NONE));
    assert_false(str_ends(STR("bc"), STR("abc")));
    assert_false(str_ends(STR("abc"), STR("ab")));
}

static void
order(void **state)
{
    (void)state;
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("b"), STR("a")) > 0);
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_cmp(STR("ab"), STR("a")) > 0);
    assert_true(str_cmp(STR("ab"), STR("b")) < 0);
    assert_true(str_cmp(STR("\x7f"), STR("\x80")) < 0);
    assert_int_equal(str_cmp(STR("ab"), STR("ab")), 0);
    assert_int_equal(str_cmp(STR_NONE, STR("")), 0);
}

static void
find_and_skip(void **state)
{
    (void)state;
    assert_int_equal(str_find(STR("abcb"), 'b'), 1);
    assert_int_equal(str_find(STR("abc"), 'x'), 3);
    assert_int_equal(str_find(STR_NONE, 'x'), 0);
    assert_true(str_eq(str_skip(STR("abc"), 1), STR("bc")));
    assert_true(str_eq(str_skip(STR("abc"), 3), STR("")));
    assert_true(str_eq(str_skip(STR_NONE, 0), STR("")));
    assert_true(str_eq(str_trim(STR(" \t a b\t ")), STR("a b")));
    assert_true(str_eq(str_trim(STR(" \t ")), STR("")));
    assert_true(str_eq(str_trim(STR("\na\r")), STR("\na\r")));
    assert_true(str_eq(str_trim(STR_NONE), STR("")));
}

static void
cuts(struct str s, unsigned n, const char *const *parts)
{
    struct str part;
    for (unsigned i = 0; i < n; i++) {
        assert_true(str_cut(&s, ',', &part));
        assert_true(str_eq(part, str_of(parts[i])));
    }
    assert_false(str_cut(&s, ',', &part));
    assert_false(str_cut(&s, ',', &part));
    assert_null(s.p);
}

static void
cutting(void **state)
{
    (void)state;
    cuts(STR("a,,b"), 3, (const char *const[]){ "a", "", "b" });
    cuts(STR("a"), 1, (const char *const[]){ "a" });
    cuts(STR("a,"), 2, (const char *const[]){ "a", "" });
    cuts(STR(","), 2, (const char *const[]){ "", "" });
    cuts(STR(""), 1, (const char *const[]){ "" });
    cuts(STR_NONE, 0, NULL);
}

static void
numbers(void **state)
{
    static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "0x1", "1a",
        "18446744073709551616", "99999999999999999999",
        "184467440737095516150" };
    uint64_t v = 0;
    (void)state;
    assert_true(str_u64(STR("0"), &v) && v == 0);
    assert_true(str_u64(STR("007"), &v) && v == 7);
    assert_true(str_u64(STR("18446744073709551615"), &v) && v == UINT64_MAX);
    for (size_t i = 0; i < LEN(bad); i++) {
        assert_false(str_u64(str_of(bad[i]), &v));
    }
    assert_false(str_u64(STR("1\0"), &v));
    static const char *good[] = { "0", "9", "10", "443", "65535",
        "18446744073709551615" };
    for (size_t i = 0; i < LEN(good); i++) {
        char room[STR_U64_MAX];
        assert_true(str_u64(str_of(good[i]), &v));
        assert_true(str_eq(str_of_u64(v, room), str_of(good[i])));
    }
}

static void
bytes(void **state)
{
    static const char digits[] = "0123456789abcdef";
    (void)state;
    for (int c = 0; c < 256; c++) {
        const char *hit =
            c != 0 ? strchr(digits, ascii_lower((uint8_t)c)) : NULL;
        assert_int_equal(
            ascii_hex((uint8_t)c), hit != NULL ? hit - digits : -1);
        assert_int_equal(
            ascii_lower((uint8_t)c), c >= 'A' && c <= 'Z' ? c + 32 : c);
        assert_int_equal(ascii_is_digit((uint8_t)c), c >= '0' && c <= '9');
        assert_int_equal(ascii_is_alpha((uint8_t)c),
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality),
        cmocka_unit_test(starts_and_ends),
        cmocka_unit_test(order),
        cmocka_unit_test(find_and_skip),
        cmocka_unit_test(cutting),
        cmocka_unit_test(numbers),
        cmocka_unit_test(bytes),
    };
    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
