#pragma once

/*
 * What the master remembers of sandboxes from one configuration to the next:
 * the serial, the index and the CA certificate of each id. An id that stays
 * keeps its CA. A serial is never used again; an index is used again once the
 * keeper has wiped the key. Configurations that drain may have sandboxes that
 * the current one does not have, so there may be more than its max_sandboxes.
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
    ROSTER_REFUSED   /* one of them will get none, or there is no keeper */
};

struct roster {
    unsigned magic;
    struct map by_id;
    uint64_t next_serial;
    struct ledger *ledger;
    unsigned n_records;       /* every index is below this */
    unsigned *free, n_free;   /* indexes that no member has */
    struct sandbox_set *set;  /* the set that is being enrolled; NULL: none */
    const struct sandbox *at; /* in `set`, the next to be asked for */
    bool is_refused;          /* ROSTER_REFUSED is the state */
    struct list asked; /* members about which the keeper was asked, in order */
    unsigned n_asked;
    double answer_by;    /* clock_mono(), for the first of them */
    struct list dropped; /* members that the keeper is to forget */
    struct list kept;    /* members that it failed to forget */
};

#define ROSTER_MAGIC 0x1057e10fu

/* The ledger must outlive the last sweep. */
void roster_init(struct roster *r, struct ledger *ledger);
void roster_fini(struct roster *r);

/* As many as the vault has records for. */
#define ROSTER_MAX (VAULT_SEGMENT * VAULT_SEGMENTS_MAX)

/* Allots an index to every sandbox of `set` that has none. -1 after a log line:
 * no index is left. */
must_check int roster_allot(struct roster *r, const struct sandbox_set *set);

/* Begins to ask for the certificates of all of `set`. Their indexes must be
 * allotted, and the vault must have files for them. Ends with roster_assign()
 * or roster_enrol_end(); `set` does not change until then. */
void roster_enrol(struct roster *r, struct sandbox_set *set);
enum roster_state roster_state(struct roster *r);

/* ROSTER_ENROLLED: gives every sandbox of the set its serial, index and
 * certificate. */
void roster_assign(struct roster *r);

/* Ends it, successful or not; what was declared stays for the next try. */
void roster_enrol_end(struct roster *r);

/* Asks the keeper what has to be asked: some at once, more when answers come.
 * -1 after a log line: the keeper takes no message, or is late (10 s since it
 * was asked or last answered). */
must_check int roster_run(struct roster *r, struct link *keeper);

/* Takes an answer of the keeper. -1 after a log line: it was out of turn, and
 * the caller must close the channel, since later answers would be taken for
 * answers to something else. */
must_check int roster_answer(struct roster *r, const struct chan_msg *m);

/* There is no keeper now: the set is refused; all else that was asked will be
 * asked of the next keeper. */
void roster_keeper_lost(struct roster *r);

/* When roster_run() is to be called at the latest, clock_mono(); 0: never. */
double roster_deadline(const struct roster *r);

/* Whether no set is being enrolled and no answer is awaited. */
bool roster_is_idle(const struct roster *r);

/* Writes DIR/ID.pem (RFC 7468) for each sandbox of `set`, which is enrolled: a
 * temporary file, then a rename. Makes the directory. -1 after a log line. */
must_check int roster_publish(
    struct roster *r, const struct sandbox_set *set, struct str dir);

/* Forgets members that are in none of the `n` sets: roster_run() tells the
 * keeper to wipe their keys, and then their files in `dir` are removed. What
 * fails is left for the next sweep. The roster must be idle. */
void roster_sweep(struct roster *r, struct sandbox_set *const *sets, unsigned n,
    struct str dir);
