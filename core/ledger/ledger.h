#pragma once

/*
 * What all workers of all generations count together, for each sandbox: a
 * memory file that the master makes once and hands down with a bell (os/sock.h)
 * for each row. A row is one process's; a record is one sandbox's, by its
 * index, and has a share for each row. The rows are the truth: what a dead
 * process had is its shares, and the totals are their sum.
 *
 * To count one more thing by process: a field of struct ledger_share, which is
 * summed, recounted and returned with the rest. To limit one more rate: one of
 * the record's buckets. Both are read and written between ledger_lock() and
 * ledger_unlock() and nowhere else, and neither needs a word in this file:
 * zeroes are the start of a new sandbox.
 *
 * Who calls what, when:
 * - the master: ledger_new() at its start, ledger_generation() for each
 *   configuration that is to serve, ledger_reap() for each worker that
 *   it has reaped;
 * - after the fork: in a worker ledger_claim(), elsewhere ledger_free();
 * - a worker: ledger_lock() … ledger_unlock() around each change of a record,
 *   without a call that could block in between.
 */

#include <stdatomic.h>
#include <sys/types.h>

#include "base/obj.h"
#include "os/shm.h"

/* Row 0 is nobody's: a zero in a list is no entry. */
#define LEDGER_ROWS 256
#define LEDGER_WORKERS_MAX (LEDGER_ROWS - 2) /* beside the master's row */
#define LEDGER_BUCKETS 4                     /* LEDGER_RATE, and room */
#define LEDGER_RATE 0                        /* of requests */
#define LEDGER_LIST 8192
#define LEDGER_PENDING 4096 /* bits of a row's mail */

/* What one process has of one sandbox; counts alone. But for `granted` no other
 * process writes it while that one lives. */
struct ledger_share {
    uint32_t used;    /* header slots */
    uint32_t asked;   /* waiters for one, those that were granted one too */
    uint32_t granted; /* of them, what the process has not learnt of; follows
                         from `asked` and its entries in the list */
    uint32_t connections; /* of clients */
    uint32_t requests;    /* in progress */
    uint32_t unused;
};

/* A token bucket: what was in it, and when; clock_mono() is the same in all
 * processes. */
struct ledger_bucket {
    double level, at;
};

/* Who waits for a slot, the longest first: row numbers, each by as many
 * entries as it has waiters; 0 is an entry that was taken out. Of two lists
 * one is in use: a full one is copied to the other without its gaps. Each
 * change is one last store, so a list is whole whenever its writer dies. */
struct ledger_record {
    struct shm_lock lock;   /* held by a row */
    _Atomic uint32_t reach; /* rows below it have a share, others none */
    uint32_t n_waiting;
    uint64_t serial;        /* whose it is; 0: no sandbox's yet */
    _Atomic uint64_t limit; /* header slots that it may have, and in the upper
                               half the generation that says so */
    struct ledger_share total;
    struct ledger_bucket buckets[LEDGER_BUCKETS];
    _Atomic uint32_t active;  /* the list in use: 0 or 1 */
    _Atomic uint64_t ends[2]; /* of each: the first entry, and behind the last
                                 in the upper half */
    uint64_t spare[10];
    struct ledger_share rows[LEDGER_ROWS];
    _Alignas(4096) uint8_t lists[2][LEDGER_LIST];
};

struct ledger;

/* A ledger for `records` sandboxes, sparse: what is not touched takes no
 * memory. The caller has a row in it. NULL with errno. */
must_check struct ledger *ledger_new(unsigned records);

/* The same from descriptors that were inherited, in ledger_fds()'s order. NULL
 * with errno; EPROTO: its header is not as this program would write it. */
must_check struct ledger *ledger_open(const int *fds, unsigned n);

/* Unmaps, and closes the descriptors: they are this process's copies. */
void ledger_free(struct ledger *l);

/* The memory file, then the bells of rows 1, 2, …: what has to stay open
 * in a process that counts, and to be passed through an exec. */
const int *ledger_fds(const struct ledger *l, unsigned *n);

/* A number for a generation of the configuration, above all that were before:
 * what it says holds over what they did. */
uint32_t ledger_generation(struct ledger *l);

/* A row for the process that runs. -1 when all are taken. */
must_check int ledger_claim(struct ledger *l);

/* Of this process; 0: it has none. The descriptor is readable when others
 * have given this row something. */
unsigned ledger_row(const struct ledger *l);
int ledger_wake_fd(const struct ledger *l);

/* In which records, by their index modulo LEDGER_PENDING. */
struct ledger_pending {
    uint64_t bits[LEDGER_PENDING / 64];
};

/* What lies there for this row since the last call. After a process has died
 * it is all bits: nobody knows what that one did not come to tell. */
void ledger_take_pending(struct ledger *l, struct ledger_pending *mail);

/* A process of the caller's has ended and was waited for: what it held goes
 * back, and all others are woken to look. Without a row of that pid nothing
 * happens. */
void ledger_reap(struct ledger *l, pid_t pid);

/* Whether anything was ever counted for that record. */
bool ledger_is_touched(const struct ledger *l, unsigned index);

/* The record of a sandbox, locked; a record of an older serial starts anew.
 * NULL where a newer sandbox has that index, or there is no such index. */
must_check struct ledger_record *ledger_lock(
    struct ledger *l, unsigned index, uint64_t serial);

/* Rows that are to be woken, but for one's own. */
struct ledger_wakes {
    uint64_t rows[LEDGER_ROWS / 64];
};

/* Unlocks, and then wakes; NULL: nobody. */
void ledger_unlock(struct ledger *l, struct ledger_record *r,
    const struct ledger_wakes *wakes);
