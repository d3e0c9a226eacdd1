/*
 * Counts and token buckets of a record. An attacker who took over a worker may
 * have written the values that are read here, so they are bounded, not
 * asserted: a count stops at 0, and a bucket is in order again after a time.
 */

#include "ledger/ledger_limit.h"

static uint32_t *
count_of(struct ledger_share *s, enum ledger_count what)
{
    return what == LEDGER_CONNECTIONS ? &s->connections : &s->requests;
}

struct ledger_counted
ledger_count_more(struct ledger_record *r, unsigned row, enum ledger_count what)
{
    AN(row != 0 && row < LEDGER_ROWS);
    return (struct ledger_counted){ .own = ++*count_of(&r->rows[row], what),
        .all = ++*count_of(&r->total, what) };
}

static void
count_down(uint32_t *n)
{
    *n -= *n != 0;
}

void
ledger_count_less(struct ledger_record *r, unsigned row, enum ledger_count what)
{
    AN(row != 0 && row < LEDGER_ROWS);
    count_down(count_of(&r->rows[row], what));
    count_down(count_of(&r->total, what));
}

/* `level` counts the tokens that are missing, so that a zeroed bucket is a full
 * one. */
double
ledger_bucket_take(
    struct ledger_bucket *b, double rate, double burst, double now)
{
    AN(rate > 0 && burst >= 1);
    double back = now > b->at ? (now - b->at) * rate : 0;
    double level = b->level > back ? b->level - back : 0;
    if (!(level <= burst)) { /* the burst was larger, or the value is spoilt */
        level = burst;
    }
    b->at = now;
    b->level = level;
    if (level + 1 > burst) {
        return (level + 1 - burst) / rate;
    }
    b->level = level + 1;
    return 0;
}
