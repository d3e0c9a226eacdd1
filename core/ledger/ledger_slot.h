#pragma once

/*
 * Header slots of one sandbox (SPEC 8): taken, queued for, granted, collected
 * and given back. The caller has locked the record. Nothing here blocks: to
 * wait means to have an entry in the record's list. An entry names a row; which
 * of its requests an entry stands for is known to that row alone.
 */

#include "ledger/ledger.h"

/* The most that may wait, whatever `queue` says: half a list, so that copying a
 * full list without its zeroes always makes room. */
#define LEDGER_WAITERS_MAX (LEDGER_LIST / 2)
#define LEDGER_SLOTS_MAX 1000000
#define LEDGER_REVISION_MAX ((1ull << 44) - 1)

struct ledger_slot_limits {
    unsigned slots;    /* at a time, of all rows; 1 to LEDGER_SLOTS_MAX */
    uint64_t revision; /* that says so, to LEDGER_REVISION_MAX */
    unsigned queue;    /* waiters at a time, of all rows */
};

enum ledger_slot { LEDGER_SLOT_TAKEN, LEDGER_SLOT_QUEUED, LEDGER_SLOT_FULL };

/* Sets the limit of slots, up or down, unless a newer revision has set it; of
 * one revision the last word holds. Grants what is free by it: slots that are
 * held beyond a lower limit are not granted again. Nothing is asked for;
 * `limits->queue` is not used. */
void ledger_slot_limit(struct ledger_record *r,
    const struct ledger_slot_limits *limits, struct ledger_wakes *wakes);

/* The limit that holds; 0: none was set yet. */
unsigned ledger_slot_limit_of(const struct ledger_record *r);

/* Asks for one slot for `row`. TAKEN: it has it; QUEUED: it has an entry at the
 * end of the list; FULL: neither, as `limits->queue` are waiting already. */
must_check enum ledger_slot ledger_slot_take(struct ledger_record *r,
    unsigned row, const struct ledger_slot_limits *limits,
    struct ledger_wakes *wakes);

/* Gives back a slot of `row`. Who waits longest gets it. */
void ledger_slot_give(
    struct ledger_record *r, unsigned row, struct ledger_wakes *wakes);

/* How many slots `row` was granted since the last call; it uses them from now
 * on. It hands them to its oldest waiters, and calls ledger_slot_give() for
 * each that it has no waiter for. */
must_check unsigned ledger_slot_collect(struct ledger_record *r, unsigned row);

/* Takes the k-th (from 0) of the row's entries out of the list. */
void ledger_slot_leave(struct ledger_record *r, unsigned row, unsigned k);

/* For ledger.c: rows from here on have no share, and their memory is not read.
 */
unsigned ledger_record_reach(const struct ledger_record *r);

/* For ledger.c, of a row whose process is dead and which did not have the
 * record locked: whether it has a share or may have an entry here. */
bool ledger_record_is_used(const struct ledger_record *r, unsigned row);

/* For ledger.c, of a row whose process is dead: gives back all that it has here
 * and completes what it may have left half done. */
void ledger_record_return(
    struct ledger_record *r, unsigned row, struct ledger_wakes *wakes);
