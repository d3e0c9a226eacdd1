#pragma once

/*
 * The ledger counts, for each sandbox, what all workers of all generations use
 * together. It is memory files, which the master makes and every later process
 * inherits: a base for the processes, and segments, each with the records of
 * LEDGER_SEGMENT sandboxes. A record belongs to one sandbox, a row to one
 * process, and in each record every row has a share: what that process has of
 * that sandbox. When a process dies, its shares say what has to be given back.
 *
 * A record is found by its sandbox's index. It has 24,576 bytes of address
 * space and takes the pages that are touched: 4,096 bytes for a sandbox that
 * is used, as long as rows below 160 use it, and 4,096 more for one whose
 * requests have waited for slots. The end of the sandbox gives them back.
 *
 * Who calls what, and when:
 * - the master calls ledger_new() at its start, ledger_new_revision() for
 *   each configuration that is to serve, ledger_grow() before an index beyond
 *   the last segment is used, ledger_reap() for each worker whose end it has
 *   waited for, and ledger_forget() for a sandbox that has ended;
 * - after the fork a worker calls ledger_claim(), and ledger_extend() with
 *   segments that are made later; every other child calls ledger_free();
 * - a worker calls ledger_lock() before it changes a record and
 *   ledger_unlock() after it, with no call in between that could block.
 *
 * To count one more thing for each process, add a field to struct ledger_share
 * and to the sum in ledger_slot.c. To limit one more rate, use a free bucket
 * of the record. A new sandbox starts with zeroes in both.
 *
 * Invariants and locks are listed at the head of ledger.c (rows, records) and
 * of ledger_slot.c (slots and those who wait for them).
 */

#include <stdatomic.h>
#include <sys/types.h>

#include "base/obj.h"
#include "os/shm.h"

/* No process has row 0, so that a zero in a list means "no entry". */
#define LEDGER_ROWS 256
#define LEDGER_WORKERS_MAX (LEDGER_ROWS - 2) /* the master has a row, too */
#define LEDGER_BUCKETS 4     /* LEDGER_RATE is in use, the others are free */
#define LEDGER_RATE 0        /* the bucket of requests */
#define LEDGER_LIST 8192     /* entries of a list of waiters */
#define LEDGER_PENDING 4096  /* bits of a row's pending set */
#define LEDGER_SEGMENT 4096u /* records of a segment */
#define LEDGER_SEGMENTS_MAX 256u /* at most so many */

/* What one process has of one sandbox: counts. While the process lives, others
 * write `granted` alone. */
struct ledger_share {
    uint32_t used;        /* header slots that it holds */
    uint32_t asked;       /* its waiters: entries in the list, and granted */
    uint32_t granted;     /* slots given to its waiters, not yet collected */
    uint32_t connections; /* of clients */
    uint32_t requests;    /* in progress */
    uint32_t unused;
};

/* A token bucket: its level, the time of that level by clock_mono(), which is
 * the same in all processes, and the revision of the rate that it went by. */
struct ledger_bucket {
    double level, at;
    uint64_t revision;
};

/* All of it is read and written under `lock`, except where a comment says
 * otherwise. A list holds those who wait for a slot, the longest waiter first:
 * a row has one entry (its number) for each of its waiters; 0 is an entry that
 * was taken out. One of the two lists is in use: when it is full, its entries
 * are copied to the other one, without the zeroes. */
struct ledger_record {
    struct shm_lock lock;      /* held by a row */
    _Atomic uint32_t reach;    /* every row that has a share is below this */
    uint32_t n_waiting;        /* entries of the list in use, without zeroes */
    uint64_t serial;           /* of its sandbox; 0: no sandbox had it yet */
    _Atomic uint64_t limit;    /* of header slots, and the revision that set
                                  it: ledger_slot.c */
    struct ledger_share total; /* the sum of `rows` */
    struct ledger_bucket buckets[LEDGER_BUCKETS];
    _Atomic uint32_t active;  /* the list in use: 0 or 1 */
    _Atomic uint64_t ends[2]; /* for each list: the index of its first entry;
                                 in the upper half, of the end */
    uint64_t spare[6];
    struct ledger_share rows[LEDGER_ROWS];
    _Alignas(4096) uint8_t lists[2][LEDGER_LIST];
};

struct ledger;

/* A new ledger with one segment, in which the caller has a row. NULL with
 * errno. */
must_check struct ledger *ledger_new(void);

/* Opens a ledger by inherited descriptors, in the order of ledger_fds(). The
 * caller has no row yet. NULL with errno; EPROTO: a file's header is not what
 * this program would write. */
must_check struct ledger *ledger_open(const int *fds, unsigned n);

/* Unmaps the files and closes this process's copies of the descriptors. */
void ledger_free(struct ledger *l);

/* One segment more. *fd is lent, to be sent to processes that run and that have
 * all segments before it: ledger_extend(). -1 with errno. */
must_check int ledger_grow(struct ledger *l, int *fd);

/* One segment more, of which it takes the descriptor unless it fails. -1 with
 * errno; EPROTO: `number`, counted from 0, is not the next one. */
must_check int ledger_extend(struct ledger *l, uint64_t number, int fd);

unsigned ledger_segments(const struct ledger *l); /* how many there are */

/* The base, then the bell (os/sock.h) of row 1, 2 and so on, then the segments.
 * They stay open in a process that counts, and pass through an exec. */
const int *ledger_fds(const struct ledger *l, unsigned *n);

#define LEDGER_REVISION_MAX ((1ull << 44) - 1)

/* The next number of the one order in which policies and limits change, higher
 * than all before: from 1 to LEDGER_REVISION_MAX. */
must_check uint64_t ledger_new_revision(struct ledger *l);

/* Takes a row for this process. -1: all are taken. */
must_check int ledger_claim(struct ledger *l);

/* This process's row; 0: it has none. */
unsigned ledger_row(const struct ledger *l);

/* A descriptor that is readable when this row has something pending. */
int ledger_wake_fd(const struct ledger *l);

/* The records in which a row was granted something: bit I stands for every
 * record whose index modulo LEDGER_PENDING is I. */
struct ledger_pending {
    uint64_t bits[LEDGER_PENDING / 64];
};

/* Moves this row's pending set to `pending`. After a process died all bits are
 * set, as nobody knows which bits that process did not come to set. */
void ledger_take_pending(struct ledger *l, struct ledger_pending *pending);

/* For a child of the caller that has ended and was waited for: gives back what
 * it held and wakes all other rows. Without a row of that pid nothing
 * happens. */
void ledger_reap(struct ledger *l, pid_t pid);

/* Whether that record was ever locked. */
bool ledger_is_touched(const struct ledger *l, unsigned index);

/* The record of a sandbox, locked. A record that an older serial had is cleared
 * first. NULL: a newer serial has it, or there is no such index. */
must_check struct ledger_record *ledger_lock(
    struct ledger *l, unsigned index, uint64_t serial);

/* A set of rows to wake. The caller's own row in it is not woken. */
struct ledger_wakes {
    uint64_t rows[LEDGER_ROWS / 64];
};

/* Unlocks the record of that index, then wakes `wakes`; NULL: nobody. */
void ledger_unlock(
    struct ledger *l, unsigned index, const struct ledger_wakes *wakes);

/* The sandbox of that index has ended, and no process locks the record for it
 * any more: its memory goes back to the kernel. */
void ledger_forget(struct ledger *l, unsigned index);
