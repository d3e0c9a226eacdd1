/*
 * When what is held may go, by a clock that the test turns.
 */

#include "redact/hold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct hold h;
static double now;

static void
begin(double limit)
{
    now = 1000;
    hold_init(&h, limit);
}

/* The origin is waited for so long; or the sandbox does not read meanwhile. */
static void
wait_for(double seconds)
{
    hold_wait(&h, now);
    now += seconds;
}

static void
stall(double seconds)
{
    now += seconds;
}

static bool
feed(size_t n, size_t held)
{
    hold_feed(&h, now, n, held);
    return hold_is_over(&h);
}

static void
without_a_byte(void **state)
{
    (void)state;
    begin(0.125);
    assert_false(feed(10, 5));
    assert_true(hold_wait(&h, now) == now + 0.125);
    wait_for(0.0625);
    assert_false(feed(0, 5)); /* woken by something else */
    assert_true(hold_wait(&h, now) == now + 0.0625);
    wait_for(0.0625);
    assert_true(feed(0, 5));
    assert_false(feed(1, 6)); /* the run goes on: it is held again */
    wait_for(0.125);
    assert_true(feed(0, 6));
}

/* A byte makes the time without one begin anew. */
static void
with_bytes(void **state)
{
    (void)state;
    begin(0.125);
    assert_false(feed(3, 3));
    for (size_t i = 0; i < 5; i++) {
        wait_for(0.0625);
        assert_false(feed(1, 4 + i));
    }
    wait_for(0.0625);
    assert_false(feed(0, 8));
    wait_for(0.0625);
    assert_true(feed(0, 8));
}

/* A second of waiting since the run began, however it trickles; then no byte
 * of the run is held any more. */
static void
one_run(void **state)
{
    size_t n = 1;
    (void)state;
    begin(0.125);
    assert_false(feed(5, 1));
    while (n < 16) {
        wait_for(0.0625);
        n++;
        assert_false(feed(1, n));
    }
    assert_true(hold_wait(&h, now) == now + 0.0625);
    wait_for(0.0625);
    assert_true(feed(1, 17));
    assert_true(feed(1, 18));
    assert_true(feed(9, 16)); /* of one that has no end the last are held */
    assert_false(feed(2, 1)); /* another run */
    assert_true(hold_wait(&h, now) == now + 0.125);
}

static void
nothing_open(void **state)
{
    (void)state;
    begin(0.125);
    for (int i = 0; i < 100; i++) {
        wait_for(0.0625);
        assert_false(feed(10, 0));
        assert_false(feed(10, 4));
    }
}

static void
who_does_not_read(void **state)
{
    (void)state;
    begin(0.125);
    assert_false(feed(10, 5));
    stall(1000);
    assert_false(feed(0, 5));
    stall(1000);
    assert_false(feed(1, 6));
    wait_for(0.0625);
    assert_false(feed(0, 6));
    stall(1000);
    assert_false(feed(0, 6));
    wait_for(0.0625);
    assert_true(feed(0, 6));
}

/* A limit beyond a second is one for the run, too; none holds nothing. */
static void
limits(void **state)
{
    (void)state;
    begin(60);
    assert_false(feed(10, 5));
    for (size_t i = 0; i < 59; i++) {
        wait_for(1);
        assert_false(feed(1, 6 + i));
    }
    wait_for(1);
    assert_true(feed(1, 65));
    begin(0);
    assert_true(feed(10, 5));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_byte),
        cmocka_unit_test(with_bytes),
        cmocka_unit_test(one_run),
        cmocka_unit_test(nothing_open),
        cmocka_unit_test(who_does_not_read),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}
