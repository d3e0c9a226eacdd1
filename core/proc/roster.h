#pragma once

/*
 * What the master remembers of sandboxes from one configuration to the next:
 * the serial, the index and the CA certificate of each id. An id that stays
 * keeps its CA; a serial is never used again, an index is once the keeper has
 * wiped the key. Configurations that drain have sandboxes beside those of the
 * one that serves, so there may be more than its max_sandboxes.
 */

#include "base/list.h"
#include "base/map.h"
#include "keeper/vault.h"

struct chan_msg;
struct ledger;
struct link;
struct sandbox_set;

enum roster_state {
    ROSTER_ASKS,     /* an answer is awaited */
    ROSTER_ENROLLED, /* all of the set have their certificates */
    ROSTER_REFUSED   /* one of them will have none, or the keeper is gone */
};

struct roster {
    unsigned magic;
    struct map by_id;
    uint64_t next_serial;
    struct ledger *ledger;
    unsigned n_records;       /* every index is below */
    unsigned *free, n_free;   /* indexes that nobody has */
    struct sandbox_set *set;  /* that is being enrolled; NULL: none */
    const struct sandbox *at; /* of it, the next to be asked for */
    bool is_refused;          /* roster_state() */
    struct list asked; /* members that an answer is awaited of, in its order */
    unsigned n_asked;
    double answer_by;    /* clock_mono(): the first of them */
    struct list dropped; /* members that the keeper is to forget */
    struct list kept;    /* of those the ones that it did not forget */
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

/* Begins to ask for the certificates of all of `set`, which have indexes that
 * the vault has a file for; ends with roster_assign() or roster_enrol_end().
 * `set` does not change until then. */
void roster_enrol(struct roster *r, struct sandbox_set *set);
enum roster_state roster_state(struct roster *r);

/* ROSTER_ENROLLED: gives every sandbox of the set its serial, index and
 * certificate. */
void roster_assign(struct roster *r);

/* Whatever came of it; what was declared stays for the next try. */
void roster_enrol_end(struct roster *r);

/* Sends to the keeper what there is to ask: some at once, more as the answers
 * come. -1 after a log line, as roster_answer(): it takes nothing, or is late
 * (10 s since it was asked or last answered). */
must_check int roster_run(struct roster *r, struct link *keeper);

/* What the keeper says. -1 after a log line: it answers out of turn, and is to
 * be hung up on, since what it says later would be taken for the answer to
 * something else. */
must_check int roster_answer(struct roster *r, const struct chan_msg *m);

/* There is no keeper now: what was asked is asked again of the next one, but
 * the set is refused. */
void roster_keeper_lost(struct roster *r);

/* When roster_run() is to be called at the latest, clock_mono(); 0: never. */
double roster_deadline(const struct roster *r);

/* Nothing is being enrolled, no answer awaited. */
bool roster_is_idle(const struct roster *r);

/* Writes DIR/ID.pem (RFC 7468) for each of `set`, which is enrolled, by a
 * temporary file and a rename; makes the directory. -1 after a log line. */
must_check int roster_publish(
    struct roster *r, const struct sandbox_set *set, struct str dir);

/* Forgets those that are in none of the `n` sets: roster_run() tells the keeper
 * to wipe their keys, and then their files in `dir` are removed. What fails is
 * left for the next sweep. The roster is idle. */
void roster_sweep(struct roster *r, struct sandbox_set *const *sets, unsigned n,
    struct str dir);
