#pragma once

/*
 * What is looked for in one sandbox's response from one host: the values of
 * some secrets, held in their locked memory, and the keys made of them. All
 * exchanges of a worker that look for the same values share one set, and the
 * last sets that no exchange has are kept for the next, so that a request
 * costs no keys and a stream that stays open no copy of them. What is kept so
 * goes with the next change of any secret.
 *
 * Called by modules/redact.c with the requests; by secret_store.c, which owns
 * all sets of its values, when these change.
 */

#include "base/list.h"
#include "base/map.h"
#include "redact/scan.h"
#include "secret/secret_store.h"

struct secret_spec;

/* Sets kept that no exchange has. One of a secret with 41 bytes is 4 KiB; of
 * many each has about 1 KiB, and 3 KiB at most if it has no more than a run. */
#define SCAN_SETS_KEPT 64

struct scan_set {
    unsigned magic;
    unsigned refs;
    unsigned n; /* of the keys, no two the same; in their order: */
    const struct secret_spec **secrets;
    struct str *texts;
    unsigned n_asked; /* as they were asked for, in that order: */
    const struct secret_spec **asked_by;
    struct str *asked;
    struct secret_value *held;
    struct redact_keys keys;
    struct secret_store *store;
    bool is_newest;       /* its values were the newest of the store ... */
    unsigned changes;     /* ... after so many changes */
    struct map_node node; /* by `asked`: where the values lie */
    struct list kept;
};

/* The set of what `first` has (NULL: nothing), then of the values that
 * `secrets` have now for the sandbox (its id) and that are not there yet.
 * Values that are not worth it (redact/worth.h) are not looked for; it may be
 * empty. For scan_set_put(). */
struct scan_set *scan_set_get(struct secret_store *s,
    const struct scan_set *first, const struct secret_spec *const *secrets,
    unsigned n, struct str sandbox);

struct scan_set *scan_set_ref(struct scan_set *set);
void scan_set_put(struct scan_set *set); /* NULL is fine */

/* All sets of one store; it is the store's. */
struct scan_sets;

struct scan_sets *scan_sets_new(void);
void scan_sets_free(struct scan_sets *sets); /* no exchange has one */

/* Frees those that no exchange has. */
void scan_sets_forget(struct scan_sets *sets);

/* How many those are, for tests. */
unsigned scan_sets_kept(const struct secret_store *s);
