/* Texts are found however the bytes are cut, and nothing else is. */

#include "http/needles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "arena_fixture.h"

static struct needles *
needles(const char *const *texts, unsigned n)
{
    struct needles *s = arena_calloc(arena, sizeof *s);
    for (unsigned i = 0; i < n; i++) {
        assert_true(needles_add(s, str_of(texts[i])));
    }
    return s;
}

/* The first that is found in pieces of these sizes, in turn; n: none. */
static unsigned
find(struct needles *s, const char *text, size_t one, size_t two)
{
    struct str rest = str_of(text);
    bool is_odd = false;
    while (rest.n != 0) {
        size_t n = is_odd ? two : one;
        n = n < rest.n ? n : rest.n;
        char *piece = malloc(n); /* of its own, for the sanitizers */
        memcpy(piece, rest.p, n);
        unsigned found = needles_find(s, arena, str_n(piece, n));
        free(piece);
        if (found != s->n) {
            return found;
        }
        rest = str_skip(rest, n);
        is_odd = !is_odd;
    }
    return s->n;
}

static const struct {
    const char *text;
    unsigned found;
} cases[] = {
    { "", 3 },
    { "a", 3 },
    { "abc", 0 },
    { "xxabcxx", 0 },
    { "ababab", 3 },
    { "aababc", 0 },
    { "ab", 3 },
    { "abxcabxcab", 3 },
    { "--long-placeholder-01234567890--", 1 },
    { "--long-placeholder-0123456789-", 3 },
    { "long-placeholder-long-placeholder-01234567890", 1 },
    { "0123456789z0123456789", 2 },
    { "0123456789", 3 },
};

static void
test_cut_anywhere(void **state)
{
    static const char *const texts[] = { "abc", "long-placeholder-01234567890",
        "z" };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        for (size_t one = 1; one < 40; one++) {
            for (size_t two = 1; two < 40; two += 3) {
                struct needles *s = needles(texts, 3);
                assert_int_equal(
                    find(s, cases[i].text, one, two), cases[i].found);
            }
        }
    }
}

static void
test_one_byte(void **state)
{
    static const char *const texts[] = { "z" };
    (void)state;
    assert_int_equal(find(needles(texts, 1), "aaz", 1, 1), 0);
    assert_int_equal(find(needles(texts, 1), "aaz", 3, 1), 0);
    assert_int_equal(find(needles(texts, 1), "aay", 1, 1), 1);
}

static void
test_none_and_too_many(void **state)
{
    struct needles *s = needles(NULL, 0);
    (void)state;
    assert_int_equal(find(s, "abc", 2, 2), 0);
    for (unsigned i = 0; i < NEEDLES_MAX; i++) {
        assert_true(needles_add(s, STR("text")));
    }
    assert_false(needles_add(s, STR("text")));
}

#define TEST(fn)                                                               \
    cmocka_unit_test_setup_teardown(fn, arena_set_up, arena_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cut_anywhere),
        TEST(test_one_byte),
        TEST(test_none_and_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
