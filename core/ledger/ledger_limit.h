#pragma once

/*
 * How many connections and requests a sandbox has at a time, and how fast it
 * may begin new requests (SPEC 14). The caller has locked the record. The
 * counts are over all workers; each worker changes its own share of them.
 *
 * How many there may be is not in the record: each worker compares the count
 * with the limit of the policy that it goes by itself. So a worker of an older
 * configuration, which drains, cannot set a limit back, and a limit may become
 * lower; what is more than a lower one goes on, and nothing is added to it. The
 * level of a bucket is what the rates of all workers act on: these are ordered
 * by revision.
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

struct ledger_rate {
    double rate;       /* tokens a second; more than 0 */
    double burst;      /* at most so many are saved up; at least 1 */
    uint64_t revision; /* that says so, to LEDGER_REVISION_MAX */
};

/* Takes one token. `now` is clock_mono(). 0: it was taken. Otherwise nothing
 * was taken, and the result is the seconds until there is a token. Of a
 * revision that is older than the bucket's it changes nothing but to take the
 * token. */
must_check double ledger_bucket_take(
    struct ledger_bucket *b, const struct ledger_rate *r, double now);
