/* Known names: found in any case, and nothing else is. */

#include "http/field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void
test_every_known_name_is_found(void **state)
{
    (void)state;
    for (unsigned id = 1; id < FIELD_COUNT; id++) {
        struct str name = field_name((enum field_id)id);
        char upper[64], lower[64];
        assert_true(name.n != 0 && name.n < sizeof upper);
        for (size_t i = 0; i < name.n; i++) {
            lower[i] = (char)ascii_lower((unsigned char)name.p[i]);
            upper[i] = lower[i] >= 'a' && lower[i] <= 'z'
                           ? (char)(lower[i] - 32)
                           : lower[i];
        }
        assert_int_equal(field_lookup(name), id);
        assert_int_equal(field_lookup(str_n(lower, name.n)), id);
        assert_int_equal(field_lookup(str_n(upper, name.n)), id);
    }
}

/* Each byte of each name replaced by each other byte that a token may have. */
static void
test_no_other_name_is_found(void **state)
{
    (void)state;
    for (unsigned id = 1; id < FIELD_COUNT; id++) {
        struct str name = field_name((enum field_id)id);
        char text[64];
        for (size_t at = 0; at < name.n; at++) {
            for (unsigned c = 0x21; c < 0x7f; c++) {
                memcpy(text, name.p, name.n);
                text[at] = (char)c;
                bool is_same = ascii_lower((unsigned char)c) ==
                               ascii_lower((unsigned char)name.p[at]);
                assert_int_equal(
                    field_lookup(str_n(text, name.n)) == id, is_same);
            }
        }
        assert_int_equal(field_lookup(str_n(name.p, name.n - 1)), FIELD_OTHER);
    }
    assert_int_equal(field_lookup(STR_NONE), FIELD_OTHER);
    assert_int_equal(field_lookup(STR("x")), FIELD_OTHER);
    assert_int_equal(field_lookup(STR("content_length")), FIELD_OTHER);
}

static void
test_underscore_is_a_hyphen_when_comparing(void **state)
{
    (void)state;
    assert_true(field_name_eq(STR("X_Auth_Token"), STR("x-auth-token")));
    assert_true(field_name_eq(STR("x-auth-token"), STR("X_AUTH-token")));
    assert_false(field_name_eq(STR("x-auth-token"), STR("x-auth-tokens")));
    assert_false(field_name_eq(STR("x-auth-token"), STR("x.auth.token")));
    assert_true(field_name_starts(STR("proxy_foo"), STR("Proxy-")));
    assert_false(field_name_starts(STR("prox"), STR("Proxy-")));
}

static void
test_names_and_values_are_judged(void **state)
{
    (void)state;
    char c;
    for (unsigned i = 0; i < 256; i++) {
        c = (char)i;
        bool is_alnum = ascii_is_alpha((unsigned char)i) ||
                        ascii_is_digit((unsigned char)i);
        bool is_mark = i != 0 && strchr("!#$%&'*+-.^_`|~", (int)i) != NULL;
        bool is_text = (i >= 0x20 && i != 0x7f) || i == '\t';
        assert_int_equal(
            field_name_is_valid(str_n(&c, 1)), is_alnum || is_mark);
        assert_int_equal(field_value_is_valid(str_n(&c, 1)), is_text);
    }
    assert_false(field_name_is_valid(STR("")));
    assert_true(field_value_is_valid(STR("")));
    assert_true(field_value_is_valid(STR_NONE));
}

static void
test_what_weir_decides_is_reserved(void **state)
{
    (void)state;
    static const char *const reserved[] = { "Host", "connection", "Keep_Alive",
        "Content-Length", "content_length", "Transfer-Encoding", "TE",
        "Trailer", "Upgrade", "Expect", "HTTP2-Settings", "Proxy-Connection",
        "proxy_anything" };
    static const char *const free_ones[] = { "Authorization", "Cookie",
        "X-Host", "Hosts", "Content-Type", "Proxy", "Via" };
    for (size_t i = 0; i < LEN(reserved); i++) {
        assert_true(field_name_is_reserved(str_of(reserved[i])));
    }
    for (size_t i = 0; i < LEN(free_ones); i++) {
        assert_false(field_name_is_reserved(str_of(free_ones[i])));
    }
}

/* A control byte is found at every place of values of every length. */
static void
test_controls_are_found_anywhere(void **state)
{
    (void)state;
    static const char bad[] = { 0, 1, 8, 10, 13, 31, 127 };
    char text[40];
    for (size_t n = 1; n < sizeof text; n++) {
        for (size_t at = 0; at < n; at++) {
            for (size_t k = 0; k < sizeof bad; k++) {
                memset(text, 0x80 + (int)at, sizeof text);
                text[n - 1 - at / 2] = '\t';
                text[at] = bad[k];
                assert_false(field_value_is_valid(str_n(text, n)));
            }
            memset(text, 0xff, sizeof text);
            text[at] = '\t';
            assert_true(field_value_is_valid(str_n(text, n)));
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_known_name_is_found),
        cmocka_unit_test(test_no_other_name_is_found),
        cmocka_unit_test(test_underscore_is_a_hyphen_when_comparing),
        cmocka_unit_test(test_names_and_values_are_judged),
        cmocka_unit_test(test_what_weir_decides_is_reserved),
        cmocka_unit_test(test_controls_are_found_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
