/*
 * The ledger's segments: it grows as it is used, and what the sandboxes that
 * have ended took of it goes back to the kernel.
 */

#include "ledger/ledger_slot.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../os/fds.h"

static struct ledger *ledger;

static int
setup(void **state)
{
    (void)state;
    ledger = ledger_new();
    assert_non_null(ledger);
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

/* One of one slot. */
static enum ledger_slot
take(struct ledger_record *r, unsigned row)
{
    struct ledger_slot_limits l = { 1, 1, 1000 };
    struct ledger_wakes wakes = { { 0 } };
    return ledger_slot_take(r, row, &l, &wakes);
}

static size_t
bytes_of(unsigned segment)
{
    unsigned n;
    struct stat st;
    const int *fds = ledger_fds(ledger, &n);
    assert_int_equal(fstat(fds[LEDGER_ROWS + segment], &st), 0);
    return (size_t)st.st_blocks * 512;
}

/* An opened copy, with a row. */
static struct ledger *
another(void)
{
    unsigned n;
    const int *fds = ledger_fds(ledger, &n);
    int copies[LEDGER_ROWS + LEDGER_SEGMENTS_MAX];
    for (unsigned i = 0; i < n; i++) {
        copies[i] = dup(fds[i]);
    }
    struct ledger *l = ledger_open(copies, n);
    assert_non_null(l);
    assert_int_equal(ledger_claim(l), 0);
    return l;
}

/* A process that runs has the records of a new segment once it is told. */
static void
test_it_grows(void **state)
{
    (void)state;
    int fd;
    struct ledger *old = another();
    const unsigned index = LEDGER_SEGMENT + 4;
    assert_null(ledger_lock(ledger, index, 1));
    assert_int_equal(ledger_grow(ledger, &fd), 0);
    assert_int_equal(ledger_segments(ledger), 2);
    struct ledger_record *r = locked(index, 1);
    r->spare[0] = 77;
    ledger_unlock(ledger, index, NULL);
    assert_null(ledger_lock(old, index, 1));
    assert_false(ledger_is_touched(old, index));
    assert_int_equal(ledger_extend(old, 2, fd), -1); /* not the next */
    assert_int_equal(errno, EPROTO);
    assert_int_equal(ledger_extend(old, 1, dup(fd)), 0);
    assert_true(ledger_is_touched(old, index));
    r = ledger_lock(old, index, 1);
    assert_int_equal(r->spare[0], 77);
    ledger_unlock(old, index, NULL);
    struct ledger *successor = another();
    assert_int_equal(ledger_segments(successor), 2);
    assert_true(ledger_is_touched(successor, index));
    ledger_free(successor);
    ledger_free(old);
}

static void
test_segments_in_another_order_are_refused(void **state)
{
    (void)state;
    int fd, fds[LEDGER_ROWS + 2];
    unsigned n;
    assert_int_equal(ledger_grow(ledger, &fd), 0);
    memcpy(fds, ledger_fds(ledger, &n), sizeof fds);
    assert_int_equal(n, LEN(fds));
    fds[LEDGER_ROWS + 1] = fds[LEDGER_ROWS];
    assert_null(ledger_open(fds, n));
    assert_int_equal(errno, EPROTO);
    fds[LEDGER_ROWS] = fds[0];
    assert_null(ledger_open(fds, n));
    assert_int_equal(errno, EPROTO);
}

static void
test_it_grows_to_an_end(void **state)
{
    (void)state;
    int fd;
    for (unsigned i = 1; i < LEDGER_SEGMENTS_MAX; i++) {
        assert_int_equal(ledger_grow(ledger, &fd), 0);
    }
    assert_int_equal(ledger_grow(ledger, &fd), -1);
    assert_int_equal(errno, ENOSPC);
    unsigned last = LEDGER_SEGMENT * LEDGER_SEGMENTS_MAX - 1;
    locked(last, 1);
    ledger_unlock(ledger, last, NULL);
    assert_null(ledger_lock(ledger, last + 1, 1));
    assert_null(ledger_lock(ledger, UINT32_MAX, 1));
}

/* What the ended had, its waiters' pages too, is given back; who has the index
 * next begins from nothing. */
static void
test_an_end_gives_the_memory_back(void **state)
{
    (void)state;
    size_t before = bytes_of(0);
    unsigned fds = fds_open();
    for (uint64_t serial = 1; serial <= 100000; serial++) {
        unsigned index = (unsigned)serial % 7;
        struct ledger_record *r = locked(index, serial);
        assert_int_equal(r->total.connections, 0);
        r->total.connections = 5;
        (void)!take(r, 1);
        (void)!take(r, 1);
        ledger_unlock(ledger, index, NULL);
        assert_true(serial % 1000 != 0 || bytes_of(0) > before);
        ledger_forget(ledger, index);
        assert_false(ledger_is_touched(ledger, index));
    }
    assert_int_equal(bytes_of(0), before);
    ledger_forget(ledger, 8); /* that nobody ever used */
    assert_int_equal(bytes_of(0), before);
    assert_int_equal(fds_open(), fds);
}

/* Its neighbours are not concerned. */
static void
test_an_end_beside_others(void **state)
{
    (void)state;
    for (unsigned i = 3; i < 6; i++) {
        struct ledger_record *r = locked(i, 1);
        assert_int_equal(take(r, 1), LEDGER_SLOT_TAKEN);
        assert_int_equal(take(r, 1), LEDGER_SLOT_QUEUED);
        ledger_unlock(ledger, i, NULL);
    }
    ledger_forget(ledger, 4);
    for (unsigned i = 3; i < 6; i++) {
        struct ledger_record *r = locked(i, 1);
        assert_int_equal(r->n_waiting, i != 4);
        assert_int_equal(r->total.used, i != 4);
        ledger_unlock(ledger, i, NULL);
    }
}

static void
test_what_the_dead_held_in_any_segment(void **state)
{
    static const unsigned at[] = { 4, 2 * LEDGER_SEGMENT - 1 };
    (void)state;
    int fd, status;
    assert_int_equal(ledger_grow(ledger, &fd), 0);
    pid_t pid = fork();
    if (pid == 0) {
        AZ(ledger_claim(ledger));
        for (unsigned i = 0; i < LEN(at); i++) {
            struct ledger_record *r = ledger_lock(ledger, at[i], 1);
            AN(r != NULL && take(r, ledger_row(ledger)) == LEDGER_SLOT_TAKEN);
            ledger_unlock(ledger, at[i], NULL);
        }
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    for (unsigned i = 0; i < 2 * LEN(at); i++) {
        struct ledger_record *r = locked(at[i % LEN(at)], 1);
        assert_int_equal(r->total.used, i < LEN(at));
        ledger_unlock(ledger, at[i % LEN(at)], NULL);
        if (i + 1 == LEN(at)) {
            ledger_reap(ledger, pid);
        }
    }
}

/* What a worker that was taken over has written there leads nobody anywhere. */
static void
test_a_new_segment_that_was_written_to(void **state)
{
    (void)state;
    int fd;
    char junk[4096];
    struct ledger *old = another();
    memset(junk, 0xff, sizeof junk);
    assert_int_equal(ledger_grow(ledger, &fd), 0);
    assert_int_equal(pwrite(fd, junk, sizeof junk, 0), sizeof junk);
    assert_int_equal(ftruncate(fd, 4096), -1);
    assert_int_equal(ledger_extend(old, 1, dup(fd)), 0);
    assert_non_null(ledger_lock(old, LEDGER_SEGMENT, 1));
    ledger_unlock(old, LEDGER_SEGMENT, NULL);
    ledger_free(old);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_it_grows),
        T(test_segments_in_another_order_are_refused),
        T(test_it_grows_to_an_end),
        T(test_an_end_gives_the_memory_back),
        T(test_an_end_beside_others),
        T(test_what_the_dead_held_in_any_segment),
        T(test_a_new_segment_that_was_written_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
