/*
 * Which values are worth looking for, and which of their bytes.
 */

#include "redact/worth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"

/* All runs, with a blank behind each. */
static const char *
runs_of(struct str value)
{
    static char text[4096];
    struct str run;
    size_t at = 0, n = 0;
    while (worth_next(value, &at, &run)) {
        assert_true(run.p >= value.p && run.p + run.n <= value.p + value.n);
        memcpy(text + n, run.p, run.n);
        n += run.n;
        text[n++] = ' ';
    }
    text[n] = '\0';
    assert_int_equal(worth_looking_for(value), n != 0);
    return text;
}

/* One byte less than each is too weak. */
static void
least(void **state)
{
    static const char *const values[] = {
        "a1b2g3d4e5f6g7h8",                /* digits and letters: 36 */
        "ABCDEFGHabcdefgh",                /* 52 */
        "aG3+/-_.~bcdefgh",                /* all */
        "abcdefgh-ijklmno",                /* 32, five bits a byte */
        "abcdefghijklmnopqr",              /* 26 */
        "0123456789abcdef0123",            /* hexadecimal */
        "0123456789ABCDEF0123",            /* the same */
        "deadbeefdeadbeefdead",            /* letters that are such digits */
        "550e8400-e29b-41d4",              /* 22 */
        "0123456789abcdeF",                /* 62: no one writes hex so */
        "0123-456-789-012-345",            /* 16 */
        "0123456789012345678901234",       /* digits */
        "--------------------------_____", /* marks */
    };
    (void)state;
    for (size_t i = 0; i < LEN(values); i++) {
        struct str v = str_of(values[i]);
        assert_true(worth_looking_for(v));
        assert_false(worth_looking_for(str_n(v.p, v.n - 1)));
    }
    assert_false(worth_looking_for(STR("")));
    assert_false(worth_looking_for(STR("correct horse battery staple")));
}

static void
runs(void **state)
{
    (void)state;
    assert_string_equal(runs_of(STR("a1b2g3d4e5f6g7h8")), "a1b2g3d4e5f6g7h8 ");
    assert_string_equal(
        runs_of(STR("\"short\" a1b2g3d4e5f6g7h8=\\ABCDEFGHabcdefgh%")),
        "a1b2g3d4e5f6g7h8 ABCDEFGHabcdefgh ");
    assert_string_equal(runs_of(STR("abcdefgh\0abcdefgh")), "");
    assert_string_equal(runs_of(STR("abcdefg1\xe9"
                                    "abcdefg1")),
        "");
    assert_string_equal(runs_of(STR("==== a1b2g3d4 ====")), "");
}

static void
long_run(void **state)
{
    char value[3000];
    struct str run;
    size_t at = 0;
    (void)state;
    for (size_t i = 0; i < sizeof value; i++) {
        value[i] = (char)('a' + i % 26);
    }
    assert_true(worth_next(str_n(value, sizeof value), &at, &run));
    assert_ptr_equal(run.p, value + sizeof value - WORTH_MAX);
    assert_int_equal(run.n, WORTH_MAX);
    assert_false(worth_next(str_n(value, sizeof value), &at, &run));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least),
        cmocka_unit_test(runs),
        cmocka_unit_test(long_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
