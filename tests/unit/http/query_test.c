/*
 * Query parameters: names as a lenient server reads them, values encoded.
 */

#include "http/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void
bytes(void **state)
{
    static const struct {
        const char *query;
        size_t n;
        unsigned char c;
    } cases[] = {
        { "a", 1, 'a' },
        { "+", 1, '+' },
        { "%41b", 3, 'A' },
        { "%fF", 3, 0xff },
        { "%00", 3, 0 },
        { "%4", 1, '%' },
        { "%4g", 1, '%' },
        { "%g4", 1, '%' },
        { "%%41", 1, '%' },
        { "%", 1, '%' },
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        unsigned char c = 1;
        /* from the heap, so that reading past it is seen */
        size_t n = strlen(cases[i].query);
        char *copy = malloc(n);
        memcpy(copy, cases[i].query, n);
        assert_int_equal(query_byte(str_n(copy, n), 0, &c), cases[i].n);
        assert_int_equal(c, cases[i].c);
        free(copy);
    }
    unsigned char c;
    assert_int_equal(query_byte(STR("ab%2e"), 2, &c), 3);
    assert_int_equal(c, '.');
}

static void
names(void **state)
{
    (void)state;
    assert_true(query_name_is(STR("key"), STR("key")));
    assert_true(query_name_is(STR("%6Bey"), STR("key")));
    assert_true(query_name_is(STR("a+b%20c%2B"), STR("a b c+")));
    assert_true(query_name_is(STR("a%"), STR("a%")));
    assert_false(query_name_is(STR("Key"), STR("key")));
    assert_false(query_name_is(STR("ke"), STR("key")));
    assert_false(query_name_is(STR("keys"), STR("key")));
    assert_false(query_name_is(STR("a%2Bb"), STR("a b")));
    assert_false(query_name_is(STR(""), STR("a")));
    assert_true(query_name_is(STR(""), STR("")));
}

static void
encoded(void **state)
{
    char all[256], to[256 * 3];
    unsigned char c;
    (void)state;
    assert_int_equal(query_encode(STR("aZ09-._~"), to), 8);
    assert_memory_equal(to, "aZ09-._~", 8);
    assert_int_equal(query_encode(STR("a b+&=/%"), to), 20);
    assert_memory_equal(to, "a%20b%2B%26%3D%2F%25", 20);
    for (int i = 0; i < 256; i++) {
        all[i] = (char)i;
    }
    struct str text = str_n(to, query_encode(str_n(all, 256), to));
    size_t at = 0;
    for (int i = 0; i < 256; i++) {
        at += query_byte(text, at, &c);
        assert_int_equal(c, i);
    }
    assert_int_equal(at, text.n);
    assert_int_equal(query_encode(STR(""), to), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes),
        cmocka_unit_test(names),
        cmocka_unit_test(encoded),
    };
    return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
