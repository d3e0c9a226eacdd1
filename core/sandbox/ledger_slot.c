/*
 * The list of waiters and the shares, changed so that a process may be killed
 * between any two stores and leave what mend() can put right: a
 * grant is counted before its entry goes, so that at worst it is made twice
 * and given back; totals are summed anew. What is read here may have been
 * written by a process that was taken over: it is bounded, not asserted.
 */

#include "sandbox/ledger_slot.h"

#include "base/str.h"

/* Stores before it are made before those behind it, as one who looks at what
 * a dead process left sees them. */
static void
store_order(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

/* The list in use. */
struct span {
    uint8_t *items;
    _Atomic uint64_t *ends;
    uint32_t first, end; /* from the longest waiter, to behind the last */
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

/* Its entries to the start of the other list, which is the one in use then. */
static struct span
span_move(struct ledger_record *r, const struct span *from)
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

static void
append(struct ledger_record *r, unsigned row)
{
    struct span s = span_active(r);
    if (s.end == LEDGER_LIST) {
        s = span_move(r, &s);
        AN(s.end < LEDGER_LIST);
    }
    s.items[s.end++] = (uint8_t)row;
    store_order();
    span_store(&s);
    r->n_waiting++;
}

static void
less(uint32_t *n)
{
    *n -= *n != 0;
}

/* Free slots to those that wait longest. */
static void
distribute(struct ledger_record *r, struct ledger_wakes *wakes)
{
    struct span s = span_active(r);
    while (
        s.first < s.end && (s.items[s.first] == 0 ||
                               r->total.used + r->total.granted < r->slots)) {
        unsigned row = s.items[s.first++];
        if (row != 0) {
            r->rows[row].granted++;
            r->total.granted++;
            less(&r->n_waiting);
            wakes->rows[row / 64] |= 1ull << row % 64;
        }
        store_order();
        span_store(&s);
    }
}

enum ledger_slot
ledger_slot_take(struct ledger_record *r, unsigned row,
    const struct ledger_slot_limits *limits, struct ledger_wakes *wakes)
{
    AN(row != 0 && row < LEDGER_ROWS);
    AN(limits->slots != 0 && limits->slots <= LEDGER_SLOTS_MAX);
    r->slots = limits->slots;
    distribute(r, wakes); /* there may be more than there were */
    if (r->n_waiting == 0 && r->total.used + r->total.granted < r->slots) {
        r->rows[row].used++;
        r->total.used++;
        return LEDGER_SLOT_TAKEN;
    }
    if (r->n_waiting >= limits->queue || r->n_waiting >= LEDGER_WAITERS_MAX) {
        return LEDGER_SLOT_FULL;
    }
    append(r, row);
    return LEDGER_SLOT_QUEUED;
}

void
ledger_slot_give(
    struct ledger_record *r, unsigned row, struct ledger_wakes *wakes)
{
    AN(row != 0 && row < LEDGER_ROWS);
    less(&r->rows[row].used);
    less(&r->total.used);
    distribute(r, wakes);
}

unsigned
ledger_slot_collect(struct ledger_record *r, unsigned row)
{
    AN(row != 0 && row < LEDGER_ROWS);
    struct ledger_share *s = &r->rows[row];
    unsigned n = s->granted;
    s->used += n;
    s->granted = 0;
    r->total.used += n;
    r->total.granted -= n < r->total.granted ? n : r->total.granted;
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
            less(&r->n_waiting);
            return;
        }
    }
}

/* Rows beyond have no share: their memory is not even touched. */
static unsigned
reach_of(const struct ledger_record *r)
{
    return r->reach < LEDGER_ROWS ? r->reach : LEDGER_ROWS;
}

static void
mend(struct ledger_record *r)
{
    struct ledger_share t = { 0 };
    struct span s = span_active(r);
    r->n_waiting = 0;
    for (uint32_t i = s.first; i < s.end; i++) {
        r->n_waiting += s.items[i] != 0;
    }
    for (unsigned i = 1; i < reach_of(r); i++) {
        t.used += r->rows[i].used;
        t.granted += r->rows[i].granted;
        t.connections += r->rows[i].connections;
        t.requests += r->rows[i].requests;
    }
    r->total = t;
}

bool
ledger_record_is_used(const struct ledger_record *r, unsigned row)
{
    AN(row != 0 && row < LEDGER_ROWS);
    static const struct ledger_share none;
    return row < reach_of(r) &&
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
    mend(r);
    distribute(r, wakes);
}
