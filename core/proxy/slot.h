#pragma once

/*
 * Header slots in this worker (SPEC 8): who of its exchanges has one, and who
 * waits, in a line for each sandbox. The count itself is the ledger's, over
 * all workers; a grant from there is told by mail and this worker's bell,
 * and goes to the first of the line.
 */

#include "base/list.h"
#include "base/obj.h"

struct ledger;
struct loop;
struct slots;
struct task;

enum slot_state { SLOT_NONE, SLOT_WAITS, SLOT_HELD };

/* Of one exchange, by value; zeroed to begin with. Given back, or out of its
 * line, by slot_release() before it goes. */
struct slot {
    enum slot_state state;
    struct list node; /* of its line, while it waits */
    struct slots *slots;
    struct task *task;
    unsigned index; /* the sandbox's record */
    uint64_t serial;
};

struct slot_ask {
    uint64_t serial; /* of the sandbox */
    unsigned index;
    unsigned limit;    /* slots of that sandbox, 1 to LEDGER_SLOTS_MAX */
    uint64_t revision; /* that says so: worker_revision() */
    unsigned queue;    /* how many of its requests may wait, over all workers */
    struct task *task; /* woken when the slot is held after all */
};

/* For a worker; the ledger has a row of this process's and outlives it. */
struct slots *slots_new(struct loop *loop, struct ledger *ledger);
void slots_free(struct slots *s); /* no slot is held, none waits */

/* The limit of `ask` alone, at once for those that wait in any worker; of an
 * older revision than another's it changes nothing. */
void slots_set_limit(struct slots *s, const struct slot_ask *ask);

/* slot->state is SLOT_HELD at once, or SLOT_WAITS. False: the queue is full. */
must_check bool slot_acquire(
    struct slots *s, struct slot *slot, const struct slot_ask *ask);

/* At any time, any number of times: what is held goes back, and what waits
 * leaves its line. */
void slot_release(struct slot *slot);
