/*
 * Shares: the largest holder's oldest goes, whatever the others have.
 */

#include "base/shares.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MANY 600

struct thing {
    struct share share;
    char holder;
    unsigned used; /* when */
    bool is_stuck;
};

static struct thing things[MANY];
static struct shares *shares;
static unsigned now;

static int
set_up(void **state)
{
    (void)state;
    memset(things, 0, sizeof things);
    shares = shares_new();
    now = 0;
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        shares_drop(shares, &things[i].share);
    }
    shares_free(shares);
    return 0;
}

static void
give(unsigned i, char holder)
{
    shares_give(shares, &things[i].share, str_n(&holder, 1));
    things[i].holder = holder;
    things[i].used = ++now;
}

static struct thing *
thing_of(const struct share *e)
{
    return container_of(e, struct thing, share);
}

static bool
may_go(const struct share *e)
{
    return !thing_of(e)->is_stuck;
}

static void
assert_oldest(int i)
{
    struct share *e = shares_oldest(shares, may_go);
    assert_int_equal(e != NULL ? thing_of(e) - things : -1, i);
}

static void
test_the_largest_holders(void **state)
{
    (void)state;
    assert_oldest(-1);
    give(0, 'v');
    assert_oldest(0);
    give(1, 'a');
    assert_oldest(0); /* one each: who came first */
    give(2, 'a');
    give(3, 'a');
    assert_oldest(1);
    shares_touch(&things[1].share);
    assert_oldest(2);
    assert_int_equal(shares_count(&things[2].share), 3);
    assert_int_equal(shares_total(shares), 4);
    shares_drop(shares, &things[2].share);
    shares_drop(shares, &things[2].share);
    assert_int_equal(shares_count(&things[2].share), 0);
    assert_oldest(3);
    give(3, 'v'); /* it changes hands */
    assert_oldest(0);
}

static void
test_those_that_may_not_go(void **state)
{
    (void)state;
    give(0, 'v');
    give(1, 'a');
    give(2, 'a');
    things[1].is_stuck = true;
    assert_oldest(2);
    things[2].is_stuck = true;
    assert_oldest(0);
    things[0].is_stuck = true;
    assert_oldest(-1);
}

/* A full cache: the new one stands in it already. */
static void
test_a_flood(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        give(i, 'v');
    }
    for (unsigned i = 4; i < MANY; i++) {
        give(i, 'a');
        if (shares_total(shares) > 8) {
            shares_drop(shares, shares_oldest(shares, NULL));
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(shares_count(&things[i].share), 4);
    }
    assert_int_equal(shares_count(&things[MANY - 1].share), 4);
}

static void
test_one_holders_own(void **state)
{
    (void)state;
    give(0, 'v');
    give(1, 'a');
    give(2, 'v');
    assert_ptr_equal(shares_of(shares, STR("v")), &things[0].share);
    shares_touch(&things[0].share);
    assert_ptr_equal(shares_of(shares, STR("v")), &things[2].share);
    assert_null(shares_of(shares, STR("nobody")));
    shares_drop(shares, &things[1].share);
    assert_null(shares_of(shares, STR("a")));
}

/* Against counting. */
static unsigned
held(char holder, unsigned *oldest)
{
    unsigned n = 0;
    *oldest = 0;
    for (unsigned i = 0; i < MANY; i++) {
        const struct thing *t = &things[i];
        if (t->share.holder == NULL || t->holder != holder) {
            continue;
        }
        n++;
        *oldest = *oldest == 0 || t->used < *oldest ? t->used : *oldest;
    }
    return n;
}

static void
check(void)
{
    unsigned most = 0, oldest, when;
    struct share *e = shares_oldest(shares, NULL);
    for (char h = 'a'; h <= 'f'; h++) {
        unsigned n = held(h, &oldest);
        most = n > most ? n : most;
    }
    assert_int_equal(e != NULL ? shares_count(e) : 0, most);
    if (e != NULL) {
        held(thing_of(e)->holder, &when);
        assert_int_equal(when, thing_of(e)->used);
    }
}

static void
test_any_order(void **state)
{
    unsigned seed = 1;
    (void)state;
    for (unsigned k = 0; k < 4000; k++) {
        unsigned r = (unsigned)rand_r(&seed);
        unsigned i = r / 16 % MANY;
        if (r % 8 < 4) {
            give(i, (char)('a' + r / 8 % 6));
        } else if (r % 8 < 6) {
            shares_drop(shares, &things[i].share);
        } else if (things[i].share.holder != NULL) {
            shares_touch(&things[i].share);
            things[i].used = ++now;
        }
        check();
    }
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_the_largest_holders),
        test(test_those_that_may_not_go),
        test(test_a_flood),
        test(test_one_holders_own),
        test(test_any_order),
    };
    return cmocka_run_group_tests_name("shares", tests, NULL, NULL);
}
