/*
 * The list of waiters and the shares, changed so that a process may be killed
 * between any two stores and leave what mend() can put right. What it does to
 * another process is one store, by which an entry leaves the list: that is the
 * grant, and the rest follows from it. What is read here may have been
 * written by a process that was taken over: it is bounded, not asserted.
 */

#include "ledger/ledger_slot.h"

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

/* False: there is no room, which takes more waiters than may be. */
static bool
append(struct ledger_record *r, unsigned row)
{
    struct span s = span_active(r);
    if (s.end == LEDGER_LIST) {
        s = span_move(r, &s);
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

static void
cut(uint32_t *n, uint32_t by)
{
    *n -= *n < by ? *n : by;
}

static bool
is_free(const struct ledger_record *r)
{
    return r->total.used + r->total.granted < (uint32_t)r->limit;
}

/* Free slots to those that wait longest. */
static void
distribute(struct ledger_record *r, struct ledger_wakes *wakes)
{
    struct span s = span_active(r);
    while (s.first < s.end && (s.items[s.first] == 0 || is_free(r))) {
        unsigned row = s.items[s.first++];
        if (row != 0) {
            r->rows[row].granted++;
            r->total.granted++;
            cut(&r->n_waiting, 1);
            wakes->rows[row / 64] |= 1ull << row % 64;
        }
        store_order();
        span_store(&s);
    }
}

/* One store, so that no two processes disagree on what a dead one left. */
void
ledger_slot_limit(struct ledger_record *r,
    const struct ledger_slot_limits *limits, struct ledger_wakes *wakes)
{
    AN(limits->slots != 0 && limits->slots <= LEDGER_SLOTS_MAX);
    uint64_t limit = (uint64_t)limits->generation << 32 | limits->slots;
    if (limit > r->limit) {
        r->limit = limit;
    }
    distribute(r, wakes);
}

enum ledger_slot
ledger_slot_take(struct ledger_record *r, unsigned row,
    const struct ledger_slot_limits *limits, struct ledger_wakes *wakes)
{
    AN(row != 0 && row < LEDGER_ROWS);
    ledger_slot_limit(r, limits, wakes);
    if (r->n_waiting == 0 && is_free(r)) {
        r->rows[row].used++;
        r->total.used++;
        return LEDGER_SLOT_TAKEN;
    }
    bool is_full =
        r->n_waiting >= limits->queue || r->n_waiting >= LEDGER_WAITERS_MAX;
    return !is_full && append(r, row) ? LEDGER_SLOT_QUEUED : LEDGER_SLOT_FULL;
}

void
ledger_slot_give(
    struct ledger_record *r, unsigned row, struct ledger_wakes *wakes)
{
    AN(row != 0 && row < LEDGER_ROWS);
    cut(&r->rows[row].used, 1);
    cut(&r->total.used, 1);
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
    cut(&s->asked, n);
    r->total.used += n;
    cut(&r->total.granted, n);
    cut(&r->total.asked, n);
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
            cut(&r->n_waiting, 1);
            cut(&r->rows[row].asked, 1);
            cut(&r->total.asked, 1);
            return;
        }
    }
}

/* Rows beyond have no share: their memory is not even touched. Read once. */
static unsigned
reach_of(const struct ledger_record *r)
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

/* What follows from the rows and the list. */
static void
mend(struct ledger_record *r)
{
    uint32_t entries[LEDGER_ROWS] = { 0 };
    struct ledger_share t = { 0 };
    unsigned reach = reach_of(r);
    r->n_waiting = count_entries(r, entries);
    for (unsigned i = 1; i < reach; i++) {
        struct ledger_share *s = &r->rows[i];
        s->granted = s->asked;
        cut(&s->granted, entries[i]);
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
