/*
 * Patterns compile with a reason or not at all; captures lie in the subject;
 * what explodes fails rather than runs.
 */

#include "base/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct regex *
compile(const char *pattern, unsigned flags)
{
    char err[256];
    struct regex *re = regex_new(str_of(pattern), flags, err, sizeof err);
    assert_non_null(re);
    return re;
}

static int
run(const char *pattern, unsigned flags, const char *subject)
{
    struct regex *re = compile(pattern, flags);
    struct regex_match m;
    int r = regex_run(re, str_of(subject), &m);
    regex_free(re);
    return r;
}

static void
test_match(void **state)
{
    (void)state;
    assert_int_equal(run("b+", 0, "abbc"), 1);
    assert_int_equal(run("b+", 0, "ac"), 0);
    assert_int_equal(run("B", 0, "b"), 0);
    assert_int_equal(run("B", REGEX_CASELESS, "b"), 1);
}

static void
test_whole(void **state)
{
    (void)state;
    assert_int_equal(run("a|ab", REGEX_WHOLE, "ab"), 1);
    assert_int_equal(run("b", REGEX_WHOLE, "ab"), 0);
    assert_int_equal(run("a", REGEX_WHOLE, "ab"), 0);
    assert_int_equal(run("a$", REGEX_WHOLE, "a\n"), 0);
    assert_int_equal(run("a|b", REGEX_WHOLE, "axb"), 0);
}

static void
test_captures(void **state)
{
    (void)state;
    struct regex *re = compile("(?<tenant>[a-z]+)\\.(x)?(vcs)", REGEX_WHOLE);
    struct str subject = STR("acme.vcs");
    struct regex_match m;
    assert_int_equal(regex_run(re, subject, &m), 1);
    assert_true(str_eq(m.capture[0], subject));
    assert_true(str_eq(m.capture[1], STR("acme")));
    assert_ptr_equal(m.capture[1].p, subject.p);
    assert_null(m.capture[2].p);
    assert_true(str_eq(m.capture[3], STR("vcs")));
    assert_null(m.capture[9].p);
    unsigned capture = 0;
    assert_int_equal(regex_names(re), 1);
    assert_true(str_eq(regex_name(re, 0, &capture), STR("tenant")));
    assert_int_equal(capture, 1);
    regex_free(re);
}

static void
test_many_groups(void **state)
{
    (void)state;
    struct regex *re = compile("(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)", 0);
    struct regex_match m;
    assert_int_equal(regex_run(re, STR("abcdefghijkl"), &m), 1);
    assert_true(str_eq(m.capture[9], STR("i")));
    regex_free(re);
}

static void
test_bad_pattern(void **state)
{
    (void)state;
    char err[256] = "";
    assert_null(regex_new(STR("a(b"), 0, err, sizeof err));
    assert_non_null(strstr(err, "offset 3"));
    assert_null(regex_new(STR("(*UTF)a"), 0, err, sizeof err));
    assert_null(regex_new(STR("a\\Cb"), 0, err, sizeof err));
}

static void
test_explosion_fails(void **state)
{
    (void)state;
    char long_subject[4096];
    memset(long_subject, 'a', sizeof long_subject);
    long_subject[sizeof long_subject - 1] = '\0';
    assert_int_equal(run("(a+)+b", 0, long_subject), 0); /* no b: optimised */
    assert_int_equal(run("^(a|aa)+$", 0,
                         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"),
        -1);
}

static void
test_empty_subject(void **state)
{
    (void)state;
    struct regex *re = compile("", 0);
    struct regex_match m;
    assert_int_equal(regex_run(re, STR_NONE, &m), 1);
    assert_int_equal(m.capture[0].n, 0);
    regex_free(re);
    regex_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_captures),
        cmocka_unit_test(test_many_groups),
        cmocka_unit_test(test_bad_pattern),
        cmocka_unit_test(test_explosion_fails),
        cmocka_unit_test(test_empty_subject),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
