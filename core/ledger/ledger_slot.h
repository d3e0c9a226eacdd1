#pragma once

/*
 * Header slots in a record that the caller has locked (SPEC 8). No loop, no
 * waiting: a waiter is an entry of its row in the list, and which of a row's
 * own waiters is meant by its oldest entry is the row's to know. Whenever a
 * function returns there is no free slot while somebody waits.
 */

#include "ledger/ledger.h"

/* What may wait at most, whatever is asked for: half a list, so that copying
 * a full one always makes room. */
#define LEDGER_WAITERS_MAX (LEDGER_LIST / 2)
#define LEDGER_SLOTS_MAX 1000000

struct ledger_slot_limits {
    unsigned slots;      /* at a time, of all rows; at least 1 */
    uint32_t generation; /* of the configuration that says so: the highest
                            that ever came holds */
    unsigned queue;      /* waiters at a time, of all rows */
};

enum ledger_slot { LEDGER_SLOT_TAKEN, LEDGER_SLOT_QUEUED, LEDGER_SLOT_FULL };

/* For those, too, that wait already: without an ask. `queue` is the asker's
 * alone. */
void ledger_slot_limit(struct ledger_record *r,
    const struct ledger_slot_limits *limits, struct ledger_wakes *wakes);

/* One for `row` at once (TAKEN), an entry at the end of the list (QUEUED), or
 * nothing, as `limits->queue` are waiting (FULL). */
must_check enum ledger_slot ledger_slot_take(struct ledger_record *r,
    unsigned row, const struct ledger_slot_limits *limits,
    struct ledger_wakes *wakes);

/* A slot of `row` goes back, and to whoever waits longest. */
void ledger_slot_give(
    struct ledger_record *r, unsigned row, struct ledger_wakes *wakes);

/* What `row` was granted since the last call is its own from here on: so many
 * of its waiters, the oldest first, have a slot; for those that it has no
 * waiter for it owes a ledger_slot_give(). */
must_check unsigned ledger_slot_collect(struct ledger_record *r, unsigned row);

/* The k-th (from 0) of the row's entries is taken out of the list. */
void ledger_slot_leave(struct ledger_record *r, unsigned row, unsigned k);

/* For ledger.c, of a row whose process is dead: whether it has something here,
 * in a record that it did not have locked; then what it has goes back, and what
 * it may have left half done is put right. */
bool ledger_record_is_used(const struct ledger_record *r, unsigned row);
void ledger_record_return(
    struct ledger_record *r, unsigned row, struct ledger_wakes *wakes);
