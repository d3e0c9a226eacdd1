/*
 * How a pattern lies to a set: cases, and random globs against every name that
 * is short enough to tell.
 */

#include "match/overlap.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "naive.h"

static struct pattern_set *
set_of(enum pattern_kind kind, const char *words)
{
    struct pattern_set *s = pattern_set_new(kind);
    struct str rest = str_of(words), word;
    struct pattern_error err;
    while (rest.n != 0 && str_cut(&rest, ' ', &word)) {
        if (!pattern_set_add(s, word, s, &err)) {
            fail_msg("%.*s: %s", STR_ARG(word), err.text);
        }
    }
    pattern_set_compile(s);
    return s;
}

static void
cases(void **state)
{
    static const struct {
        enum pattern_kind kind;
        const char *words, *name;
        bool meets, covers;
    } rows[] = {
        { PATTERN_LIST, "a.test", "a.test", true, true },
        { PATTERN_LIST, "b.test *.a.test", "a.test", false, false },
        { PATTERN_LIST, "*.test", "a.b.test", true, true },
        { PATTERN_LIST, "*.test", "*.a.test", true, true },
        { PATTERN_LIST, "*.a.test", "*.test", true, false },
        { PATTERN_LIST, "x.a.test", "*.test", true, false },
        { PATTERN_LIST, "x.a.test *", "*.test", true, true },
        { PATTERN_LIST, "a.*", "*.test", true, false },
        { PATTERN_LIST, "a.test b.c.test", "*.d.test", false, false },
        { PATTERN_LIST, "*.a.test *.b.test", "*.c.test", false, false },
        { PATTERN_LIST, "", "*.test", false, false },
        { PATTERN_LIST, "", "~.*", false, false },
        { PATTERN_LIST, "a.test", "~b\\.test", true, false }, /* in doubt */
        { PATTERN_LIST, "*", "~b\\.test", true, true },
        { PATTERN_LIST, "10.0.0.0/8", "10.1.2.3", true, true },
        { PATTERN_LIST, "10.0.0.0/8", "11.1.2.3", false, false },
        { PATTERN_LIST, "10.0.0.0/8", "64:ff9b::a01:203", true, true },
        { PATTERN_LIST, "10.0.0.0/8", "*.test", false, false },
        { PATTERN_SERVER, "a.test ~b.*", "*.test", true, false },
        { PATTERN_SERVER, ".a.test", "a.test", true, true },
        { PATTERN_SERVER, ".a.test", "*.b.a.test", true, true },
        { PATTERN_SERVER, "~x+\\.test", "xx.test", true, true },
        { PATTERN_SERVER, "~x+\\.test", "~x+\\.test", true, true },
        { PATTERN_SERVER, "mail.*", "mail.*", true, true },
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        unsigned budget = OVERLAP_BUDGET;
        struct pattern_set *s = set_of(rows[i].kind, rows[i].words);
        struct str name = str_of(rows[i].name);
        if (overlap_meets(s, name, &budget) != rows[i].meets ||
            overlap_covers(s, name, &budget) != rows[i].covers) {
            fail_msg("%s in \"%s\"", rows[i].name, rows[i].words);
        }
        pattern_set_unref(s);
    }
    unsigned budget = OVERLAP_BUDGET;
    assert_false(overlap_meets(NULL, STR("*.test"), &budget));
    assert_false(overlap_covers(NULL, STR("a.test"), &budget));
}

static void
budget_ends(void **state)
{
    struct pattern_set *s = set_of(PATTERN_LIST, "a.test b.test *.test");
    unsigned budget = 3;
    (void)state;
    assert_false(overlap_meets(s, STR("*.c"), &(unsigned){ 4 }));
    assert_true(overlap_meets(s, STR("*.c"), &budget)); /* nobody knows */
    assert_int_equal(budget, 0);
    assert_true(overlap_covers(s, STR("*.a.test"), &(unsigned){ 4 }));
    assert_false(overlap_covers(s, STR("*.a.test"), &(unsigned){ 3 }));
    pattern_set_unref(s);
}

/* One to three bytes of "ab*", no two stars in a row. */
static struct str
random_glob(struct naive_random *r, char *to)
{
    size_t n = 1 + naive_below(r, 3);
    for (size_t i = 0; i < n; i++) {
        bool may_star = i == 0 || to[i - 1] != '*';
        to[i] = "ab*"[naive_below(r, may_star ? 3 : 2)];
    }
    return str_n(to, n);
}

/* Whether some name of up to six bytes matches both; *is_subset: none matches
 * `a` alone. What both have in common begins within six. */
static bool
naive_meet(struct str a, struct str b, bool *is_subset)
{
    bool is_met = false;
    *is_subset = true;
    for (unsigned bits = 2; bits < 128; bits++) { /* the first is a mark */
        char name[8];
        size_t n = 0;
        for (unsigned rest = bits; rest > 1; rest >>= 1) {
            name[n++] = rest & 1 ? 'a' : 'b';
        }
        bool in_a = naive_glob(a, str_n(name, n));
        bool in_b = naive_glob(b, str_n(name, n));
        is_met = is_met || (in_a && in_b);
        *is_subset = *is_subset && (!in_a || in_b);
    }
    return is_met;
}

static void
against_every_name(void **state)
{
    struct naive_random r = { 11 };
    unsigned n_met = 0, n_covered = 0, budget;
    (void)state;
    for (int i = 0; i < 3000; i++) {
        char x[4], y[4], word[4] = "";
        struct str a = random_glob(&r, x), b = random_glob(&r, y);
        bool is_subset, is_met = naive_meet(a, b, &is_subset);
        memcpy(word, b.p, b.n);
        struct pattern_set *s = set_of(PATTERN_LIST, word);
        budget = OVERLAP_BUDGET;
        if (overlap_meets(s, a, &budget) != is_met) {
            fail_msg("%.*s and %.*s", STR_ARG(a), STR_ARG(b));
        }
        bool is_covered = overlap_covers(s, a, &budget);
        if (is_covered && !is_subset) {
            fail_msg("%.*s in %.*s", STR_ARG(a), STR_ARG(b));
        }
        n_met += is_met;
        n_covered += is_covered;
        pattern_set_unref(s);
    }
    assert_true(n_met > 500 && n_covered > 200);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases),
        cmocka_unit_test(budget_ends),
        cmocka_unit_test(against_every_name),
    };
    return cmocka_run_group_tests_name("overlap", tests, NULL, NULL);
}
