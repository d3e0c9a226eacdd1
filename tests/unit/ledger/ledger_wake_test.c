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
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct ledger *ledger;
static struct ledger_wakes wakes;

static int
setup(void **state)
{
    (void)state;
    ledger = ledger_new();
    assert_non_null(ledger);
    memset(&wakes, 0, sizeof wakes);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    ledger_free(ledger);
    return 0;
}

/* A child with a row, which does what it is told to and stays. */
static pid_t
spawn(void (*fn)(void))
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (ledger_claim(ledger) == 0) {
            fn();
            (void)!write(ready[1], "", 1);
            pause();
        }
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static void
kill_and_reap(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    ledger_reap(ledger, pid);
}

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
    pid_t hostile = spawn(block_wake_fd), other = spawn(nothing);
    alarm(60);
    kill_and_reap(other);
    kill_and_reap(hostile);
    alarm(0);
}

static void
test_others_are_woken(void **state)
{
    (void)state;
    assert_false(is_woken(ledger));
    pid_t pid = spawn(wake_one), more = spawn(nothing);
    assert_true(is_woken(ledger));
    kill_and_reap(pid);
    kill_and_reap(more);
    ledger_reap(ledger, more); /* known no more */
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_others_are_woken),
        T(test_nobody_waits_to_wake_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
