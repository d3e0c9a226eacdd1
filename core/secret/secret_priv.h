#pragma once

/*
 * The inside of a store: secret_store.c's, secret_watch.c's and
 * secret_change.c's.
 */

#include <dirent.h>

#include "base/id.h"
#include "base/list.h"
#include "base/map.h"
#include "secret/secret_source.h"

struct scan_sets;

/* Files that one dir: may hold: max_sandboxes' default (SPEC 14). */
#define SECRET_FILES_MAX 16384

/* One value; of a secret that is not per sandbox the id is empty. */
struct secret_item {
    struct map_node node; /* of slot->items, by id */
    struct list all;      /* of slot->all */
    struct secret_value value;
    bool is_refused; /* what was read last is not what is used */
    bool is_seen;    /* secret_change.c's, while it reads a directory again */
    char id[ID_MAX];
};

/* One secret of the conf. */
struct secret_slot {
    const struct secret_spec *spec;
    struct map items;
    struct list all;
    bool has_links; /* a name's bytes may lie elsewhere */
    bool is_dirty;  /* to be watched and read anew */
};

/* What events a slot's watch of a directory is for; those of the directory
 * itself always count. */
#define FOR_FILES 1 /* the file, or all files, stand in it */
#define FOR_NAMES 2 /* any name in it may lead there */

struct secret_watch {
    int wd;
    unsigned slot;
    unsigned what; /* FOR_… */
    bool is_stale;
};

struct secret_store {
    unsigned magic;
    struct list node; /* of all stores of the process */
    struct secret_slot *slots;
    unsigned n;
    unsigned changes;            /* secret_changes() */
    struct scan_sets *scan_sets; /* owned */
    int watch_fd, watch_errno;
    struct secret_watch *watches;
    unsigned n_watches;
};

#define SECRET_STORE_MAGIC 0x5ec4e75eu

/* NULL: there is none. */
struct secret_item *secret_item_find(
    const struct secret_slot *slot, struct str id);

/* Found or made; NULL when the slot is full. */
struct secret_item *secret_item_get(struct secret_slot *slot, struct str id);
void secret_item_free(struct secret_slot *slot, struct secret_item *item);

/* For logs: `secret "NAME"`, ` of sandbox "ID"` behind it; in `to`. */
#define SECRET_LABEL_MAX 256
const char *secret_label(
    const struct secret_slot *slot, struct str id, char to[SECRET_LABEL_MAX]);

/* Says so where a value that came is not worth looking for in responses. */
void secret_warn_weak(
    const struct secret_slot *slot, struct str id, struct str value);

/* Whether a name in a directory may be a sandbox's file. */
bool secret_is_entry(const struct dirent *e);

/* Opens the watch and adds all slots; before they are read, so that nothing
 * falls between. What fails is told by secret_watch_start(). */
void secret_watch_open(struct secret_store *s);
void secret_watch_close(struct secret_store *s);

/* All that one slot needs watched, and no more. -1 with errno. */
must_check int secret_watch_slot(struct secret_store *s, unsigned i);

/* The directory of an absolute path, of PATH_MAX bytes; "/" has itself. */
void secret_dirname(const char *path, char *to);

/* The message that makes a worker's value of `id` that one (none: missing), in
 * locked memory, to be freed. -1 with errno. */
must_check int secret_message_make(
    struct secret_value *out, unsigned index, struct str id, struct str value);
