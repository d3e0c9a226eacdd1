/*
 * A queue of waiters for each sandbox that has any in this worker. The n-th
 * waiter of a queue stands for the n-th entry of this worker's row in the
 * ledger's list, as long as no grant is left to collect. So whoever locks the
 * record collects the grants under that lock, and slot_release() does so before
 * it counts which entry is its own.
 */

#include "proxy/slot.h"

#include "base/mem.h"
#include "ledger/ledger_slot.h"
#include "net/task.h"

#define SLOTS_MAGIC 0x5107500du
#define QUEUE_MAGIC 0x51071e0du

struct slots {
    unsigned magic;
    struct ledger *ledger;
    struct watch watch;                 /* of the bell */
    struct list queues[LEDGER_PENDING]; /* struct slot_queue, each in the list
                                           of its record's bit */
    unsigned n_queues;
};

struct slot_queue {
    unsigned magic;
    struct list node;
    uint64_t serial;
    unsigned index;
    struct list waiters; /* struct slot, the longest first */
};

static struct slot_queue *
queue_of(struct list *n)
{
    struct slot_queue *queue = container_of(n, struct slot_queue, node);
    CHECK(queue, QUEUE_MAGIC);
    return queue;
}

static struct slot_queue *
queue_find(struct slots *s, unsigned index, uint64_t serial)
{
    struct list *queues = &s->queues[index % LEDGER_PENDING];
    for (struct list *n = queues->next; n != queues; n = n->next) {
        if (queue_of(n)->serial == serial) {
            return queue_of(n);
        }
    }
    return NULL;
}

static struct slot_queue *
queue_get(struct slots *s, const struct slot_ask *ask)
{
    struct slot_queue *queue = queue_find(s, ask->index, ask->serial);
    if (queue != NULL) {
        return queue;
    }
    queue = xcalloc(sizeof *queue);
    queue->magic = QUEUE_MAGIC;
    queue->serial = ask->serial;
    queue->index = ask->index;
    list_init(&queue->waiters);
    list_add_tail(&s->queues[ask->index % LEDGER_PENDING], &queue->node);
    s->n_queues++;
    return queue;
}

static void
queue_end(struct slots *s, struct slot_queue *queue)
{
    if (queue != NULL && list_is_empty(&queue->waiters)) {
        list_del(&queue->node);
        s->n_queues--;
        queue->magic = 0;
        xfree(queue);
    }
}

/* Gives one grant to the longest waiter. Without a waiter (another process
 * wrote nonsense into the ledger) the slot goes back. */
static void
queue_grant(struct slots *s, struct slot_queue *queue, struct ledger_record *r,
    struct ledger_wakes *wakes)
{
    struct list *node = queue != NULL ? list_pop(&queue->waiters) : NULL;
    if (node == NULL) {
        ledger_slot_give(r, ledger_row(s->ledger), wakes);
        return;
    }
    struct slot *slot = container_of(node, struct slot, node);
    AN(slot->state == SLOT_WAITS);
    slot->state = SLOT_HELD;
    if (slot->task != NULL) {
        task_wake(slot->task);
    }
}

/* Collects all grants that the record has for this worker. */
static void
queue_collect(struct slots *s, struct slot_queue *queue,
    struct ledger_record *r, struct ledger_wakes *wakes)
{
    unsigned n = ledger_slot_collect(r, ledger_row(s->ledger));
    for (; n != 0; n--) {
        queue_grant(s, queue, r, wakes);
    }
}

/* How many wait before it: the k of ledger_slot_leave(). */
static unsigned
place_of(const struct slot_queue *queue, const struct slot *slot)
{
    unsigned k = 0;
    const struct list *n = queue->waiters.next;
    for (; n != &slot->node; n = n->next) {
        AN(n != &queue->waiters);
        k++;
    }
    return k;
}

static void
queue_check(struct slots *s, struct slot_queue *queue)
{
    struct ledger_wakes wakes = { { 0 } };
    struct ledger_record *r =
        ledger_lock(s->ledger, queue->index, queue->serial);
    if (r != NULL) {
        queue_collect(s, queue, r, &wakes);
        ledger_unlock(s->ledger, queue->index, &wakes);
    }
    queue_end(s, queue);
}

static void
check_queues(struct slots *s, unsigned bit)
{
    struct list *n = s->queues[bit].next;
    while (n != &s->queues[bit]) {
        struct slot_queue *queue = queue_of(n);
        n = n->next;
        queue_check(s, queue);
    }
}

/* This row was granted something, or a process has died. */
static void
on_bell(struct watch *w, int events)
{
    struct slots *s = container_of(w, struct slots, watch);
    CHECK(s, SLOTS_MAGIC);
    struct ledger_pending pending;
    (void)events;
    ledger_take_pending(s->ledger, &pending);
    for (unsigned i = 0; i < LEN(pending.bits); i++) {
        for (uint64_t bits = pending.bits[i]; bits != 0; bits &= bits - 1) {
            check_queues(s, i * 64 + (unsigned)__builtin_ctzll(bits));
        }
    }
}

struct slots *
slots_new(struct loop *loop, struct ledger *ledger)
{
    struct slots *s = xcalloc(sizeof *s);
    s->magic = SLOTS_MAGIC;
    s->ledger = ledger;
    for (unsigned i = 0; i < LEDGER_PENDING; i++) {
        list_init(&s->queues[i]);
    }
    watch_init(&s->watch, loop, ledger_wake_fd(ledger), on_bell);
    watch_set(&s->watch, WATCH_READ);
    return s;
}

void
slots_free(struct slots *s)
{
    CHECK(s, SLOTS_MAGIC);
    AZ(s->n_queues);
    watch_set(&s->watch, 0);
    s->magic = 0;
    xfree(s);
}

static void
queue_join(struct slots *s, struct slot *slot, const struct slot_ask *ask)
{
    slot->state = SLOT_WAITS;
    list_add_tail(&queue_get(s, ask)->waiters, &slot->node);
}

static struct ledger_slot_limits
limits_of(const struct slot_ask *ask)
{
    return (struct ledger_slot_limits){ ask->limit, ask->revision, ask->queue };
}

void
slots_set_limit(struct slots *s, const struct slot_ask *ask)
{
    CHECK(s, SLOTS_MAGIC);
    struct ledger_slot_limits limits = limits_of(ask);
    struct ledger_wakes wakes = { { 0 } };
    struct ledger_record *r =
        ledger_is_touched(s->ledger, ask->index)
            ? ledger_lock(s->ledger, ask->index, ask->serial)
            : NULL;
    if (r == NULL) {
        return;
    }
    struct slot_queue *queue = queue_find(s, ask->index, ask->serial);
    ledger_slot_limit(r, &limits, &wakes);
    queue_collect(s, queue, r, &wakes);
    ledger_unlock(s->ledger, ask->index, &wakes);
    queue_end(s, queue);
}

bool
slot_acquire(struct slots *s, struct slot *slot, const struct slot_ask *ask)
{
    CHECK(s, SLOTS_MAGIC);
    AN(slot->state == SLOT_NONE && ask->task != NULL);
    struct ledger_slot_limits limits = limits_of(ask);
    struct ledger_wakes wakes = { { 0 } };
    struct ledger_record *r = ledger_lock(s->ledger, ask->index, ask->serial);
    if (r == NULL) {
        return false;
    }
    *slot = (struct slot){ .slots = s,
        .task = ask->task,
        .index = ask->index,
        .serial = ask->serial };
    list_init(&slot->node);
    switch (ledger_slot_take(r, ledger_row(s->ledger), &limits, &wakes)) {
    case LEDGER_SLOT_TAKEN:
        slot->state = SLOT_HELD;
        break;
    case LEDGER_SLOT_QUEUED:
        queue_join(s, slot, ask);
        break;
    case LEDGER_SLOT_FULL:
        break;
    }
    struct slot_queue *queue = queue_find(s, ask->index, ask->serial);
    queue_collect(s, queue, r, &wakes);
    ledger_unlock(s->ledger, ask->index, &wakes);
    queue_end(s, queue);
    return slot->state != SLOT_NONE;
}

void
slot_release(struct slot *slot)
{
    if (slot->state == SLOT_NONE) {
        return;
    }
    struct slots *s = slot->slots;
    CHECK(s, SLOTS_MAGIC);
    struct slot_queue *queue = queue_find(s, slot->index, slot->serial);
    struct ledger_wakes wakes = { { 0 } };
    struct ledger_record *r = ledger_lock(s->ledger, slot->index, slot->serial);
    slot->task = NULL; /* a grant now is given back, and wakes nobody */
    if (r != NULL) {
        queue_collect(s, queue, r, &wakes); /* it may have been granted */
        if (slot->state == SLOT_WAITS) {
            ledger_slot_leave(r, ledger_row(s->ledger), place_of(queue, slot));
        } else {
            ledger_slot_give(r, ledger_row(s->ledger), &wakes);
            queue_collect(s, queue, r, &wakes);
        }
        ledger_unlock(s->ledger, slot->index, &wakes);
    }
    list_del(&slot->node);
    slot->state = SLOT_NONE;
    queue_end(s, queue);
}
