#pragma once

/*
 * The inside of a store, which secret_store.c, secret_watch.c and
 * secret_change.c share.
 */

#include <dirent.h>

#include "base/id.h"
#include "base/list.h"
#include "base/map.h"
#include "secret/secret_source.h"

struct scan_sets;

/* The most files of one dir: the default of max_sandboxes (SPEC 14). */
#define SECRET_FILES_MAX 16384

/* One value. Its id is a sandbox's, or empty if the secret is not per sandbox.
 */
struct secret_item {
    struct map_node node; /* in slot->items, by id */
    struct list all;      /* in slot->all */
    struct secret_value value;
    bool is_refused; /* the bytes that were read last were not taken */
    bool is_seen;    /* for secret_change.c, while it reads a directory again */
    char id[ID_MAX];
};

/* One secret of the conf. */
struct secret_slot {
    const struct secret_spec *spec;
    struct map items;
    struct list all;
    bool has_links; /* a file's name may be a link to another directory */
    bool is_dirty;  /* must be watched and read anew */
};

/* Which events in a watched directory concern a slot; those of the directory
 * itself always do. */
#define FOR_FILES 1 /* the slot's file, or its files, are in the directory */
#define FOR_NAMES 2 /* any name in it may be on the way to them */

struct secret_watch {
    int wd;
    unsigned slot;
    unsigned what; /* FOR_… */
    bool is_stale;
};

struct secret_store {
    unsigned magic;
    struct list node; /* in the list of all stores of the process */
    struct secret_slot *slots;
    unsigned n;
    unsigned changes;            /* secret_changes() */
    struct scan_sets *scan_sets; /* owned */
    int watch_fd, watch_errno;
    struct secret_watch *watches;
    unsigned n_watches;
};

#define SECRET_STORE_MAGIC 0x5ec4e75eu

/* The item of that id; NULL: none. */
struct secret_item *secret_item_find(
    const struct secret_slot *slot, struct str id);

/* Finds or makes the item of that id; NULL: the slot is full. */
struct secret_item *secret_item_get(struct secret_slot *slot, struct str id);
void secret_item_free(struct secret_slot *slot, struct secret_item *item);

/* For logs: `secret "NAME"`, or `secret "NAME" of sandbox "ID"`; in `to`. */
#define SECRET_LABEL_MAX 256
const char *secret_label(
    const struct secret_slot *slot, struct str id, char to[SECRET_LABEL_MAX]);

/* Warns if a value that is looked for in responses is not worth_looking_for().
 */
void secret_warn_weak(
    const struct secret_slot *slot, struct str id, struct str value);

/* Whether a name in a directory may be a sandbox's file. */
bool secret_is_entry(const struct dirent *e);

/* Opens the watch and adds all slots. Called before the files are read, so that
 * no change is missed between the two. secret_watch_start() reports what
 * fails. */
void secret_watch_open(struct secret_store *s);
void secret_watch_close(struct secret_store *s);

/* Makes the watches of one slot those that it needs now. -1 with errno. */
must_check int secret_watch_slot(struct secret_store *s, unsigned i);

/* Writes the directory of an absolute path to `to`, PATH_MAX bytes. That of "/"
 * is "/". */
void secret_dirname(const char *path, char *to);

/* Makes the message by which the value of `id` becomes `value` in a worker (p
 * NULL: missing). It is in locked memory, and the caller frees it. -1 with
 * errno. */
must_check int secret_message_make(
    struct secret_value *out, unsigned index, struct str id, struct str value);
