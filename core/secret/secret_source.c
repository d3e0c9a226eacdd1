/*
 * Reads a secret's value from its source. secret_store.c calls it when a
 * configuration is loaded, secret_change.c when a file has changed; both only
 * in the master.
 */

#include "secret/secret_source.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "secret/secret_store.h"

#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
#define NEWLINE_MAX 2 /* bytes that are cut off the end of a file */

/* The values of environment variables, for all configurations of the process.
 */
struct env_value {
    struct env_value *next;
    char *name;
    struct secret_value value; /* as it was, not judged */
};

static struct env_value *env_values;

extern char **environ;

const char *
secret_refusal(struct str value)
{
    if (value.n == 0) {
        return "is empty";
    }
    if (value.n > SECRET_MAX) {
        return "is longer than 64k";
    }
    bool is_clean = memchr(value.p, '\r', value.n) == NULL &&
                    memchr(value.p, '\n', value.n) == NULL &&
                    memchr(value.p, '\0', value.n) == NULL;
    return is_clean ? NULL : "has a CR, LF or NUL in it";
}

static enum secret_read
give_up(struct secret_reading *r, enum secret_read how, struct str from,
    const char *why, int err)
{
    char text[LOG_ERRNO_MAX];
    secret_value_free(&r->value);
    snprintf(r->why, sizeof r->why, "\"%.*s\" %s%s", STR_ARG(from), why,
        err != 0 ? log_errno_text(err, text) : "");
    return how;
}

static enum secret_read
unlocked(struct secret_reading *r, struct str from)
{
    return give_up(r, SECRET_UNLOCKED, from,
        "cannot be kept in locked memory, RLIMIT_MEMLOCK is too low", errno);
}

/* Takes off one newline at the end, which editors write. */
static enum secret_read
judge(struct secret_reading *r, struct str from)
{
    struct secret_value *v = &r->value;
    if (v->n != 0 && v->p[v->n - 1] == '\n') {
        v->n--;
        v->n -= v->n != 0 && v->p[v->n - 1] == '\r';
    }
    const char *why = secret_refusal(secret_value_str(v));
    return why == NULL ? SECRET_READ : give_up(r, SECRET_REFUSED, from, why, 0);
}

/* Moves a variable's value out of the environment, and wipes the bytes that
 * /proc/PID/environ shows. NULL with errno 0: there is no such variable. */
static struct env_value *
env_take(struct str name)
{
    char *z = xstrndup(name);
    const char *found = getenv(z);
    struct secret_value v = { NULL, 0 };
    /* a file that is longer than any value is refused for its length, whatever
     * it ends with */
    size_t n = found != NULL ? strnlen(found, SECRET_MAX + NEWLINE_MAX + 1) : 0;
    errno = 0;
    if (found == NULL ||
        secret_value_dup(&v, n != 0 ? str_n(found, n) : STR("\n")) != 0) {
        xfree(z);
        return NULL;
    }
    for (char **e = environ; *e != NULL; e++) {
        if (strncmp(*e, z, name.n) == 0 && (*e)[name.n] == '=') {
            mem_wipe(*e + name.n + 1, strlen(*e + name.n + 1));
        }
    }
    AZ(unsetenv(z));
    struct env_value *env = xcalloc(sizeof *env);
    *env = (struct env_value){ env_values, z, v };
    env_values = env;
    return env;
}

static enum secret_read
read_env(struct str name, struct secret_reading *r)
{
    struct env_value *env = env_values;
    while (env != NULL && !str_eq(str_of(env->name), name)) {
        env = env->next;
    }
    if (env == NULL) {
        env = env_take(name);
    }
    if (env == NULL && errno == 0) {
        return give_up(r, SECRET_MISSING, name, "is not in the environment", 0);
    }
    if (env == NULL ||
        secret_value_dup(&r->value, secret_value_str(&env->value)) != 0) {
        return unlocked(r, name);
    }
    return judge(r, name);
}

void
secret_env_forget(bool is_dropped)
{
    while (env_values != NULL) {
        struct env_value *env = env_values;
        env_values = env->next;
        if (!is_dropped) {
            secret_value_free(&env->value);
        }
        xfree(env->name);
        xfree(env);
    }
}

static enum secret_read
read_bytes(int fd, struct str path, struct secret_reading *r, size_t size)
{
    struct secret_value *v = &r->value;
    if (secret_value_make(v, size + 1) != 0) {
        return unlocked(r, path);
    }
    size_t n = 0;
    ssize_t got = 1;
    while (got > 0 && n < v->n) {
        got = read(fd, v->p + n, v->n - n);
        n += got > 0 ? (size_t)got : 0;
    }
    if (got != 0) {
        return give_up(r, SECRET_REFUSED, path,
            got < 0 ? "cannot be read" : "changed while it was read",
            got < 0 ? errno : 0);
    }
    v->n = n;
    return judge(r, path);
}

/* Reads from `fd`, the result of an open, and closes it. */
static enum secret_read
read_fd(int fd, struct str path, struct secret_reading *r)
{
    struct stat st;
    if (fd < 0) {
        int err = errno;
        bool is_there = err != ENOENT && err != ENOTDIR;
        return give_up(r, is_there ? SECRET_REFUSED : SECRET_MISSING, path,
            "cannot be opened", err);
    }
    enum secret_read result;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        result = give_up(r, SECRET_REFUSED, path, "is not a regular file", 0);
    } else if (st.st_size > SECRET_MAX + NEWLINE_MAX) {
        result = give_up(r, SECRET_REFUSED, path, "is longer than 64k", 0);
    } else {
        result = read_bytes(fd, path, r, (size_t)st.st_size);
    }
    close(fd);
    return result;
}

/* Opens a file beneath `dir`; links are followed if they stay beneath it. A
 * kernel that cannot check that follows no link. */
static int
open_beneath(int dir, const char *name)
{
    struct open_how how = { .flags = OPEN_FLAGS,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
    int fd = -1;
    errno = EAGAIN;
    /* EAGAIN: something was renamed during the look-up */
    for (int i = 0; i < 8 && fd < 0 && errno == EAGAIN; i++) {
        fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof how);
    }
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
        return openat(dir, name, OPEN_FLAGS | O_NOFOLLOW);
    }
    return fd;
}

static enum secret_read
read_entry(struct str dir, struct str id, struct secret_reading *r)
{
    char name[ID_MAX + 1], path[4096];
    struct stat st;
    AN(id_is_valid(id));
    snprintf(name, sizeof name, "%.*s", STR_ARG(id));
    snprintf(path, sizeof path, "%.*s/%s", STR_ARG(dir), name);
    int at = open(dir.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0) {
        return read_fd(-1, str_of(path), r);
    }
    int fd = open_beneath(at, name);
    int err = errno;
    r->is_link =
        fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
    close(at);
    errno = err;
    return read_fd(fd, str_of(path), r);
}

enum secret_read
secret_read(
    const struct secret_spec *d, struct str id, struct secret_reading *r)
{
    struct stat st;
    *r = (struct secret_reading){ .why = "" };
    switch (d->source) {
    case SECRET_ENV:
        return read_env(d->from, r);
    case SECRET_FILE:
        r->is_link = lstat(d->from.p, &st) == 0 && S_ISLNK(st.st_mode);
        return read_fd(open(d->from.p, OPEN_FLAGS), d->from, r);
    case SECRET_DIR:
        return read_entry(d->from, id, r);
    }
    PANIC("no such source");
}
