/*
 * Chooses the directories that are watched, by inotify, for the files of
 * secrets. A new file that is renamed to the name, a link that is changed, and
 * a directory that is removed and made again must all be seen. secret_change.c
 * decides what the events mean.
 */

#include "secret/secret_store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "secret/secret_priv.h"

#define MASK                                                                   \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE |    \
        IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)

#define LINKS_MAX 40 /* the kernel's own limit */

void
secret_dirname(const char *path, char *to)
{
    snprintf(to, PATH_MAX, "%s", path);
    char *slash = strrchr(to, '/');
    AN(slash != NULL);
    slash[slash == to] = '\0';
}

/* Watches a directory for a slot; -1 with errno. All slots share the kernel's
 * watch of a directory, so the events of one are added to those of others. */
static int
watch_add(struct secret_store *s, unsigned slot, const char *dir, unsigned what)
{
    uint32_t mask = what != 0 ? MASK : IN_DELETE_SELF | IN_MOVE_SELF;
    int wd =
        inotify_add_watch(s->watch_fd, dir, mask | IN_ONLYDIR | IN_MASK_ADD);
    if (wd < 0) {
        return -1;
    }
    struct secret_watch *w = NULL;
    for (unsigned i = 0; i < s->n_watches && w == NULL; i++) {
        bool is_it = s->watches[i].wd == wd && s->watches[i].slot == slot;
        w = is_it ? &s->watches[i] : NULL;
    }
    if (w == NULL) {
        s->watches = xgrow(s->watches, s->n_watches, sizeof *s->watches);
        w = &s->watches[s->n_watches++];
        *w = (struct secret_watch){ .wd = wd, .slot = slot };
    }
    w->what = w->is_stale ? what : w->what | what;
    w->is_stale = false;
    return 0;
}

static bool
is_shortage(int err)
{
    return err == ENOSPC || err == ENOMEM;
}

/* Watches the directory; while it does not exist, the nearest one above it. */
static int
watch_nearest(
    struct secret_store *s, unsigned slot, const char *target, unsigned what)
{
    char dir[PATH_MAX], missing[PATH_MAX];
    struct stat st;
    for (int tries = 0; tries < 16; tries++) {
        snprintf(dir, sizeof dir, "%s", target);
        missing[0] = '\0';
        while (watch_add(s, slot, dir, missing[0] == '\0' ? what : FOR_NAMES) !=
               0) {
            if (is_shortage(errno) || dir[1] == '\0') {
                return -1;
            }
            snprintf(missing, sizeof missing, "%s", dir);
            secret_dirname(missing, dir);
        }
        /* it may have been made before its parent was watched */
        if (missing[0] == '\0' || stat(missing, &st) != 0 ||
            !S_ISDIR(st.st_mode)) {
            return 0;
        }
    }
    return 0;
}

/* Watches the directories on a path: for a link on it, the directory that has
 * the link, as a change of the link is no event in the directory that it led
 * to; others, as they may be renamed. */
static int
watch_parts(struct secret_store *s, unsigned slot, const char *path)
{
    char part[PATH_MAX], dir[PATH_MAX];
    struct stat st;
    int r = 0;
    for (size_t i = 1; i <= strlen(path) && r == 0; i++) {
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        snprintf(part, sizeof part, "%.*s", (int)i, path);
        if (lstat(part, &st) != 0) {
            break;
        }
        if (S_ISLNK(st.st_mode)) {
            secret_dirname(part, dir);
            r = watch_add(s, slot, dir, FOR_NAMES);
        } else if (S_ISDIR(st.st_mode)) {
            r = watch_add(s, slot, part, 0);
        }
    }
    return r == 0 || !is_shortage(errno) ? 0 : -1;
}

/* The path that the link `path` names; false: it is no link. */
static bool
link_follow(const char *path, char to[PATH_MAX])
{
    char link[PATH_MAX], dir[PATH_MAX];
    ssize_t n = readlink(path, link, sizeof link - 1);
    if (n <= 0) {
        return false;
    }
    link[n] = '\0';
    secret_dirname(path, dir);
    int all = link[0] == '/' ? snprintf(to, PATH_MAX, "%s", link)
                             : snprintf(to, PATH_MAX, "%s/%s", dir, link);
    return all < PATH_MAX;
}

/* Watches the way to the path, and to where its links lead in the end, whether
 * that exists or not. */
static int
watch_way(struct secret_store *s, unsigned slot, const char *path)
{
    char at[PATH_MAX], next[PATH_MAX], dir[PATH_MAX];
    snprintf(at, sizeof at, "%s", path);
    int r = watch_parts(s, slot, at);
    for (int hops = 0; hops < LINKS_MAX && r == 0; hops++) {
        if (!link_follow(at, next)) {
            break;
        }
        snprintf(at, sizeof at, "%s", next);
        secret_dirname(at, dir);
        r = watch_nearest(s, slot, dir, FOR_NAMES);
        if (r == 0) {
            r = watch_parts(s, slot, at);
        }
    }
    return r;
}

static bool
is_watched(const struct secret_store *s, int wd)
{
    for (unsigned i = 0; i < s->n_watches; i++) {
        if (s->watches[i].wd == wd) {
            return true;
        }
    }
    return false;
}

static void
drop_stale(struct secret_store *s)
{
    for (unsigned i = 0; i < s->n_watches;) {
        int wd = s->watches[i].wd;
        if (!s->watches[i].is_stale) {
            i++;
            continue;
        }
        s->watches[i] = s->watches[--s->n_watches];
        if (!is_watched(s, wd)) {
            inotify_rm_watch(s->watch_fd, wd);
        }
    }
}

int
secret_watch_slot(struct secret_store *s, unsigned i)
{
    char target[PATH_MAX];
    const struct secret_spec *d = s->slots[i].spec;
    if (d->source == SECRET_ENV) {
        return 0;
    }
    if (d->from.n >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (d->source == SECRET_DIR) {
        snprintf(target, sizeof target, "%s", d->from.p);
    } else {
        secret_dirname(d->from.p, target);
    }
    for (unsigned k = 0; k < s->n_watches; k++) {
        s->watches[k].is_stale |= s->watches[k].slot == i;
    }
    int r = watch_nearest(s, i, target, FOR_FILES);
    if (r == 0) {
        r = watch_way(s, i, d->from.p);
    }
    int err = errno;
    drop_stale(s);
    errno = err;
    return r;
}

void
secret_watch_open(struct secret_store *s)
{
    bool is_needed = false;
    for (unsigned i = 0; i < s->n; i++) {
        is_needed = is_needed || s->slots[i].spec->source != SECRET_ENV;
    }
    if (!is_needed) {
        return;
    }
    s->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    for (unsigned i = 0; s->watch_fd >= 0 && i < s->n; i++) {
        if (secret_watch_slot(s, i) != 0) {
            s->watch_errno = errno;
            secret_watch_close(s);
            return;
        }
    }
    s->watch_errno = s->watch_fd < 0 ? errno : 0;
}

/* Only closes the descriptor: in a child, the watches behind it are still the
 * master's. */
void
secret_watch_close(struct secret_store *s)
{
    if (s->watch_fd >= 0) {
        close(s->watch_fd);
    }
    s->watch_fd = -1;
    xfree(s->watches);
    s->watches = NULL;
    s->n_watches = 0;
}

int
secret_watch_start(struct secret_store *s)
{
    CHECK(s, SECRET_STORE_MAGIC);
    errno = s->watch_errno;
    return s->watch_fd;
}

int
secret_watch_fd(const struct secret_store *s)
{
    CHECK(s, SECRET_STORE_MAGIC);
    return s->watch_fd;
}
