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
#include "sandbox/secret_store.h"

struct secret_def;

/* Sets kept that no exchange has. One of a secret with 41 bytes is 4 KiB; of
 * many each has about 1 KiB, and 3 KiB at most if it has no more than a run. */
#define ECHO_SETS_KEPT 64

struct echo_set {
    unsigned magic;
    unsigned refs;
    unsigned n; /* of the keys, no two the same; in their order: */
    const struct secret_def **secrets;
    struct str *texts;
    unsigned n_asked; /* as they were asked for, in that order: */
    const struct secret_def **asked_by;
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
 * `secrets` have now for the sandbox and that are not there yet. Values that
 * are not worth it (redact/worth.h) are not looked for; it may be empty. For
 * echo_set_put(). */
struct echo_set *echo_set_get(struct secret_store *s,
    const struct echo_set *first, const struct secret_def *const *secrets,
    unsigned n, const struct sandbox *sandbox);

struct echo_set *echo_set_ref(struct echo_set *set);
void echo_set_put(struct echo_set *set); /* NULL is fine */

/* All sets of one store; it is the store's. */
struct echo_sets;

struct echo_sets *echo_sets_new(void);
void echo_sets_free(struct echo_sets *sets); /* no exchange has one */

/* Frees those that no exchange has. */
void echo_sets_forget(struct echo_sets *sets);

/* How many those are, for tests. */
unsigned echo_sets_kept(const struct secret_store *s);
