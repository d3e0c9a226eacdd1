/*
 * See ledger_fixture.h.
 */

#include "ledger_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct ledger *ledger;
struct ledger_wakes wakes;

int
ledger_set_up(void **state)
{
    (void)state;
    ledger = ledger_new();
    assert_non_null(ledger);
    memset(&wakes, 0, sizeof wakes);
    return 0;
}

int
ledger_tear_down(void **state)
{
    (void)state;
    ledger_free(ledger);
    return 0;
}

struct ledger_record *
ledger_locked(unsigned index, uint64_t serial)
{
    struct ledger_record *r = ledger_lock(ledger, index, serial);
    assert_non_null(r);
    return r;
}

pid_t
ledger_spawn(void (*fn)(void))
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

void
ledger_kill_and_reap(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    ledger_reap(ledger, pid);
}
