/*
 * Lines of waiters. The n-th of a sandbox's line is this row's n-th entry in
 * the ledger's list, once the grants that lie there are collected: so each
 * call collects first, under the same lock.
 */

#include "proxy/slot.h"

#include "base/mem.h"
#include "ledger/ledger_slot.h"
#include "net/task.h"

#define SLOTS_MAGIC 0x5107500du
#define LINE_MAGIC 0x51071e0du

struct slots {
    unsigned magic;
    struct ledger *ledger;
    struct watch watch;                /* of the bell */
    struct list lines[LEDGER_PENDING]; /* of those that somebody waits in, by
                                       the bit of its record */
    unsigned n_lines;
};

struct slot_line {
    unsigned magic;
    struct list node;
    uint64_t serial;
    unsigned index;
    struct list waiters; /* struct slot, the longest first */
};

static struct slot_line *
line_of(struct list *n)
{
    struct slot_line *line = container_of(n, struct slot_line, node);
    CHECK(line, LINE_MAGIC);
    return line;
}

static struct slot_line *
line_find(struct slots *s, unsigned index, uint64_t serial)
{
    struct list *lines = &s->lines[index % LEDGER_PENDING];
    for (struct list *n = lines->next; n != lines; n = n->next) {
        if (line_of(n)->serial == serial) {
            return line_of(n);
        }
    }
    return NULL;
}

static struct slot_line *
line_get(struct slots *s, const struct slot_ask *ask)
{
    struct slot_line *line = line_find(s, ask->index, ask->serial);
    if (line != NULL) {
        return line;
    }
    line = xcalloc(sizeof *line);
    line->magic = LINE_MAGIC;
    line->serial = ask->serial;
    line->index = ask->index;
    list_init(&line->waiters);
    list_add_tail(&s->lines[ask->index % LEDGER_PENDING], &line->node);
    s->n_lines++;
    return line;
}

static void
line_end(struct slots *s, struct slot_line *line)
{
    if (line != NULL && list_is_empty(&line->waiters)) {
        list_del(&line->node);
        s->n_lines--;
        line->magic = 0;
        xfree(line);
    }
}

/* One grant: to the first of the line. There is one, unless somebody else wrote
 * nonsense: then it goes back. */
static void
line_grant(struct slots *s, struct slot_line *line, struct ledger_record *r,
    struct ledger_wakes *wakes)
{
    struct list *node = line != NULL ? list_pop(&line->waiters) : NULL;
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

/* All grants that lie in the record. */
static void
line_collect(struct slots *s, struct slot_line *line, struct ledger_record *r,
    struct ledger_wakes *wakes)
{
    unsigned n = ledger_slot_collect(r, ledger_row(s->ledger));
    for (; n != 0; n--) {
        line_grant(s, line, r, wakes);
    }
}

/* Its place in its line, which is that of its entry among this row's. */
static unsigned
place_of(const struct slot_line *line, const struct slot *slot)
{
    unsigned k = 0;
    const struct list *n = line->waiters.next;
    for (; n != &slot->node; n = n->next) {
        AN(n != &line->waiters);
        k++;
    }
    return k;
}

/* Grants that lie there for it. */
static void
line_look(struct slots *s, struct slot_line *line)
{
    struct ledger_wakes wakes = { { 0 } };
    struct ledger_record *r = ledger_lock(s->ledger, line->index, line->serial);
    if (r != NULL) {
        line_collect(s, line, r, &wakes);
        ledger_unlock(s->ledger, line->index, &wakes);
    }
    line_end(s, line);
}

static void
look_all(struct slots *s, unsigned bit)
{
    struct list *n = s->lines[bit].next;
    while (n != &s->lines[bit]) {
        struct slot_line *line = line_of(n);
        n = n->next;
        line_look(s, line);
    }
}

/* Somebody has given this row something, or a process has died. */
static void
on_bell(struct watch *w, int events)
{
    struct slots *s = container_of(w, struct slots, watch);
    CHECK(s, SLOTS_MAGIC);
    struct ledger_pending mail;
    (void)events;
    ledger_take_pending(s->ledger, &mail);
    for (unsigned i = 0; i < LEN(mail.bits); i++) {
        for (uint64_t bits = mail.bits[i]; bits != 0; bits &= bits - 1) {
            look_all(s, i * 64 + (unsigned)__builtin_ctzll(bits));
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
        list_init(&s->lines[i]);
    }
    watch_init(&s->watch, loop, ledger_wake_fd(ledger), on_bell);
    watch_set(&s->watch, WATCH_READ);
    return s;
}

void
slots_free(struct slots *s)
{
    CHECK(s, SLOTS_MAGIC);
    AZ(s->n_lines);
    watch_set(&s->watch, 0);
    s->magic = 0;
    xfree(s);
}

static void
wait_in_line(struct slots *s, struct slot *slot, const struct slot_ask *ask)
{
    slot->state = SLOT_WAITS;
    list_add_tail(&line_get(s, ask)->waiters, &slot->node);
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
    struct slot_line *line = line_find(s, ask->index, ask->serial);
    ledger_slot_limit(r, &limits, &wakes);
    line_collect(s, line, r, &wakes);
    ledger_unlock(s->ledger, ask->index, &wakes);
    line_end(s, line);
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
        wait_in_line(s, slot, ask);
        break;
    case LEDGER_SLOT_FULL:
        break;
    }
    struct slot_line *line = line_find(s, ask->index, ask->serial);
    line_collect(s, line, r, &wakes);
    ledger_unlock(s->ledger, ask->index, &wakes);
    line_end(s, line);
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
    struct slot_line *line = line_find(s, slot->index, slot->serial);
    struct ledger_wakes wakes = { { 0 } };
    struct ledger_record *r = ledger_lock(s->ledger, slot->index, slot->serial);
    slot->task = NULL; /* of a slot that goes at once nobody is told */
    if (r != NULL) {
        line_collect(s, line, r, &wakes); /* it may be granted by now */
        if (slot->state == SLOT_WAITS) {
            ledger_slot_leave(r, ledger_row(s->ledger), place_of(line, slot));
        } else {
            ledger_slot_give(r, ledger_row(s->ledger), &wakes);
            line_collect(s, line, r, &wakes);
        }
        ledger_unlock(s->ledger, slot->index, &wakes);
    }
    list_del(&slot->node);
    slot->state = SLOT_NONE;
    line_end(s, line);
}
