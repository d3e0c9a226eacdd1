/*
 * Globs: one against one, and many at once against a naive matcher.
 */

#include "match/glob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "naive.h"

static void
one_glob(void **state)
{
    static const struct {
        const char *pattern, *subject;
        bool is_match;
    } cases[] = {
        { "*", "", true },
        { "*", "a.b", true },
        { "*.b", "a.b", true },
        { "*.b", ".b", true },
        { "*.b", "b", false },
        { "a*", "a", true },
        { "a*", "ba", false },
        { "a*a", "a", false }, /* the two may not share a byte */
        { "a*a", "aa", true },
        { "a*b*c", "abc", true },
        { "a*b*c", "acb", false },
        { "a*b*c", "axbxbxc", true },
        { "*aa*aa*", "aaa", false },
        { "*aa*aa*", "aaaa", true },
        { "*ab*", "aab", true },
        { "ab", "ab", true },
        { "ab", "abc", false },
        { "google.*", "google.co.uk", true },
        { "google.*", "maps.google.com", false },
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct str p = str_of(cases[i].pattern), s = str_of(cases[i].subject);
        if (glob_match(p, s) != cases[i].is_match ||
            naive_glob(p, s) != cases[i].is_match) {
            fail_msg("%s on %s", cases[i].pattern, cases[i].subject);
        }
    }
}

static void
random_globs(void **state)
{
    struct naive_random r = { 88172645463325252ull };
    char pattern[NAIVE_NAME_MAX], subject[NAIVE_NAME_MAX];
    unsigned n_matches = 0;
    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        struct str p = str_n(pattern, naive_name(&r, true, pattern));
        struct str s = str_n(subject, naive_name(&r, false, subject));
        bool is_match = naive_glob(p, s);
        n_matches += is_match;
        if (glob_match(p, s) != is_match) {
            fail_msg("%.*s on %.*s", STR_ARG(p), STR_ARG(s));
        }
    }
    assert_true(n_matches > 1000);
}

/* Patterns with a star out of `n` tries, numbered backwards when asked. */
static unsigned
fill(struct naive_random *r, struct glob_set *g, struct arena *a,
    struct str *patterns, unsigned n)
{
    unsigned count = 0;
    for (unsigned i = 0; i < n; i++) {
        char text[NAIVE_NAME_MAX];
        struct str p = str_n(text, naive_name(r, true, text));
        if (str_find(p, '*') == p.n) {
            continue;
        }
        patterns[count] = arena_dup(a, p);
        glob_set_add(g, patterns[count], count);
        count++;
    }
    return count;
}

static uint32_t
first_of(const struct str *patterns, unsigned n, struct str subject)
{
    for (unsigned i = 0; i < n; i++) {
        if (naive_glob(patterns[i], subject)) {
            return i;
        }
    }
    return GLOB_NONE;
}

static void
compare(unsigned n_patterns, unsigned n_subjects, uint64_t seed)
{
    struct naive_random r = { seed };
    struct arena *a = arena_new(4096);
    struct glob_set *g = glob_set_new();
    struct str *patterns = xalloc(n_patterns * sizeof *patterns);
    unsigned n = fill(&r, g, a, patterns, n_patterns);
    glob_set_compile(g);
    for (unsigned i = 0; i < n_subjects; i++) {
        char text[NAIVE_NAME_MAX];
        struct str s = str_n(text, naive_name(&r, false, text));
        uint32_t want = first_of(patterns, n, s);
        if (glob_set_find(g, s) != want) {
            fail_msg("seed %u: %.*s: %u, not %u", (unsigned)seed, STR_ARG(s),
                glob_set_find(g, s), want);
        }
    }
    xfree(patterns);
    glob_set_free(g);
    arena_free(a);
}

static void
sets_of_few(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 300; seed++) {
        compare(1 + (unsigned)seed % 12, 60, seed);
    }
}

static void
set_of_ten_thousand(void **state)
{
    (void)state;
    compare(10000, 2000, 7);
}

/* Many globs that no subject of theirs is like. */
static void
set_of_ten_thousand_distinct(void **state)
{
    struct arena *a = arena_new(4096);
    struct glob_set *g = glob_set_new();
    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        glob_set_add(g, arena_printf(a, "api-%u.*.example", i), i);
    }
    glob_set_compile(g);
    for (unsigned i = 0; i < 10000; i++) {
        struct str s = arena_printf(a, "api-%u.eu.example", i);
        assert_int_equal(glob_set_find(g, s), i);
        s = arena_printf(a, "api-%u.eu.example.org", i);
        assert_int_equal(glob_set_find(g, s), GLOB_NONE);
    }
    glob_set_free(g);
    arena_free(a);
}

static void
lone_star_and_nothing(void **state)
{
    struct glob_set *g = glob_set_new();
    (void)state;
    glob_set_add(g, STR("*"), 5);
    glob_set_add(g, STR("*"), 3);
    glob_set_add(g, STR("a*"), 4);
    glob_set_add(g, STR("b*"), 1);
    glob_set_compile(g);
    assert_int_equal(glob_set_find(g, STR("")), 3);
    assert_int_equal(glob_set_find(g, STR("ax")), 3);
    assert_int_equal(glob_set_find(g, STR("bx")), 1);
    glob_set_free(g);
    g = glob_set_new();
    glob_set_compile(g);
    assert_int_equal(glob_set_find(g, STR("a")), GLOB_NONE);
    glob_set_free(g);
    glob_set_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_glob),
        cmocka_unit_test(random_globs),
        cmocka_unit_test(sets_of_few),
        cmocka_unit_test(set_of_ten_thousand),
        cmocka_unit_test(set_of_ten_thousand_distinct),
        cmocka_unit_test(lone_star_and_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
