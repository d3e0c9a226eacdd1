#pragma once

/*
 * What a scan looks for in the response of one host to one sandbox: the values
 * of some secrets, which are held in their locked memory, and the keys made of
 * them. All exchanges of a worker that look for the same values share one set:
 * so a stream that stays open needs no keys of its own. Some sets that no
 * exchange uses any more are kept for later ones, so that a request need not
 * make keys; these are freed when any secret changes.
 *
 * modules/redact.c gets sets for requests. secret_store.c owns all sets of its
 * values, and calls when these change.
 */

#include "base/list.h"
#include "base/map.h"
#include "redact/scan.h"
#include "secret/secret_store.h"

struct secret_spec;

/* So many sets are kept that no exchange uses. A set of one secret with 41
 * bytes takes 4 KiB; a set of many takes about 1 KiB for each secret, at most 3
 * KiB if each is a single run. */
#define SCAN_SETS_KEPT 64

struct scan_set {
    unsigned magic;
    unsigned refs;
    unsigned n; /* values without repeats, in the order of the keys: */
    const struct secret_spec **secrets;
    struct str *texts;
    unsigned n_asked; /* values as they were asked for, in that order: */
    const struct secret_spec **asked_by;
    struct str *asked;
    struct secret_value *held;
    struct redact_keys keys;
    struct secret_store *store;
    bool is_newest;       /* its values were the newest of the store when ... */
    unsigned changes;     /* ... secret_changes() was this */
    struct map_node node; /* by the addresses of the values in `asked` */
    struct list kept;
};

/* The set with the values of `first` (NULL: none), then with those that the `n`
 * secrets have now for the sandbox of that id. A value that is there already is
 * not added; one that is not worth_looking_for() is not either. The set may be
 * empty. The caller gives it back by scan_set_put(). */
struct scan_set *scan_set_get(struct secret_store *s,
    const struct scan_set *first, const struct secret_spec *const *secrets,
    unsigned n, struct str sandbox);

struct scan_set *scan_set_ref(struct scan_set *set);
void scan_set_put(struct scan_set *set); /* NULL is fine */

/* All sets of one store, which owns them. */
struct scan_sets;

struct scan_sets *scan_sets_new(void);
void scan_sets_free(struct scan_sets *sets); /* no exchange uses one */

/* Frees the sets that no exchange uses. */
void scan_sets_forget(struct scan_sets *sets);

/* For tests: how many sets are kept that no exchange uses. */
unsigned scan_sets_kept(const struct secret_store *s);
