/*
 * Counts and token buckets of a record. An attacker who took over a worker may
 * have written the values that are read here, so they are bounded, not
 * asserted: a count stops at 0, and a bucket is in order again after a time.
 * But a spoilt revision up to LEDGER_REVISION_MAX cannot be told from a newer
 * policy's: until the sandbox ends the bucket is believed, as a limit of slots
 * is.
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
 * one. This is the level by that rate, now. */
static double
level_of(const struct ledger_bucket *b, const struct ledger_rate *r, double now)
{
    double back = now > b->at ? (now - b->at) * r->rate : 0;
    double level = b->level > back ? b->level - back : 0;
    bool is_sound = level <= r->burst; /* else the burst was larger, or the
                                          value is spoilt */
    return is_sound ? level : r->burst;
}

/* An older rate may be higher and its burst smaller: if it were written back
 * it would give tokens that the newer one does not. */
double
ledger_bucket_take(
    struct ledger_bucket *b, const struct ledger_rate *r, double now)
{
    AN(r->rate > 0 && r->burst >= 1);
    AN(r->revision <= LEDGER_REVISION_MAX);
    double level = level_of(b, r, now);
    bool is_spoilt = b->revision > LEDGER_REVISION_MAX;
    if (r->revision >= b->revision || is_spoilt) {
        *b = (struct ledger_bucket){ level, now, r->revision };
    }
    if (level + 1 > r->burst) {
        return (level + 1 - r->burst) / r->rate;
    }
    b->level += 1;
    return 0;
}
