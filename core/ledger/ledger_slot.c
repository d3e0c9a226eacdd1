/*
 * Header slots in a record: the list of waiters, and the shares. All functions
 * run under the record's lock.
 *
 * The way of one request's slot, and what each state counts in its row's share:
 *   taken      `used`                    ledger_slot_take(), or collected
 *   queued     `asked`, and an entry     ledger_slot_take()
 *   granted    `asked` and `granted`     by whichever process frees a slot:
 *                                        the entry leaves the list
 *   collected  `used`                    by its row: ledger_slot_collect()
 *   gone       nothing                   by its row: ledger_slot_give(), or
 *                                        ledger_slot_leave() while queued
 *
 * What holds when the lock is released:
 * 1. each count of `total` is the sum of that count over `rows`;
 * 2. `n_waiting` is the number of entries of the list in use, zeroes left out;
 * 3. a row's `asked` is the number of its entries and its `granted`;
 * 4. there is no free slot while somebody waits: n_waiting is 0, or used and
 *    granted of `total` make up the limit, or more after it was lowered.
 *
 * A process may be killed between any two stores. The shares and the list in
 * use are the truth then: a list is changed by one last store, and an entry
 * that leaves it in grant_free_slots() is the grant, from which recount()
 * derives the rest.
 *
 * An attacker who took over a worker may have written the values that are read
 * here: so they are bounded, not asserted.
 */

#include "ledger/ledger_slot.h"

#include "base/str.h"

/* Of the record's word `limit`; the revision has the others. */
#define LIMIT_BITS 20

_Static_assert(LEDGER_SLOTS_MAX < 1 << LIMIT_BITS, "a limit has its bits");

/* Who looks at what a dead process left sees no store behind this call without
 * those before it. */
static void
store_order(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

/* A list, and a copy of its ends: items[first] is the longest waiter, and
 * items[end] is behind the last. */
struct span {
    uint8_t *items;
    _Atomic uint64_t *ends;
    uint32_t first, end;
};

static struct span
span_of(struct ledger_record *r, unsigned which)
{
    uint64_t ends = r->ends[which];
    struct span s = { .items = r->lists[which],
        .ends = &r->ends[which],
        .first = (uint32_t)ends,
        .end = (uint32_t)(ends >> 32) };
    if (s.end > LEDGER_LIST || s.first > s.end) {
        s.first = s.end = 0;
    }
    return s;
}

static struct span
span_active(struct ledger_record *r)
{
    return span_of(r, r->active & 1);
}

static void
span_store(struct span *s)
{
    if (s->first == s->end) {
        s->first = s->end = 0;
    }
    atomic_store(s->ends, (uint64_t)s->end << 32 | s->first);
}

/* Copies the entries, without zeroes, to the other list; that one is in use
 * from then on. */
static struct span
span_switch(struct ledger_record *r, const struct span *from)
{
    unsigned other = (r->active & 1) ^ 1;
    struct span to = span_of(r, other);
    to.first = to.end = 0;
    for (uint32_t i = from->first; i < from->end; i++) {
        if (from->items[i] != 0) {
            to.items[to.end++] = from->items[i];
        }
    }
    store_order();
    span_store(&to);
    atomic_store(&r->active, other);
    return to;
}

/* False: there is no room. That takes more waiters than LEDGER_WAITERS_MAX, so
 * somebody spoilt the record. */
static bool
append_waiter(struct ledger_record *r, unsigned row)
{
    struct span s = span_active(r);
    if (s.end == LEDGER_LIST) {
        s = span_switch(r, &s);
    }
    if (s.end >= LEDGER_LIST) {
        return false;
    }
    s.items[s.end++] = (uint8_t)row;
    store_order();
    span_store(&s);
    r->n_waiting++;
    r->rows[row].asked++;
    r->total.asked++;
    return true;
}

/* Not below 0. */
static void
subtract(uint32_t *n, uint32_t by)
{
    *n -= *n < by ? *n : by;
}

unsigned
ledger_slot_limit_of(const struct ledger_record *r)
{
    return (unsigned)(r->limit & ((1u << LIMIT_BITS) - 1));
}

static bool
has_free_slot(const struct ledger_record *r)
{
    return r->total.used + r->total.granted < ledger_slot_limit_of(r);
}

/* Invariant 4: grants what is free to those who wait longest. */
static void
grant_free_slots(struct ledger_record *r, struct ledger_wakes *wakes)
{
    struct span s = span_active(r);
    while (s.first < s.end && (s.items[s.first] == 0 || has_free_slot(r))) {
        unsigned row = s.items[s.first++];
        if (row != 0) {
            r->rows[row].granted++;
            r->total.granted++;
            subtract(&r->n_waiting, 1);
            wakes->rows[row / 64] |= 1ull << row % 64;
        }
        store_order();
        span_store(&s);
    }
}

/* The limit and its revision are one word and one store: who finds what a dead
 * process left finds the two of one policy. */
void
ledger_slot_limit(struct ledger_record *r,
    const struct ledger_slot_limits *limits, struct ledger_wakes *wakes)
{
    AN(limits->slots != 0 && limits->slots <= LEDGER_SLOTS_MAX);
    AN(limits->revision <= LEDGER_REVISION_MAX);
    uint64_t was = r->limit;
    uint64_t limit = limits->revision << LIMIT_BITS | limits->slots;
    if (limit != was && limits->revision >= was >> LIMIT_BITS) {
        r->limit = limit;
    }
    grant_free_slots(r, wakes);
}

enum ledger_slot
ledger_slot_take(struct ledger_record *r, unsigned row,
    const struct ledger_slot_limits *limits, struct ledger_wakes *wakes)
{
    AN(row != 0 && row < LEDGER_ROWS);
    ledger_slot_limit(r, limits, wakes);
    if (r->n_waiting == 0 && has_free_slot(r)) {
        r->rows[row].used++;
        r->total.used++;
        return LEDGER_SLOT_TAKEN;
    }
    bool is_full =
        r->n_waiting >= limits->queue || r->n_waiting >= LEDGER_WAITERS_MAX;
    return !is_full && append_waiter(r, row) ? LEDGER_SLOT_QUEUED
                                             : LEDGER_SLOT_FULL;
}

void
ledger_slot_give(
    struct ledger_record *r, unsigned row, struct ledger_wakes *wakes)
{
    AN(row != 0 && row < LEDGER_ROWS);
    subtract(&r->rows[row].used, 1);
    subtract(&r->total.used, 1);
    grant_free_slots(r, wakes);
}

unsigned
ledger_slot_collect(struct ledger_record *r, unsigned row)
{
    AN(row != 0 && row < LEDGER_ROWS);
    struct ledger_share *s = &r->rows[row];
    unsigned n = s->granted;
    s->used += n;
    s->granted = 0;
    subtract(&s->asked, n);
    r->total.used += n;
    subtract(&r->total.granted, n);
    subtract(&r->total.asked, n);
    return n;
}

void
ledger_slot_leave(struct ledger_record *r, unsigned row, unsigned k)
{
    AN(row != 0 && row < LEDGER_ROWS);
    struct span s = span_active(r);
    for (uint32_t i = s.first; i < s.end; i++) {
        if (s.items[i] == row && k-- == 0) {
            s.items[i] = 0;
            subtract(&r->n_waiting, 1);
            subtract(&r->rows[row].asked, 1);
            subtract(&r->total.asked, 1);
            return;
        }
    }
}

/* The value is read once: another process may change it at any time. */
unsigned
ledger_record_reach(const struct ledger_record *r)
{
    uint32_t n = r->reach;
    return n < LEDGER_ROWS ? n : LEDGER_ROWS;
}

/* How many entries each row has; their sum. */
static uint32_t
count_entries(struct ledger_record *r, uint32_t entries[LEDGER_ROWS])
{
    struct span s = span_active(r);
    uint32_t n = 0;
    for (uint32_t i = s.first; i < s.end; i++) {
        entries[s.items[i]]++;
        n += s.items[i] != 0;
    }
    return n;
}

/* Invariants 1 to 3, from what is the truth: the shares and the list in use. */
static void
recount(struct ledger_record *r)
{
    uint32_t entries[LEDGER_ROWS] = { 0 };
    struct ledger_share t = { 0 };
    unsigned reach = ledger_record_reach(r);
    r->n_waiting = count_entries(r, entries);
    for (unsigned i = 1; i < reach; i++) {
        struct ledger_share *s = &r->rows[i];
        s->granted = s->asked;
        subtract(&s->granted, entries[i]);
        t.used += s->used;
        t.asked += s->asked;
        t.granted += s->granted;
        t.connections += s->connections;
        t.requests += s->requests;
    }
    r->total = t;
}

bool
ledger_record_is_used(const struct ledger_record *r, unsigned row)
{
    AN(row != 0 && row < LEDGER_ROWS);
    static const struct ledger_share none;
    return row < ledger_record_reach(r) &&
           (r->n_waiting != 0 ||
               memcmp(&r->rows[row], &none, sizeof none) != 0);
}

void
ledger_record_return(
    struct ledger_record *r, unsigned row, struct ledger_wakes *wakes)
{
    AN(row != 0 && row < LEDGER_ROWS);
    struct span s = span_active(r);
    for (uint32_t i = s.first; i < s.end; i++) {
        s.items[i] = s.items[i] == row ? 0 : s.items[i];
    }
    r->rows[row] = (struct ledger_share){ 0 };
    recount(r);
    grant_free_slots(r, wakes);
}
