/*
 * How one process tells another that there is something for it: a descriptor
 * that all have, whatever one of them does to it.
 */

#include "ledger/ledger.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ledger_fixture.h"

static bool
is_woken(const struct ledger *l)
{
    struct pollfd p = { ledger_wake_fd(l), POLLIN, 0 };
    return poll(&p, 1, 0) == 1;
}

static void
wake_one(void)
{
    AN(ledger_lock(ledger, 4, 1) != NULL);
    wakes.rows[0] = 1u << 1 | 1u << ledger_row(ledger);
    ledger_unlock(ledger, 4, &wakes);
    if (is_woken(ledger)) {
        _exit(2);
    }
}

static void
nothing(void)
{
}

/* As a worker that was taken over may leave it: full, and such that a write
 * waits. */
static void
block_wake_fd(void)
{
    uint64_t many = UINT64_MAX - 1;
    int fd = ledger_wake_fd(ledger);
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        _exit(2);
    }
    while (write(fd, &many, sizeof many) > 0) {
    }
    if (fcntl(fd, F_SETFL, 0) != 0) {
        _exit(2);
    }
}

/* The alarm ends a test that hangs. */
static void
test_nobody_waits_to_wake_another(void **state)
{
    (void)state;
    pid_t hostile = ledger_spawn(block_wake_fd), other = ledger_spawn(nothing);
    alarm(60);
    ledger_kill_and_reap(other);
    ledger_kill_and_reap(hostile);
    alarm(0);
}

static void
test_others_are_woken(void **state)
{
    (void)state;
    assert_false(is_woken(ledger));
    pid_t pid = ledger_spawn(wake_one), more = ledger_spawn(nothing);
    assert_true(is_woken(ledger));
    ledger_kill_and_reap(pid);
    ledger_kill_and_reap(more);
    ledger_reap(ledger, more); /* known no more */
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, ledger_set_up, ledger_tear_down)
    const struct CMUnitTest tests[] = {
        T(test_others_are_woken),
        T(test_nobody_waits_to_wake_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
