/*
 * Sets of values that are looked for: one for all who look for the same, and
 * nothing of a value stays longer than someone looks for it.
 */

#include "secret/scan_set.h"

#include "sandbox/sandbox.h"
#include "secret/secret_memory.h"
#include "secret_fixture.h"

#define FIRST "the-1st-value-abc"
#define SECOND "the-2nd-value-abc"

struct test {
    struct fixture *f;
    struct secret_store *store; /* a worker's */
    const struct secret_spec *all[4];
    unsigned n;
};

static struct test
start(void **state, const char *text)
{
    struct test t = { .f = *state };
    sec_start(t.f, text);
    t.store = policy_secret_store(t.f->worker);
    for (const struct policy_secret *d = policy_secrets(t.f->worker); d != NULL;
         d = d->next) {
        t.all[t.n++] = &d->spec;
    }
    return t;
}

static struct scan_set *
get(struct test *t, const struct scan_set *first)
{
    return scan_set_get(t->store, first, t->all, t->n, STR_NONE);
}

static void
assert_has(const struct scan_set *set, unsigned i, const char *text)
{
    assert_true(i < set->n);
    assert_true(str_eq(set->texts[i], str_of(text)));
    assert_true(str_eq(set->keys.secrets[i], str_of(text)));
}

static void
one_for_all(void **state)
{
    sec_put(*state, "a", FIRST);
    sec_put(*state, "b", SECOND);
    struct test t = start(state, "secret a file:a; secret b file:b;");
    struct scan_set *one = get(&t, NULL), *two = get(&t, NULL);
    assert_ptr_equal(one, two);
    assert_int_equal(one->n, 2);
    assert_has(one, 0, FIRST);
    assert_has(one, 1, SECOND);
    assert_ptr_equal(one->secrets[1], t.all[1]);
    t.n = 1;
    struct scan_set *other = get(&t, NULL);
    assert_ptr_not_equal(other, one);
    assert_int_equal(other->n, 1);
    scan_set_put(one);
    scan_set_put(two);
    scan_set_put(other);
}

static void
what_is_left_out(void **state)
{
    sec_put(*state, "short", "fifteen-bytes-1");
    sec_put(*state, "a", FIRST);
    sec_put(*state, "same", FIRST);
    struct test t = start(state,
        "secret short file:short; secret none file:none; secret a file:a;"
        "secret same file:same;");
    struct scan_set *set = get(&t, NULL);
    assert_int_equal(set->n, 1);
    assert_has(set, 0, FIRST);
    scan_set_put(set);
    t.n = 2;
    set = get(&t, NULL);
    assert_int_equal(set->n, 0);
    scan_set_put(set);
}

static void
kept_for_the_next(void **state)
{
    sec_put(*state, "a", FIRST);
    struct test t = start(state, "secret a file:a;");
    struct scan_set *set = get(&t, NULL);
    scan_set_put(set);
    assert_ptr_equal(get(&t, NULL), set);
    assert_int_equal(set->refs, 1);
    scan_set_put(set);
}

/* The bytes of what was a value, in the memory that was its. */
static bool
is_wiped(const char *p, const char *text)
{
    return memcmp(p, text, strlen(text)) != 0;
}

static void
kept_until_a_change(void **state)
{
    struct fixture *f = *state;
    sec_put(f, "a", FIRST);
    sec_put(f, "b", "another-one-0123");
    struct test t = start(state, "secret a file:a; secret b file:b;");
    struct scan_set *set = get(&t, NULL);
    const char *p = set->texts[0].p;
    scan_set_put(set);
    sec_put(f, "a", SECOND);
    sec_settle(f, 0, NULL, SECOND);
    assert_true(is_wiped(p, FIRST));
}

static void
who_looks_goes_on(void **state)
{
    struct fixture *f = *state;
    sec_put(f, "a", FIRST);
    struct test t = start(state, "secret a file:a;");
    struct scan_set *first = get(&t, NULL);
    const char *p = first->texts[0].p;
    sec_put(f, "a", SECOND);
    sec_settle(f, 0, NULL, SECOND);
    struct scan_set *now = get(&t, first), *next = get(&t, NULL);
    assert_int_equal(now->n, 2);
    assert_has(now, 0, FIRST);
    assert_has(now, 1, SECOND);
    assert_int_equal(next->n, 1);
    assert_has(next, 0, SECOND);
    scan_set_put(first);
    assert_false(is_wiped(p, FIRST));
    scan_set_put(now);
    assert_true(is_wiped(p, FIRST));
    scan_set_put(next);
}

/* A set of values that were there before and after a change of another. */
static void
still_the_newest(void **state)
{
    struct fixture *f = *state;
    sec_put(f, "a", FIRST);
    sec_put(f, "b", "another-one-0123");
    struct test t = start(state, "secret a file:a; secret b file:b;");
    t.n = 1;
    struct scan_set *set = get(&t, NULL);
    sec_put(f, "b", SECOND);
    sec_settle(f, 1, NULL, SECOND);
    assert_ptr_equal(get(&t, NULL), set);
    scan_set_put(set);
    scan_set_put(set);
    assert_ptr_equal(get(&t, NULL), set);
    scan_set_put(set);
}

static void
few_are_kept(void **state)
{
    enum { N = SCAN_SETS_KEPT + 2 };
    struct fixture *f = *state;
    char name[32], text[32];
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "d/box-%d", i);
        snprintf(text, sizeof text, "the-value-of-box-%d", i);
        sec_put(f, name, text);
    }
    struct test t = start(state, "secret d dir:d;");
    struct scan_set *sets[N];
    struct sandbox boxes[N];
    char ids[N][32];
    for (int i = 0; i < N; i++) {
        snprintf(ids[i], sizeof ids[i], "box-%d", i);
        boxes[i] = (struct sandbox){ .id = str_of(ids[i]) };
        sets[i] = scan_set_get(t.store, NULL, t.all, 1, boxes[i].id);
        assert_int_equal(sets[i]->n, 1);
    }
    for (int i = 0; i < N; i++) {
        scan_set_put(sets[i]);
    }
    assert_int_equal(scan_sets_kept(t.store), SCAN_SETS_KEPT);
    struct scan_set *last =
        scan_set_get(t.store, NULL, t.all, 1, boxes[N - 1].id);
    assert_ptr_equal(last, sets[N - 1]);
    assert_int_equal(scan_sets_kept(t.store), SCAN_SETS_KEPT - 1);
    scan_set_put(last);
}

#define T(FN) cmocka_unit_test_setup_teardown(FN, sec_set_up, sec_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(one_for_all),
        T(what_is_left_out),
        T(kept_for_the_next),
        T(kept_until_a_change),
        T(who_looks_goes_on),
        T(still_the_newest),
        T(few_are_kept),
    };
    return cmocka_run_group_tests_name("scan_set", tests, NULL, NULL);
}
