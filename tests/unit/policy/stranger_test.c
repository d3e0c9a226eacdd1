/*
 * Which patterns take in names of strangers, and what is to be written.
 */

#include "policy/stranger.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "match/glob.h"

static void
lists(void **state)
{
    static const struct {
        const char *pattern, *example, *instead; /* NULL: it is fine */
    } cases[] = {
        { "*github.com", "evilgithub.com", "\"github.com *.github.com\"" },
        { "*hub", "evilhub", "\"hub *.hub\"" },
        { "*shop.co.uk", "evilshop.co.uk", "\"shop.co.uk *.shop.co.uk\"" },
        { "*-github.com", "evil-github.com", "each name in full" },
        { "api.*github.com", "api.evilgithub.com", "each name in full" },
        { "google.*", "google.evil.example", "each name in full" },
        { "git*", "git.evil.example", "each name in full" },
        { "*.google.*", "evil.google.evil.example", "each name in full" },
        { "*", NULL, NULL },
        { "*.*", NULL, NULL },
        { "github.com", NULL, NULL },
        { "*.github.com", NULL, NULL },
        { "*.com", NULL, NULL },
        { "api-*.github.com", NULL, NULL },
        { "*-api.github.com", NULL, NULL },
        { "*cdn.shop.co.uk", NULL, NULL },
        { "*-db.internal", NULL, NULL },
        { "*db.LOCAL", NULL, NULL },
        { "10.0.0.0/8", NULL, NULL },
        { "", NULL, NULL },
    };
    struct arena *a = arena_new(4096);
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct str example, instead, pattern = str_of(cases[i].pattern);
        bool is = stranger_matches(a, pattern, &example, &instead);
        if (is != (cases[i].example != NULL)) {
            fail_msg("%s", cases[i].pattern);
        }
        if (is) {
            assert_string_equal(example.p, cases[i].example);
            assert_string_equal(instead.p, cases[i].instead);
            assert_true(glob_match(pattern, example));
        }
    }
    arena_free(a);
}

static void
secrets(void **state)
{
    static const char *const yes[] = { "*.com", "*.io", "*.co.uk", "*.COM.au" };
    static const char *const no[] = { "com", "*.a.com", "*.shop.co.uk",
        "*.internal", "*.a.test", "*.co.info" };
    (void)state;
    for (size_t i = 0; i < LEN(yes); i++) {
        assert_true(stranger_owns_below(str_of(yes[i])));
    }
    for (size_t i = 0; i < LEN(no); i++) {
        assert_false(stranger_owns_below(str_of(no[i])));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(secrets),
    };
    return cmocka_run_group_tests_name("stranger", tests, NULL, NULL);
}
