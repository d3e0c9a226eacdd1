/*
 * Counts by row and in all, what a dead process had, and the bucket's
 * arithmetic, time turned back included.
 */

#include "ledger/ledger_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void
counts(void **state)
{
    (void)state;
    struct ledger_record r = { .reach = 4 };
    struct ledger_counted n = ledger_count_more(&r, 1, LEDGER_CONNECTIONS);
    assert_int_equal(n.all, 1);
    n = ledger_count_more(&r, 3, LEDGER_CONNECTIONS);
    assert_int_equal(n.all, 2);
    assert_int_equal(n.own, 1);
    n = ledger_count_more(&r, 3, LEDGER_REQUESTS);
    assert_int_equal(n.all, 1);
    ledger_count_less(&r, 3, LEDGER_CONNECTIONS);
    assert_int_equal(r.total.connections, 1);
    assert_int_equal(r.total.requests, 1);
    ledger_count_less(&r, 3, LEDGER_CONNECTIONS); /* it does not wrap */
    assert_int_equal(r.rows[3].connections, 0);
    assert_int_equal(r.total.connections, 0);
}

/* In a child: counts under a row of its own, and is killed. */
static void
count_and_die(struct ledger *l)
{
    AZ(ledger_claim(l));
    struct ledger_record *r = ledger_lock(l, 2, 7);
    AN(r != NULL);
    ledger_count_more(r, ledger_row(l), LEDGER_CONNECTIONS);
    ledger_count_more(r, ledger_row(l), LEDGER_REQUESTS);
    ledger_unlock(l, 2, NULL);
    _exit(0);
}

static void
the_dead_give_back(void **state)
{
    (void)state;
    struct ledger *l = ledger_new();
    assert_non_null(l);
    struct ledger_record *r = ledger_lock(l, 2, 7);
    ledger_count_more(r, ledger_row(l), LEDGER_REQUESTS);
    ledger_unlock(l, 2, NULL);
    pid_t pid = fork();
    if (pid == 0) {
        count_and_die(l);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(r->total.requests, 2);
    assert_int_equal(r->total.connections, 1);
    ledger_reap(l, pid);
    assert_int_equal(r->total.requests, 1);
    assert_int_equal(r->total.connections, 0);
    ledger_free(l);
}

/* By two tokens a second, at most three. */
static double
take(struct ledger_bucket *b, double now)
{
    struct ledger_rate r = { 2, 3, 0 };
    return ledger_bucket_take(b, &r, now);
}

static void
bucket(void **state)
{
    (void)state;
    struct ledger_bucket b = { 0 };
    assert_true(take(&b, 100) == 0);
    assert_true(take(&b, 100) == 0);
    assert_true(take(&b, 100) == 0);
    assert_true(take(&b, 100) == 0.5);
    assert_true(take(&b, 100.25) == 0.25);
    assert_true(take(&b, 100.5) == 0);
    assert_true(take(&b, 100.5) > 0);
    /* what was saved up is the burst and no more */
    for (int i = 0; i < 3; i++) {
        assert_true(take(&b, 1000) == 0);
    }
    assert_true(take(&b, 1000) > 0);
}

/* A worker that drains goes by its own rate; of the newer one's tokens it gives
 * none back, by a shorter burst or by a higher rate. */
static void
older_rate_only_takes(void **state)
{
    (void)state;
    struct ledger_bucket b = { 0 };
    struct ledger_rate older = { 100, 1, 7 }, newer = { 1, 8, 8 };
    assert_true(ledger_bucket_take(&b, &older, 100) == 0);
    for (int i = 0; i < 3; i++) {
        assert_true(ledger_bucket_take(&b, &newer, 100) == 0);
    }
    assert_true(ledger_bucket_take(&b, &older, 100) > 0);
    assert_true(ledger_bucket_take(&b, &older, 100.5) == 0);
    for (int i = 0; i < 3; i++) { /* 5 were taken, and half a one is back */
        assert_true(ledger_bucket_take(&b, &newer, 100.5) == 0);
    }
    assert_true(ledger_bucket_take(&b, &newer, 100.5) == 0.5);
}

static void
newer_rate_holds_at_once(void **state)
{
    (void)state;
    struct ledger_bucket b = { 0 };
    struct ledger_rate older = { 1, 5, 7 }, newer = { 10, 1, 8 };
    for (int i = 0; i < 5; i++) {
        assert_true(ledger_bucket_take(&b, &older, 100) == 0);
    }
    assert_true(ledger_bucket_take(&b, &newer, 100) == 0.1);
    assert_true(ledger_bucket_take(&b, &newer, 100.125) == 0);
}

static void
spoilt_bucket_heals(void **state)
{
    (void)state;
    struct ledger_rate r = { 1, 1, 0 }, two = { 1, 2, 0 };
    struct ledger_bucket later = { 0, 5000, 0 };
    assert_true(ledger_bucket_take(&later, &r, 100) == 0);
    assert_true(ledger_bucket_take(&later, &r, 101) == 0);
    struct ledger_bucket full = { 1e300, 0, 0 }, none = { 0.0 / 0.0, 100, 0 };
    assert_true(ledger_bucket_take(&full, &two, 100) <= 1);
    assert_true(ledger_bucket_take(&none, &two, 100) <= 1);
    assert_true(ledger_bucket_take(&full, &two, 101) == 0);
    struct ledger_bucket newest = { 1e300, 5000, UINT64_MAX };
    assert_true(ledger_bucket_take(&newest, &two, 100) <= 1);
    assert_true(ledger_bucket_take(&newest, &two, 101) == 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),
        cmocka_unit_test(the_dead_give_back),
        cmocka_unit_test(bucket),
        cmocka_unit_test(older_rate_only_takes),
        cmocka_unit_test(newer_rate_holds_at_once),
        cmocka_unit_test(spoilt_bucket_heals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
