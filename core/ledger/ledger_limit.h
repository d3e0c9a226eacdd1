#pragma once

/*
 * What a sandbox has at a time of connections and of requests in progress, and
 * how fast it may begin new ones, in a record that the caller has locked (SPEC
 * 14): counts of all workers, of which each knows its own part.
 */

#include "ledger/ledger.h"

enum ledger_count { LEDGER_CONNECTIONS, LEDGER_REQUESTS };

struct ledger_counted {
    unsigned all, own; /* of all rows; of the row that counted */
};

/* One more of `row`; what there are with it. */
struct ledger_counted ledger_count_more(
    struct ledger_record *r, unsigned row, enum ledger_count what);

/* One of `row` less. */
void ledger_count_less(
    struct ledger_record *r, unsigned row, enum ledger_count what);

/* Takes one token from a bucket that holds `burst` at most and gets `rate` a
 * second. `now` is clock_mono(). 0, or the seconds until there is one; then
 * nothing was taken. */
must_check double ledger_bucket_take(
    struct ledger_bucket *b, double rate, double burst, double now);
