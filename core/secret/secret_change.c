/*
 * Turns the events of watched directories into new values: decides what must be
 * read, reads it, and tells the workers of each value that has changed. A file
 * that is being written is not read before its writer closes it. Bytes that are
 * no valid value leave the old value in place.
 */

#include "secret/secret_store.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/id.h"
#include "base/log.h"
#include "secret/secret_priv.h"

/* Events that say that the watched directory itself was moved or removed. */
#define MASK_SELF                                                              \
    (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED | IN_Q_OVERFLOW)

#define READS_MAX 64 /* in one run, so that the master is not kept busy */

/* One secret_watch_run(), and its callback. */
struct run {
    struct secret_store *store;
    void (*on_change)(void *arg, struct str message);
    void *arg;
};

static struct str
basename_of(struct str path)
{
    size_t at = path.n;
    while (at != 0 && path.p[at - 1] != '/') {
        at--;
    }
    return str_skip(path, at);
}

/* Tells the workers. False: it could not, and has logged why. */
static bool
tell(struct run *run, unsigned i, struct str id, struct str value)
{
    struct secret_value message;
    char label[SECRET_LABEL_MAX];
    secret_label(&run->store->slots[i], id, label);
    if (secret_message_make(&message, i, id, value) != 0) {
        log_errno(LOG_ERR, errno, "%s keeps its value", label);
        return false;
    }
    if (value.p != NULL) {
        log_at(LOG_NOTICE, "%s has changed", label);
    } else {
        log_at(LOG_WARN, "%s is missing now; it is declared in %.*s", label,
            STR_ARG(run->store->slots[i].spec->place));
    }
    run->on_change(run->arg, secret_value_str(&message));
    secret_value_free(&message);
    return true;
}

/* `v`, which it takes, is the value from now on (p NULL: it is missing). */
static void
settle(struct run *run, unsigned i, struct str id, struct secret_value *v)
{
    struct secret_slot *slot = &run->store->slots[i];
    struct secret_item *item =
        v->p != NULL ? secret_item_get(slot, id) : secret_item_find(slot, id);
    char label[SECRET_LABEL_MAX];
    if (item == NULL) {
        if (v->p != NULL) {
            log_at(LOG_ERR, "%s: too many files in its directory",
                secret_label(slot, id, label));
        }
        secret_value_free(v);
        return;
    }
    struct str value = secret_value_str(v),
               old = secret_value_str(&item->value);
    bool is_same = (old.p == NULL) == (value.p == NULL) && str_eq(old, value);
    if (!is_same && !tell(run, i, id, value)) {
        secret_value_free(v);
        return;
    }
    if (value.p == NULL) {
        secret_item_free(slot, item);
        return;
    }
    if (!is_same) {
        secret_warn_weak(slot, id, value);
    }
    secret_value_free(&item->value);
    item->value = *v;
    item->is_refused = false;
}

/* Reads one file again. Bytes that are no valid value leave the old value. */
static void
reread(struct run *run, unsigned i, struct str id)
{
    struct secret_slot *slot = &run->store->slots[i];
    struct secret_reading r;
    char label[SECRET_LABEL_MAX];
    enum secret_read how = secret_read(slot->spec, id, &r);
    slot->has_links = slot->has_links || r.is_link;
    if (how == SECRET_READ || how == SECRET_MISSING) {
        settle(run, i, id, &r.value);
        return;
    }
    struct secret_item *item = secret_item_get(slot, id);
    bool has_value = item != NULL && item->value.p != NULL;
    log_at(LOG_ERR, "%s: %s in %.*s%s", secret_label(slot, id, label), r.why,
        STR_ARG(slot->spec->place),
        has_value ? ", the value before it stays" : "");
    if (item != NULL) {
        item->is_refused = true;
    }
}

static void
forget_unseen(struct run *run, unsigned i)
{
    struct secret_slot *slot = &run->store->slots[i];
    struct list *next;
    for (struct list *l = slot->all.next; l != &slot->all; l = next) {
        struct secret_item *item = container_of(l, struct secret_item, all);
        struct secret_value none = { NULL, 0 };
        next = l->next;
        if (!item->is_seen) {
            settle(run, i, item->node.key, &none);
        }
    }
}

static void
reread_dir(struct run *run, unsigned i)
{
    struct secret_slot *slot = &run->store->slots[i];
    DIR *dir = opendir(slot->spec->from.p);
    if (dir == NULL && errno != ENOENT && errno != ENOTDIR) {
        log_errno(
            LOG_ERR, errno, "\"%s\" cannot be opened", slot->spec->from.p);
        return;
    }
    for (struct list *l = slot->all.next; l != &slot->all; l = l->next) {
        container_of(l, struct secret_item, all)->is_seen = false;
    }
    slot->has_links = false;
    struct dirent *e = dir != NULL ? readdir(dir) : NULL;
    for (; e != NULL; e = readdir(dir)) {
        struct str id = str_of(e->d_name);
        if (!secret_is_entry(e)) {
            continue;
        }
        reread(run, i, id);
        struct secret_item *item = secret_item_find(slot, id);
        if (item != NULL) {
            item->is_seen = true;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    forget_unseen(run, i);
}

/* Whether it is a regular file with a single name. When such a file is created,
 * somebody writes it, and the end of that is an event of its own. */
static bool
is_new_file(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1;
}

/* Whether the event makes it necessary to read. */
static bool
is_worth_reading(const struct secret_slot *slot, const struct secret_watch *w,
    const struct inotify_event *e)
{
    const struct secret_spec *d = slot->spec;
    struct str name = str_of(e->name);
    char path[PATH_MAX];
    if (e->mask & IN_ATTRIB) {
        /* it may be readable now */
        const struct secret_item *item =
            secret_item_find(slot, d->source == SECRET_DIR ? name : STR_NONE);
        return item == NULL || item->is_refused;
    }
    if (!(e->mask & IN_CREATE) || (e->mask & IN_ISDIR)) {
        return true;
    }
    if (w->what & FOR_FILES) {
        secret_dirname(d->from.p, path);
        const char *dir = d->source == SECRET_DIR ? d->from.p : path;
        char file[PATH_MAX + 256];
        snprintf(file, sizeof file, "%s/%s", dir, e->name);
        return !is_new_file(file);
    }
    return realpath(d->from.p, path) == NULL ||
           !str_eq(basename_of(str_of(path)), name) || !is_new_file(path);
}

static void
slot_event(struct run *run, const struct secret_watch *w,
    const struct inotify_event *e)
{
    struct secret_slot *slot = &run->store->slots[w->slot];
    if ((e->mask & MASK_SELF) || e->len == 0) {
        slot->is_dirty = true;
        return;
    }
    const struct secret_spec *d = slot->spec;
    struct str name = str_of(e->name);
    bool is_own =
        (w->what & FOR_FILES) &&
        (d->source == SECRET_DIR ? id_is_valid(name)
                                 : str_eq(basename_of(d->from), name));
    bool is_way =
        (w->what & FOR_NAMES) || ((w->what & FOR_FILES) && slot->has_links);
    if ((!is_own && !is_way) || !is_worth_reading(slot, w, e)) {
        return;
    }
    if (is_own && d->source == SECRET_DIR) {
        reread(run, w->slot, name);
    } else {
        slot->is_dirty = true;
    }
}

static void
on_event(struct run *run, const struct inotify_event *e)
{
    struct secret_store *s = run->store;
    for (unsigned i = 0; i < s->n && (e->mask & IN_Q_OVERFLOW); i++) {
        s->slots[i].is_dirty = true;
    }
    for (unsigned i = 0; i < s->n_watches;) {
        if (s->watches[i].wd != e->wd) {
            i++;
            continue;
        }
        slot_event(run, &s->watches[i], e);
        if (e->mask & IN_IGNORED) {
            s->watches[i] = s->watches[--s->n_watches];
        } else {
            i++;
        }
    }
}

static void
drain(struct run *run)
{
    _Alignas(struct inotify_event) char bytes[16384];
    for (int i = 0; i < READS_MAX; i++) {
        ssize_t n = read(run->store->watch_fd, bytes, sizeof bytes);
        for (const char *at = bytes; n > 0 && at < bytes + n;) {
            const struct inotify_event *e = (const void *)at;
            on_event(run, e);
            at += sizeof *e + e->len;
        }
        if (n <= 0) {
            return;
        }
    }
}

void
secret_watch_run(struct secret_store *s,
    void (*on_change)(void *arg, struct str message), void *arg)
{
    CHECK(s, SECRET_STORE_MAGIC);
    struct run run = { s, on_change, arg };
    char label[SECRET_LABEL_MAX];
    if (s->watch_fd < 0) {
        return;
    }
    drain(&run);
    for (unsigned i = 0; i < s->n; i++) {
        struct secret_slot *slot = &s->slots[i];
        if (!slot->is_dirty || slot->spec->source == SECRET_ENV) {
            continue;
        }
        slot->is_dirty = false;
        /* the watch comes first, so that no change is missed */
        if (secret_watch_slot(s, i) != 0) {
            log_errno(LOG_ERR, errno, "%s cannot be watched",
                secret_label(slot, STR_NONE, label));
        }
        if (slot->spec->source == SECRET_DIR) {
            reread_dir(&run, i);
        } else {
            slot->has_links = false;
            reread(&run, i, STR_NONE);
        }
    }
}
