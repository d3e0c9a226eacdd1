#pragma once

/*
 * How many connections and requests a sandbox has at a time, and how fast it
 * may begin new requests (SPEC 14). The caller has locked the record. The
 * counts are over all workers; each worker changes its own share of them.
 */

#include "ledger/ledger.h"

enum ledger_count { LEDGER_CONNECTIONS, LEDGER_REQUESTS };

struct ledger_counted {
    unsigned all; /* of all rows */
    unsigned own; /* of the row that asked */
};

/* Counts one more of `row`; the counts with it. */
struct ledger_counted ledger_count_more(
    struct ledger_record *r, unsigned row, enum ledger_count what);

/* Counts one of `row` less. */
void ledger_count_less(
    struct ledger_record *r, unsigned row, enum ledger_count what);

/* Takes one token from a bucket that holds at most `burst` tokens and gets
 * `rate` tokens a second. `now` is clock_mono(). 0: it was taken. Otherwise
 * nothing was taken, and the result is the seconds until there is a token. */
must_check double ledger_bucket_take(
    struct ledger_bucket *b, double rate, double burst, double now);
