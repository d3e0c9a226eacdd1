/*
 * The ledger: rows, records, slots in their order, what the dead leave.
 */

#include "ledger/ledger_slot.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../os/child.h"

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

static struct ledger_record *
locked(unsigned index, uint64_t serial)
{
    struct ledger_record *r = ledger_lock(ledger, index, serial);
    assert_non_null(r);
    return r;
}

static enum ledger_slot
take(struct ledger_record *r, unsigned row, unsigned slots)
{
    r->reach = r->reach > row ? r->reach : row + 1;
    static uint32_t generation;
    struct ledger_slot_limits l = { slots, ++generation, 1000 };
    return ledger_slot_take(r, row, &l, &wakes);
}

/* Rows as they are written on the list. */
static void
assert_list(struct ledger_record *r, const char *rows)
{
    char text[64];
    size_t n = 0;
    uint64_t ends = r->ends[r->active];
    for (uint32_t i = (uint32_t)ends; i < ends >> 32; i++) {
        uint8_t row = r->lists[r->active][i];
        if (row != 0) {
            text[n++] = (char)('0' + row);
        }
    }
    text[n] = '\0';
    assert_string_equal(text, rows);
    assert_int_equal(r->n_waiting, n);
}

static void
test_its_file_is_sparse_and_says_what_it_is(void **state)
{
    (void)state;
    unsigned n;
    struct stat st;
    const int *fds = ledger_fds(ledger, &n);
    assert_int_equal(n, LEDGER_ROWS + 1);
    assert_int_equal(fstat(fds[LEDGER_ROWS], &st), 0);
    assert_true(
        (size_t)st.st_size > LEDGER_SEGMENT * sizeof(struct ledger_record));
    assert_int_equal(st.st_blocks * 512, 4096);
    locked(3, 7);
    ledger_unlock(ledger, 3, NULL);
    assert_int_equal(fstat(fds[LEDGER_ROWS], &st), 0);
    assert_int_equal(st.st_blocks * 512, 8192);
}

static void
test_it_is_opened_from_inherited_descriptors(void **state)
{
    (void)state;
    unsigned n;
    const int *fds = ledger_fds(ledger, &n);
    int copies[LEDGER_ROWS + 1];
    for (unsigned i = 0; i < n; i++) {
        copies[i] = dup(fds[i]);
        assert_true(copies[i] >= 0);
    }
    struct ledger_record *r = locked(5, 9);
    assert_int_equal(take(r, 1, 1), LEDGER_SLOT_TAKEN);
    ledger_unlock(ledger, 5, NULL);

    struct ledger *other = ledger_open(copies, n);
    assert_non_null(other);
    assert_int_equal(ledger_row(other), 0);
    assert_int_equal(ledger_claim(other), 0);
    assert_int_equal(ledger_row(other), 2);
    r = ledger_lock(other, 5, 9);
    assert_non_null(r);
    assert_int_equal(take(r, 2, 1), LEDGER_SLOT_QUEUED);
    ledger_unlock(other, 5, NULL);
    ledger_free(other);
}

static void
test_another_version_is_refused(void **state)
{
    (void)state;
    unsigned n;
    uint32_t version = 1;
    const int *fds = ledger_fds(ledger, &n);
    assert_int_equal(pwrite(fds[0], &version, 4, 4), 4);
    assert_null(ledger_open(fds, n));
    assert_int_equal(errno, EPROTO);
}

static void
test_a_record_is_one_sandboxs(void **state)
{
    (void)state;
    assert_null(ledger_lock(ledger, LEDGER_SEGMENT, 1));
    struct ledger_record *r = locked(0, 10);
    assert_int_equal(take(r, 1, 1), LEDGER_SLOT_TAKEN);
    assert_int_equal(take(r, 1, 1), LEDGER_SLOT_QUEUED);
    r->total.connections = r->rows[1].connections = 4;
    r->buckets[1].level = 3;
    ledger_unlock(ledger, 0, NULL);
    r = locked(0, 11); /* a newer one: from nothing */
    assert_list(r, "");
    assert_int_equal(r->total.connections + r->rows[1].connections, 0);
    assert_true(r->buckets[1].level == 0);
    assert_int_equal(take(r, 1, 1), LEDGER_SLOT_TAKEN);
    ledger_unlock(ledger, 0, NULL);
    assert_null(ledger_lock(ledger, 0, 10)); /* the older one is no more */
}

static void
test_slots_go_round_in_order(void **state)
{
    (void)state;
    struct ledger_record *r = locked(1, 1);
    assert_int_equal(take(r, 1, 2), LEDGER_SLOT_TAKEN);
    assert_int_equal(take(r, 2, 2), LEDGER_SLOT_TAKEN);
    assert_int_equal(take(r, 3, 2), LEDGER_SLOT_QUEUED);
    assert_int_equal(take(r, 1, 2), LEDGER_SLOT_QUEUED);
    assert_int_equal(take(r, 3, 2), LEDGER_SLOT_QUEUED);
    assert_list(r, "313");
    assert_int_equal(wakes.rows[0], 0);
    ledger_slot_give(r, 1, &wakes);
    assert_list(r, "13");
    assert_int_equal(wakes.rows[0], 1u << 3);
    assert_int_equal(r->total.used, 1);
    assert_int_equal(r->total.granted, 1);
    assert_int_equal(take(r, 2, 2), LEDGER_SLOT_QUEUED); /* no overtaking */
    assert_int_equal(ledger_slot_collect(r, 3), 1);
    assert_int_equal(ledger_slot_collect(r, 3), 0);
    assert_int_equal(r->rows[3].used, 1);
    ledger_slot_give(r, 2, &wakes);
    assert_list(r, "32");
    assert_int_equal(ledger_slot_collect(r, 1), 1);
    ledger_unlock(ledger, 1, NULL);
}

static void
test_a_waiter_leaves(void **state)
{
    (void)state;
    struct ledger_record *r = locked(1, 1);
    assert_int_equal(take(r, 1, 1), LEDGER_SLOT_TAKEN);
    for (const char *p = "12123"; *p != '\0'; p++) {
        assert_int_equal(take(r, (unsigned)(*p - '0'), 1), LEDGER_SLOT_QUEUED);
    }
    ledger_slot_leave(r, 1, 1);
    assert_list(r, "1223");
    ledger_slot_leave(r, 1, 1); /* there is none */
    assert_list(r, "1223");
    ledger_slot_leave(r, 1, 0);
    ledger_slot_leave(r, 2, 0);
    assert_list(r, "23");
    ledger_slot_give(r, 1, &wakes);
    assert_list(r, "3");
    assert_int_equal(ledger_slot_collect(r, 2), 1);
    ledger_unlock(ledger, 1, NULL);
}

static void
test_limits_change(void **state)
{
    (void)state;
    struct ledger_record *r = locked(1, 1);
    assert_int_equal(take(r, 1, 1), LEDGER_SLOT_TAKEN);
    assert_int_equal(take(r, 2, 1), LEDGER_SLOT_QUEUED);
    assert_int_equal(take(r, 3, 1), LEDGER_SLOT_QUEUED);
    assert_int_equal(take(r, 3, 3), LEDGER_SLOT_QUEUED); /* more: at once */
    assert_list(r, "3");
    assert_int_equal(wakes.rows[0], 1u << 2 | 1u << 3);
    assert_int_equal(take(r, 1, 1), LEDGER_SLOT_QUEUED); /* less: in time */
    assert_int_equal(ledger_slot_collect(r, 2), 1);
    assert_int_equal(ledger_slot_collect(r, 3), 1);
    ledger_slot_give(r, 1, &wakes);
    ledger_slot_give(r, 2, &wakes);
    assert_list(r, "31");
    ledger_slot_give(r, 3, &wakes);
    assert_list(r, "1");
    ledger_unlock(ledger, 1, NULL);
}

static unsigned
slots_after(
    struct ledger_record *r, unsigned row, unsigned slots, uint32_t generation)
{
    struct ledger_slot_limits l = { slots, generation, 0 };
    (void)!ledger_slot_take(r, row, &l, &wakes);
    return ledger_slot_limit_of(r);
}

static void
test_the_newest_limit_holds(void **state)
{
    (void)state;
    uint32_t first = ledger_generation(ledger);
    assert_int_equal(ledger_generation(ledger), first + 1);
    struct ledger_record *r = locked(1, 1);
    assert_int_equal(slots_after(r, 1, 3, first), 3);
    assert_int_equal(slots_after(r, 2, 2, first + 1), 2);
    assert_int_equal(slots_after(r, 1, 3, first), 2);
    struct ledger_slot_limits lower = { 1, first, 0 };
    ledger_slot_limit(r, &lower, &wakes);
    assert_int_equal(ledger_slot_limit_of(r), 2);
    assert_int_equal(slots_after(r, 1, 1, first + 1), 1); /* the last word */
    assert_int_equal(slots_after(r, 1, 5, first + 1), 5);
    struct ledger_slot_limits last = { LEDGER_SLOTS_MAX, LEDGER_REVISION_MAX,
        0 };
    ledger_slot_limit(r, &last, &wakes);
    assert_int_equal(ledger_slot_limit_of(r), LEDGER_SLOTS_MAX);
    ledger_slot_limit(r, &lower, &wakes);
    assert_int_equal(ledger_slot_limit_of(r), LEDGER_SLOTS_MAX);
    ledger_unlock(ledger, 1, NULL);
}

/* They wait no longer than until it is known, whoever learns of it. */
static void
test_a_higher_limit_is_the_waiters(void **state)
{
    (void)state;
    struct ledger_record *r = locked(1, 1);
    struct ledger_slot_limits l = { 1, 1, 9 };
    for (unsigned row = 1; row < 5; row++) {
        (void)!ledger_slot_take(r, row, &l, &wakes);
    }
    assert_list(r, "234");
    l = (struct ledger_slot_limits){ 3, 2, 0 };
    ledger_slot_limit(r, &l, &wakes);
    assert_list(r, "4");
    assert_int_equal(wakes.rows[0], 1 << 2 | 1 << 3);
    assert_int_equal(ledger_slot_collect(r, 3), 1);
    ledger_unlock(ledger, 1, NULL);
}

static void
test_the_queue_ends(void **state)
{
    (void)state;
    struct ledger_record *r = locked(1, 1);
    struct ledger_slot_limits l = { 1, 1, 2 };
    assert_int_equal(ledger_slot_take(r, 1, &l, &wakes), LEDGER_SLOT_TAKEN);
    assert_int_equal(ledger_slot_take(r, 1, &l, &wakes), LEDGER_SLOT_QUEUED);
    assert_int_equal(ledger_slot_take(r, 1, &l, &wakes), LEDGER_SLOT_QUEUED);
    assert_int_equal(ledger_slot_take(r, 1, &l, &wakes), LEDGER_SLOT_FULL);
    ledger_slot_leave(r, 1, 0);
    assert_int_equal(ledger_slot_take(r, 1, &l, &wakes), LEDGER_SLOT_QUEUED);
    l.queue = UINT32_MAX;
    for (unsigned i = 2; i < LEDGER_WAITERS_MAX; i++) {
        assert_int_equal(
            ledger_slot_take(r, 1, &l, &wakes), LEDGER_SLOT_QUEUED);
    }
    assert_int_equal(ledger_slot_take(r, 1, &l, &wakes), LEDGER_SLOT_FULL);
    ledger_unlock(ledger, 1, NULL);
}

/* Gaps behind one who waits long are closed when the list is full. */
static void
test_a_list_full_of_gaps_is_moved(void **state)
{
    (void)state;
    struct ledger_record *r = locked(1, 1);
    assert_int_equal(take(r, 1, 1), LEDGER_SLOT_TAKEN);
    assert_int_equal(take(r, 2, 1), LEDGER_SLOT_QUEUED);
    for (unsigned i = 0; i < 3 * LEDGER_LIST; i++) {
        assert_int_equal(take(r, 3, 1), LEDGER_SLOT_QUEUED);
        ledger_slot_leave(r, 3, 0);
    }
    assert_int_equal(take(r, 4, 1), LEDGER_SLOT_QUEUED);
    assert_list(r, "24");
    assert_int_equal(r->active, 1);
    ledger_slot_give(r, 1, &wakes);
    assert_int_equal(ledger_slot_collect(r, 2), 1);
    ledger_slot_give(r, 2, &wakes);
    assert_list(r, "");
    assert_true(r->ends[1] == 0);
    ledger_unlock(ledger, 1, NULL);
}

/* Whatever stands there, nothing is written or read beside it. */
static void
test_nonsense_harms_nobody_else(void **state)
{
    (void)state;
    struct ledger_record *r = locked(1, 1);
    struct ledger_record *next = locked(2, 1);
    r->active = 77;
    r->ends[1] = UINT64_MAX;
    r->n_waiting = 0;
    r->total.used = 5;
    r->reach = UINT32_MAX;
    assert_int_equal(take(r, 1, 3), LEDGER_SLOT_QUEUED);
    memset(r->rows, 0xff, sizeof r->rows);
    ledger_slot_give(r, 1, &wakes);
    ledger_slot_leave(r, 9, 0);
    ledger_record_return(r, 2, &wakes);
    r->active = 0;
    r->n_waiting = 0;
    memset(r->lists[0], 9, LEDGER_LIST);
    r->ends[0] = (uint64_t)LEDGER_LIST << 32;
    assert_int_equal(take(r, 1, 1), LEDGER_SLOT_FULL);
    assert_int_equal(next->n_waiting + next->total.used, 0);
    ledger_unlock(ledger, 1, NULL);
    ledger_unlock(ledger, 2, NULL);
}

/* A child with a row, which takes what it is told to and stays. */
static pid_t
spawn(void (*fn)(void))
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
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

static void
hold_three(void)
{
    struct ledger_record *r = ledger_lock(ledger, 4, 1);
    for (int i = 0; i < 3; i++) {
        take(r, ledger_row(ledger), 2);
    }
    r->rows[ledger_row(ledger)].connections = 5;
    r->total.connections += 5;
    ledger_unlock(ledger, 4, NULL);
}

static void
test_what_the_dead_held_comes_back(void **state)
{
    (void)state;
    pid_t pid = spawn(hold_three);
    struct ledger_record *r = locked(4, 1);
    assert_int_equal(take(r, 1, 2), LEDGER_SLOT_QUEUED);
    assert_list(r, "21");
    assert_int_equal(r->total.connections, 5);
    ledger_unlock(ledger, 4, NULL);
    kill_and_reap(pid);
    r = locked(4, 1);
    assert_list(r, "");
    assert_int_equal(ledger_slot_collect(r, 1), 1);
    assert_int_equal(r->total.used, 1);
    assert_int_equal(r->total.connections, 0);
    ledger_unlock(ledger, 4, NULL);
    pid = spawn(hold_three); /* and the row is free again */
    r = locked(4, 1);
    assert_int_equal(r->rows[2].used, 1);
    ledger_unlock(ledger, 4, NULL);
    kill_and_reap(pid);
}

/* The first store of a grant is made, the second is not. */
static void
die_in_the_middle(void)
{
    struct ledger_record *r = ledger_lock(ledger, 4, 1);
    take(r, 2, 1);
    take(r, 1, 1);
    take(r, 1, 1);
    take(r, 2, 1);
    r->rows[2].used = 0;
    r->rows[1].granted++;
}

static void
test_a_lock_of_the_dead_is_taken_over(void **state)
{
    (void)state;
    pid_t pid = spawn(die_in_the_middle);
    kill_and_reap(pid);
    struct ledger_record *r = locked(4, 1);
    assert_list(r, "1"); /* the entry was there still: no grant was made */
    assert_int_equal(r->total.granted, 1);
    assert_int_equal(r->total.used, 0);
    assert_int_equal(ledger_slot_collect(r, 1), 1);
    ledger_slot_give(r, 1, &wakes);
    assert_int_equal(ledger_slot_collect(r, 1), 1);
    ledger_slot_give(r, 1, &wakes);
    assert_list(r, "");
    assert_int_equal(r->total.asked, 0);
    assert_int_equal(r->total.used + r->total.granted, 0);
    ledger_unlock(ledger, 4, NULL);
}

static void
lock_it(void)
{
    assert_non_null(ledger_lock(ledger, 4, 1));
}

/* One that was stopped in the middle holds up no reaping; what could not be
 * returned is with the next. */
static void
test_a_reaping_does_not_wait(void **state)
{
    (void)state;
    pid_t other = spawn(hold_three), stopped = spawn(lock_it);
    kill_and_reap(other);
    assert_int_equal(kill(stopped, 0), 0);
    kill_and_reap(stopped);
    struct ledger_record *r = locked(4, 1);
    assert_int_equal(r->total.used, 0);
    assert_int_equal(r->total.connections, 0);
    ledger_unlock(ledger, 4, NULL);
}

static void
claim_again(void)
{
    for (unsigned i = 3; i < LEDGER_ROWS; i++) {
        if (ledger_claim(ledger) != 0 || ledger_row(ledger) != i) {
            _exit(2);
        }
    }
    if (ledger_claim(ledger) == 0) {
        _exit(3);
    }
}

/* A file's header that a worker has overwritten leads nobody beyond it. */
static void
test_its_size_is_known_beforehand(void **state)
{
    (void)state;
    unsigned n;
    uint32_t many = UINT32_MAX;
    const int *fds = ledger_fds(ledger, &n);
    pid_t pid = spawn(hold_three);
    off_t n_records = 20;
    assert_int_equal(
        pwrite(fds[LEDGER_ROWS], &many, sizeof many, n_records), sizeof many);
    assert_null(ledger_lock(ledger, LEDGER_SEGMENT, 1));
    kill_and_reap(pid);
    assert_null(ledger_open(fds, n));
}

/* What one master could not return yet is not another's to return. */
static void
test_two_masters(void **state)
{
    (void)state;
    unsigned n;
    const int *fds = ledger_fds(ledger, &n);
    int copies[LEDGER_ROWS + 1];
    for (unsigned i = 0; i < n; i++) {
        copies[i] = dup(fds[i]);
    }
    struct ledger *other = ledger_open(copies, n);
    assert_non_null(other);
    assert_int_equal(ledger_claim(other), 0);
    pid_t holder = spawn(hold_three), stopped = spawn(lock_it);
    kill_and_reap(holder);
    assert_int_equal(kill(stopped, SIGKILL), 0);
    assert_int_equal(waitpid(stopped, NULL, 0), stopped);
    ledger_reap(other, stopped);
    struct ledger_record *r = locked(4, 1);
    assert_int_equal(r->total.connections, 5);
    ledger_unlock(ledger, 4, NULL);
    ledger_reap(ledger, holder);
    r = locked(4, 1);
    assert_int_equal(r->total.connections, 0);
    ledger_unlock(ledger, 4, NULL);
    ledger_free(other);
}

static void
test_rows_come_to_an_end(void **state)
{
    (void)state;
    pid_t pid = spawn(claim_again);
    kill_and_reap(pid);
    assert_int_equal(ledger_claim(ledger), 0);
    assert_int_equal(ledger_row(ledger), 2);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_its_file_is_sparse_and_says_what_it_is),
        T(test_it_is_opened_from_inherited_descriptors),
        T(test_another_version_is_refused),
        T(test_a_record_is_one_sandboxs),
        T(test_slots_go_round_in_order),
        T(test_a_waiter_leaves),
        T(test_limits_change),
        T(test_the_newest_limit_holds),
        T(test_a_higher_limit_is_the_waiters),
        T(test_the_queue_ends),
        T(test_a_list_full_of_gaps_is_moved),
        T(test_nonsense_harms_nobody_else),
        T(test_what_the_dead_held_comes_back),
        T(test_a_lock_of_the_dead_is_taken_over),
        T(test_a_reaping_does_not_wait),
        T(test_its_size_is_known_beforehand),
        T(test_two_masters),
        T(test_rows_come_to_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
