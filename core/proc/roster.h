#pragma once

/*
 * What the master remembers of sandboxes from one configuration to the next:
 * the serial, the record in the vault and the CA certificate of each id. An id
 * that stays keeps its CA; a serial is never used again.
 */

#include "base/map.h"

struct sandbox_set;

struct roster {
    unsigned magic;
    struct map by_id;
    uint64_t next_serial;
};

#define ROSTER_MAGIC 0x1057e10fu

void roster_init(struct roster *r);
void roster_fini(struct roster *r);

/* Gives every sandbox of `set` its serial, record and certificate; new ones
 * are declared to the keeper on `chan`, whose answer is waited for (10 s,
 * each). -1 after a log line; what was declared stays for the next try. A
 * keeper that is late or answers out of turn is hung up on: what it says later
 * would be taken for the answer to something else. */
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
