#pragma once

/*
 * Header slots in this worker (SPEC 8): which of its exchanges hold a slot, and
 * which wait for one, in a queue for each sandbox. The ledger counts the slots
 * of all workers. When it grants this worker a slot, it marks the record as
 * pending and rings this worker's bell; the slot then goes to the first of the
 * queue.
 */

#include "base/list.h"
#include "base/obj.h"

struct ledger;
struct loop;
struct slots;
struct task;

enum slot_state { SLOT_NONE, SLOT_WAITS, SLOT_HELD };

/* Embedded in an exchange, which zeroes it first, and calls slot_release()
 * before it ends. */
struct slot {
    enum slot_state state;
    struct list node; /* in its queue, while it waits */
    struct slots *slots;
    struct task *task;
    unsigned index; /* of the sandbox's record */
    uint64_t serial;
};

struct slot_ask {
    uint64_t serial; /* of the sandbox */
    unsigned index;
    unsigned limit;    /* slots of that sandbox, 1 to LEDGER_SLOTS_MAX */
    uint64_t revision; /* that sets the limit: worker_revision() */
    unsigned queue;    /* how many of its requests may wait, of all workers */
    struct task *task; /* woken when a slot that waited is held */
};

/* One for each worker. This process has a row in the ledger, which outlives the
 * slots. When they are freed no slot is held and none waits. */
struct slots *slots_new(struct loop *loop, struct ledger *ledger);
void slots_free(struct slots *s);

/* Sets `ask->limit`, and asks for nothing: waiters of all workers get at once
 * what the limit frees. It changes nothing if a newer revision has set the
 * limit. */
void slots_set_limit(struct slots *s, const struct slot_ask *ask);

/* Makes slot->state SLOT_HELD, or SLOT_WAITS. False: it is neither, as the
 * queue is full, or the ledger has no record of this sandbox. */
must_check bool slot_acquire(
    struct slots *s, struct slot *slot, const struct slot_ask *ask);

/* Gives back a slot that is held, and takes one that waits out of its queue.
 * May be called at any time, and again. */
void slot_release(struct slot *slot);
