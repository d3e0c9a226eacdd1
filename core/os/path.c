/*
 * Opens files relative to descriptors of directories, so that what was checked
 * is what is opened. Called by proc/, by proxy/ for its logs, and by sock.c.
 */

#include "os/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/log.h"

#define TRIES_MAX 8
#define LINKS_MAX 8
#define LOG_FLAGS (O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY)
#define LOG_MODE 0640

int
path_stream(struct str name)
{
    static const char *const names[][4] = {
        { "stdout", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1" },
        { "stderr", "/dev/stderr", "/dev/fd/2", "/proc/self/fd/2" },
    };
    for (size_t i = 0; i < LEN(names); i++) {
        for (size_t k = 0; k < LEN(names[i]); k++) {
            if (str_eq(name, str_of(names[i][k]))) {
                return i == 0 ? STDOUT_FILENO : STDERR_FILENO;
            }
        }
    }
    return -1;
}

bool
path_is_foreign(const struct stat *st)
{
    return st->st_uid != 0 && st->st_uid != geteuid();
}

/* The group of this user has no other member as a rule. Root trusts no group
 * but 0. */
bool
path_is_open(const struct stat *st)
{
    bool is_own_group =
        st->st_gid == 0 || (geteuid() != 0 && st->st_gid == getegid());
    return path_is_foreign(st) || (st->st_mode & S_IWOTH) != 0 ||
           ((st->st_mode & S_IWGRP) != 0 && !is_own_group);
}

/* The length of the directory in a path, with its slash. */
static size_t
directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? (size_t)(slash - path) + 1 : 0;
}

bool
path_temporary(const char *path, char *to, size_t size)
{
    uint32_t number;
    AN(size != 0);
    random_bytes(&number, sizeof number);
    int n = snprintf(to, size, "%.*s.weir-%08x", (int)directory_length(path),
        path, (unsigned)number);
    errno = ENAMETOOLONG;
    return n > 0 && (size_t)n < size;
}

/* How far a path was followed: an open directory, and a name in it. */
struct place {
    int dir;
    bool is_open; /* others may write it */
    const char *name;
};

static int
refuse(const char *path, const char *what)
{
    log_at(
        LOG_EMERG, "\"%s\" %s, and others may write its directory", path, what);
    errno = EPERM;
    return -1;
}

/* Whether others may replace an entry of the directory. With the sticky bit
 * only its owner may. */
static bool
is_swappable(int dir)
{
    struct stat st;
    return fstat(dir, &st) != 0 || path_is_foreign(&st) ||
           (path_is_open(&st) && (st.st_mode & S_ISVTX) == 0);
}

/* Opens the directory `name` in `dir`. With `follows` a link is followed if it
 * is ours and nobody else can have made it. */
static int
open_step(int dir, const char *name, bool follows, const char *path)
{
    struct stat st;
    int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    int fd = openat(dir, name, flags | O_NOFOLLOW);
    if (fd >= 0 || errno != ENOTDIR) {
        return fd;
    }
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return -1;
    }
    if (S_ISLNK(st.st_mode) && (!follows || path_is_foreign(&st))) {
        return refuse(path, "has a link on its way");
    }
    return openat(dir, name, flags);
}

/* Opens the directory of a path, one step after another: who can write a
 * directory on the way cannot lead elsewhere by a link there. */
static int
open_directory(const char *path)
{
    char name[PATH_MAX];
    struct str rest = str_n(path, directory_length(path)), step;
    bool follows = true;
    if (rest.n >= sizeof name) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int dir =
        open(path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (dir >= 0 && str_cut(&rest, '/', &step)) {
        if (step.n == 0) {
            continue;
        }
        AN(step.n < sizeof name); /* `name` has room for the whole path */
        memcpy(name, step.p, step.n);
        name[step.n] = '\0';
        follows = follows && !is_swappable(dir);
        int next = open_step(dir, name, follows, path);
        int err = errno;
        close(dir);
        errno = err;
        dir = next;
    }
    return dir;
}

/* Writes the text to a new file; -1 with errno. */
static int
write_new(int dir, const char *name, struct str text, mode_t mode)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    AN(dir >= 0);
    int fd = openat(dir, name, flags, mode);
    if (fd < 0) {
        return -1;
    }
    ssize_t n = write(fd, text.p, text.n);
    int err = n < 0 ? errno : ENOSPC;
    close(fd);
    if (n == (ssize_t)text.n) {
        return 0;
    }
    unlinkat(dir, name, 0);
    errno = err;
    return -1;
}

static int
replace_in(int dir, const char *name, struct str text, mode_t mode)
{
    char temporary[NAME_MAX + 1];
    int r = -1;
    errno = EEXIST;
    for (int i = 0; i < TRIES_MAX && r != 0 && errno == EEXIST; i++) {
        if (!path_temporary("", temporary, sizeof temporary)) {
            return -1;
        }
        r = write_new(dir, temporary, text, mode);
    }
    if (r == 0 && renameat(dir, temporary, dir, name) != 0) {
        int err = errno;
        unlinkat(dir, temporary, 0);
        errno = err;
        r = -1;
    }
    return r;
}

int
path_replace(const char *path, struct str text, mode_t mode)
{
    AN(path[0] != '\0' && (mode & ~(mode_t)0777) == 0);
    int dir = open_directory(path);
    if (dir < 0) {
        return -1;
    }
    int r = replace_in(dir, path + directory_length(path), text, mode);
    int err = errno;
    close(dir);
    errno = err;
    return r;
}

static bool
place_find(struct place *p, const char *path)
{
    struct stat st;
    p->name = path + directory_length(path);
    p->dir = open_directory(path);
    if (p->dir < 0) {
        return false;
    }
    p->is_open = fstat(p->dir, &st) != 0 || path_is_open(&st);
    return true;
}

/* Whether `fd` is a file whose only name is this one. The name is looked up
 * last, together with the number of links: this finds out who gave another's
 * file a name here and removed the name after the open. */
static bool
is_only_name(const struct place *p, int fd)
{
    struct stat st, there;
    return fstat(fd, &st) == 0 &&
           fstatat(p->dir, p->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           there.st_dev == st.st_dev && there.st_ino == st.st_ino &&
           S_ISREG(there.st_mode) && there.st_nlink == 1;
}

/* Opens the name. Does not wait at a pipe that nobody reads. */
static int
open_there(const struct place *p, const char *path, int flags)
{
    int fd = openat(p->dir, p->name, LOG_FLAGS | O_NONBLOCK | flags);
    if (fd < 0) {
        return -1;
    }
    if (p->is_open && !is_only_name(p, fd)) {
        close(fd);
        return refuse(path, "is no file under its only name");
    }
    if (fcntl(fd, F_SETFL, O_APPEND) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Whether links in this directory are the kernel's own, as the one behind
 * /dev/stdout. These are opened directly, as their text need not be a path. */
static bool
has_magic_links(int dir)
{
    struct statfs st;
    return fstatfs(dir, &st) == 0 && st.f_type == PROC_SUPER_MAGIC;
}

/* Sets the path to the target of its link. */
static bool
link_follow(const struct place *p, char path[PATH_MAX])
{
    char to[PATH_MAX];
    ssize_t n = readlinkat(p->dir, p->name, to, sizeof to - 1);
    if (n <= 0) {
        return false;
    }
    to[n] = '\0';
    size_t before = to[0] == '/' ? 0 : directory_length(path);
    errno = ENAMETOOLONG;
    if (before + (size_t)n >= PATH_MAX) {
        return false;
    }
    memcpy(path + before, to, (size_t)n + 1);
    return true;
}

/* True: it is a link, and the path is now its target. */
static bool
open_or_follow(char path[PATH_MAX], int *fd, bool *is_new)
{
    struct place p;
    bool is_link = false;
    if (!place_find(&p, path)) {
        return false;
    }
    *fd = openat(
        p.dir, p.name, LOG_FLAGS | O_CREAT | O_EXCL | O_NOFOLLOW, LOG_MODE);
    *is_new = *fd >= 0;
    if (*fd < 0 && errno == EEXIST) {
        int flags = has_magic_links(p.dir) ? 0 : O_NOFOLLOW;
        *fd = open_there(&p, path, flags);
    }
    if (*fd < 0 && errno == ELOOP && p.is_open) {
        (void)refuse(path, "is a link");
    } else if (*fd < 0 && errno == ELOOP) {
        is_link = link_follow(&p, path);
    }
    int err = errno;
    close(p.dir);
    errno = err;
    return is_link;
}

int
path_open_log(const char *path, bool *is_new)
{
    char at[PATH_MAX];
    int fd = -1;
    bool is_link = true;
    *is_new = false;
    errno = ENAMETOOLONG;
    if (strnlen(path, sizeof at) == sizeof at) {
        return -1;
    }
    memcpy(at, path, strlen(path) + 1);
    for (int i = 0; i < LINKS_MAX && is_link; i++) {
        is_link = open_or_follow(at, &fd, is_new);
    }
    if (is_link) {
        errno = ELOOP;
    }
    return fd;
}
