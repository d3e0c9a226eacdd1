#pragma once

/*
 * What the master remembers of sandboxes from one configuration to the next:
 * the serial, the index and the CA certificate of each id. An id that stays
 * keeps its CA; a serial is never used again, an index is once the keeper has
 * wiped the key. Configurations that drain have sandboxes beside those of the
 * one that serves, so there may be more than its max_sandboxes.
 */

#include "base/map.h"
#include "keeper/vault.h"

struct ledger;
struct sandbox_set;

struct roster {
    unsigned magic;
    struct map by_id;
    uint64_t next_serial;
    struct ledger *ledger;
    unsigned n_records;     /* every index is below */
    unsigned *free, n_free; /* indexes that nobody has */
};

#define ROSTER_MAGIC 0x1057e10fu

/* The ledger outlives the last sweep. */
void roster_init(struct roster *r, struct ledger *ledger);
void roster_fini(struct roster *r);

/* As many as the vault has records for. */
#define ROSTER_MAX (VAULT_SEGMENT * VAULT_SEGMENTS_MAX)

/* Allots an index to every sandbox of `set` that has none. -1 after a log line:
 * there is none left. */
must_check int roster_allot(struct roster *r, const struct sandbox_set *set);

/* Gives every sandbox of `set`, which has an index that the vault has a file
 * for, its serial and certificate; new ones are declared to the keeper on
 * `chan`, whose answer is waited for (10 s, each). -1 after a log line; what
 * was declared stays for the next try. A keeper that is late or answers out of
 * turn is hung up on: what it says later would be taken for the answer to
 * something else. */
must_check int roster_enrol(
    struct roster *r, int chan, struct sandbox_set *set);

/* Writes DIR/ID.pem (RFC 7468) for each of `set`, which is enrolled, by a
 * temporary file and a rename; makes the directory. -1 after a log line. */
must_check int roster_publish(
    struct roster *r, const struct sandbox_set *set, struct str dir);

/* Forgets those that are in none of the `n` sets: tells the keeper to wipe
 * their keys, and removes their files. What fails is left for the next sweep.
 */
void roster_sweep(struct roster *r, int chan, struct sandbox_set *const *sets,
    unsigned n, struct str dir);
