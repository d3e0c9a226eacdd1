/*
 * A process may be killed between any two instructions: each change of a
 * record is stepped through, and after every single one the record is reaped
 * and judged as if that had been the last.
 */

#include "ledger/ledger_slot.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define VICTIM 2 /* the row of the one that dies; others: 1, 3, 4 */
#define SLOTS 2

static struct ledger_record *record; /* shared */
static const struct ledger_slot_limits limits = { SLOTS, 1, 100 };
static struct ledger_wakes wakes;

/* How many waiters each other row has, and in which order they came. */
static unsigned waiters[8];
static char before[64];

static int
setup(void **state)
{
    (void)state;
    record = mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(record, MAP_FAILED);
    record->reach = 5;
    memset(waiters, 0, sizeof waiters);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    return munmap(record, sizeof *record);
}

static void
take(const char *rows)
{
    for (; *rows != '\0'; rows++) {
        unsigned row = (unsigned)(*rows - '0');
        enum ledger_slot r = ledger_slot_take(record, row, &limits, &wakes);
        waiters[row] += r == LEDGER_SLOT_QUEUED;
    }
}

/* The list as row numbers, without the victim. */
static void
others(const struct ledger_record *r, char out[64])
{
    const uint64_t ends = r->ends[r->active];
    size_t n = 0;
    for (uint32_t i = (uint32_t)ends; i < ends >> 32; i++) {
        uint8_t row = r->lists[r->active][i];
        if (row != 0 && row != VICTIM) {
            out[n++] = (char)('0' + row);
        }
    }
    out[n] = '\0';
}

static unsigned
count(const char *s, char c)
{
    unsigned n = 0;
    for (; *s != '\0'; s++) {
        n += *s == c;
    }
    return n;
}

static bool
ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return m <= n && strcmp(s + n - m, end) == 0;
}

static void
judge(struct ledger_record *r)
{
    char list[64];
    unsigned used = 0, granted = 0;
    others(r, list);
    assert_true(ends_with(before, list));
    assert_int_equal(r->n_waiting, strlen(list));
    for (unsigned row = 1; row < 5; row++) {
        used += r->rows[row].used;
        granted += r->rows[row].granted;
        unsigned has = r->rows[row].granted + count(list, (char)('0' + row));
        assert_true(row == VICTIM || has == waiters[row]);
    }
    assert_int_equal(r->rows[VICTIM].used + r->rows[VICTIM].granted, 0);
    assert_int_equal(r->total.used, used);
    assert_int_equal(r->total.granted, granted);
    assert_true(used + granted <= SLOTS);
    assert_true(list[0] == '\0' || used + granted == ledger_slot_limit_of(r));
}

/* What reaping makes of the record as it lies there now. */
static void
reap_copy(void)
{
    static _Alignas(4096) struct ledger_record copy;
    memcpy(&copy, record, sizeof copy);
    bool was_held = (copy.lock.word & SHM_OWNERS_MAX) == VICTIM;
    if (was_held || ledger_record_is_used(&copy, VICTIM)) {
        ledger_record_return(&copy, VICTIM, &wakes);
    }
    judge(&copy);
}

/* In the child; between two stops is what is stepped through. */
static void
victim(void (*change)(void))
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
        _exit(77);
    }
    raise(SIGSTOP);
    if (!shm_lock(&record->lock, VICTIM, 1)) {
        _exit(1);
    }
    change();
    shm_unlock(&record->lock, VICTIM);
    raise(SIGSTOP);
    _exit(0);
}

/* Every `stride`-th instruction. */
static void
die_everywhere(void (*change)(void), unsigned stride)
{
    int status = 0;
    unsigned long n = 0;
    const char *preload = getenv("LD_PRELOAD");
    if (preload != NULL && strstr(preload, "vgpreload") != NULL) {
        skip(); /* its own instructions would be stepped through */
    }
    others(record, before);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        victim(change);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        skip(); /* no ptrace here */
    }
    do {
        assert_true(WIFSTOPPED(status));
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (n++ % stride == 0) {
            reap_copy();
        }
    } while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
    assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    reap_copy();
    assert_true(n > 20);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
take_one(void)
{
    take("2");
}

static void
give_one(void)
{
    ledger_slot_give(record, VICTIM, &wakes);
}

static void
collect(void)
{
    (void)!ledger_slot_collect(record, VICTIM);
}

static void
leave_second(void)
{
    ledger_slot_leave(record, VICTIM, 1);
}

static void
raise_the_limit(void)
{
    ledger_slot_limit(record, &limits, &wakes);
}

static void
test_taking(void **state)
{
    (void)state;
    die_everywhere(take_one, 1);
}

static void
test_queueing(void **state)
{
    (void)state;
    take("113431");
    die_everywhere(take_one, 1);
}

static void
test_giving(void **state)
{
    (void)state;
    take("123431");
    die_everywhere(give_one, 1);
}

static void
test_giving_to_itself(void **state)
{
    (void)state;
    take("12234");
    die_everywhere(give_one, 1);
}

static void
test_collecting(void **state)
{
    (void)state;
    take("112234");
    waiters[3] = waiters[4] = 1;
    ledger_slot_give(record, 1, &wakes);
    ledger_slot_give(record, 1, &wakes);
    die_everywhere(collect, 1);
}

static void
test_leaving(void **state)
{
    (void)state;
    take("113242324");
    die_everywhere(leave_second, 1);
}

/* Several are granted at once. */
static void
test_a_higher_limit(void **state)
{
    (void)state;
    record->limit = 1; /* as if there were no slot; two are, and three wait */
    record->lists[0][0] = 3, record->lists[0][1] = 4, record->lists[0][2] = 3;
    record->ends[0] = 3ull << 32;
    record->n_waiting = 3;
    waiters[3] = record->rows[3].asked = 2;
    waiters[4] = record->rows[4].asked = 1;
    die_everywhere(raise_the_limit, 1);
}

/* The list is full of gaps and is copied to the other. */
static void
test_moving_the_list(void **state)
{
    (void)state;
    take("1134");
    memset(record->lists[0], 0, LEDGER_LIST);
    uint8_t *end = record->lists[0] + LEDGER_LIST;
    end[-200] = end[-1] = 3;
    end[-100] = 4;
    record->ends[0] = (uint64_t)LEDGER_LIST << 32 | (LEDGER_LIST - 200);
    record->n_waiting = 3;
    record->rows[3].asked = ++waiters[3];
    die_everywhere(take_one, 7);
    assert_int_equal(record->active, 1);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_taking),
        T(test_queueing),
        T(test_giving),
        T(test_giving_to_itself),
        T(test_collecting),
        T(test_leaving),
        T(test_a_higher_limit),
        T(test_moving_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
