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

static void
bucket(void **state)
{
    (void)state;
    struct ledger_bucket b = { 0 };
    assert_true(ledger_bucket_take(&b, 2, 3, 100) == 0);
    assert_true(ledger_bucket_take(&b, 2, 3, 100) == 0);
    assert_true(ledger_bucket_take(&b, 2, 3, 100) == 0);
    assert_true(ledger_bucket_take(&b, 2, 3, 100) == 0.5);
    assert_true(ledger_bucket_take(&b, 2, 3, 100.25) == 0.25);
    assert_true(ledger_bucket_take(&b, 2, 3, 100.5) == 0);
    assert_true(ledger_bucket_take(&b, 2, 3, 100.5) > 0);
    /* what was saved up is the burst and no more */
    for (int i = 0; i < 3; i++) {
        assert_true(ledger_bucket_take(&b, 2, 3, 1000) == 0);
    }
    assert_true(ledger_bucket_take(&b, 2, 3, 1000) > 0);
}

static void
spoilt_bucket_heals(void **state)
{
    (void)state;
    struct ledger_bucket later = { 0, 5000 };
    assert_true(ledger_bucket_take(&later, 1, 1, 100) == 0);
    assert_true(ledger_bucket_take(&later, 1, 1, 101) == 0);
    struct ledger_bucket full = { 1e300, 0 }, none = { 0.0 / 0.0, 100 };
    assert_true(ledger_bucket_take(&full, 1, 2, 100) <= 1);
    assert_true(ledger_bucket_take(&none, 1, 2, 100) <= 1);
    assert_true(ledger_bucket_take(&full, 1, 2, 101) == 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),
        cmocka_unit_test(the_dead_give_back),
        cmocka_unit_test(bucket),
        cmocka_unit_test(spoilt_bucket_heals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
