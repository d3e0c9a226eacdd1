/*
 * Called by cycle.c when a configuration was read, and by weir.c before the
 * start. The messages name the path and the reason.
 */

#include "proc/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/tls_store.h"
#include "os/path.h"
#include "policy/policy_secret.h"
#include "proc/main_conf.h"
#include "proxy/listen.h"
#include "proxy/logfile.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"
#include "sandbox/sandbox_conf.h"

#define GROUPS_MAX 64

/* Who the workers are, when they are not who the master is. */
struct other {
    bool is_other; /* the master is root and drops to it */
    const struct user_conf *user;
    gid_t groups[GROUPS_MAX];
    int n_groups;
};

/* `dir` may be `path`. A path that is too long for the system is cut: then no
 * file is found. */
static void
directory_of(const char *path, char dir[PATH_MAX])
{
    size_t n = strnlen(path, PATH_MAX - 1);
    memmove(dir, path, n);
    dir[n] = '\0';
    char *slash = strrchr(dir, '/');
    AN(slash != NULL); /* it is absolute */
    slash[slash == dir] = '\0';
}

static int
cannot(const char *what, const char *path, const char *where)
{
    log_errno(LOG_EMERG, errno, "cannot write the %s \"%s\": \"%s\"", what,
        path, where);
    return -1;
}

static int
check_directory(const char *what, const char *path, const char *dir)
{
    return faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == 0
               ? 0
               : cannot(what, path, dir);
}

/* Whether a log can be opened to append to it, or be made. */
static int
check_log(const char *what, struct str path)
{
    char dir[PATH_MAX];
    struct stat st;
    directory_of(path.p, dir);
    if (stat(path.p, &st) == 0) {
        errno = S_ISDIR(st.st_mode) ? EISDIR : 0;
        return errno == 0 && faccessat(AT_FDCWD, path.p, W_OK, AT_EACCESS) == 0
                   ? 0
                   : cannot(what, path.p, path.p);
    }
    return check_directory(what, path.p, dir);
}

/* Whether a file can be put in that place by a rename. */
static int
check_replaced(const char *what, struct str path)
{
    char dir[PATH_MAX];
    struct stat st;
    directory_of(path.p, dir);
    if (stat(path.p, &st) == 0 && S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return cannot(what, path.p, path.p);
    }
    return check_directory(what, path.p, dir);
}

/* Whether files can be made in ca_dir, or it can be made itself. */
static int
check_ca_dir(const struct conf *c)
{
    char dir[PATH_MAX];
    struct str path = main_conf_ca_dir(c);
    struct stat st;
    if (path.n == 0 || sandbox_set_count(sandbox_set_of(c)) == 0) {
        return 0;
    }
    if (stat(path.p, &st) != 0) {
        directory_of(path.p, dir);
        return check_directory("ca_dir", path.p, dir);
    }
    errno = ENOTDIR;
    return S_ISDIR(st.st_mode) ? check_directory("ca_dir", path.p, path.p)
                               : cannot("ca_dir", path.p, path.p);
}

int
files_check(const struct conf *c)
{
    const struct main_conf *m = main_conf_of(c);
    const struct logfile *f;
    int result = check_replaced("pid file", m->pid);
    if (m->error_log.path.n != 0) {
        result |= check_log("error_log", m->error_log.path);
    }
    for (unsigned i = 0; (f = logfile_nth(c, i)) != NULL; i++) {
        if (f->stream < 0) {
            result |= check_log("access_log", f->path);
        }
    }
    return result | check_ca_dir(c);
}

static struct other
other_of(const struct conf *c)
{
    struct other o = { .user = &main_conf_of(c)->user, .n_groups = GROUPS_MAX };
    o.is_other = geteuid() == 0 && o.user->uid != 0;
    if (getgrouplist(o.user->name.p, o.user->gid, o.groups, &o.n_groups) < 0) {
        o.n_groups = GROUPS_MAX; /* the first ones */
    }
    return o;
}

static bool
other_has_group(const struct other *o, gid_t gid)
{
    bool has = o->user->gid == gid;
    for (int i = 0; i < o->n_groups && !has; i++) {
        has = o->groups[i] == gid;
    }
    return has;
}

static bool
other_may_write(const struct other *o, const struct stat *st)
{
    if (!o->is_other) {
        return false;
    }
    return st->st_uid == o->user->uid       ? (st->st_mode & S_IWUSR) != 0
           : other_has_group(o, st->st_gid) ? (st->st_mode & S_IWGRP) != 0
                                            : (st->st_mode & S_IWOTH) != 0;
}

/* Who other than root and this user may write it, in words; n 0: nobody. */
static struct str
others_who_write(
    const struct other *o, const struct stat *st, char *text, size_t size)
{
    int n = 0;
    if ((st->st_mode & S_IWOTH) != 0) {
        return STR("anyone");
    }
    if (other_may_write(o, st)) {
        n = snprintf(
            text, size, "the workers' user \"%.*s\"", STR_ARG(o->user->name));
    } else if (path_is_foreign(st)) {
        n = snprintf(text, size, "user %u", (unsigned)st->st_uid);
    } else if (path_is_open(st)) {
        n = snprintf(text, size, "group %u", (unsigned)st->st_gid);
    }
    return str_n(text, (size_t)n < size ? (size_t)n : size - 1);
}

/* Checks one path: a file, or a directory in which the file could be replaced.
 * True after a warning. */
static bool
warn_writable(
    const struct other *o, const char *what, const char *path, const char *file)
{
    struct stat st;
    char text[128];
    if (stat(path, &st) != 0) {
        return false;
    }
    bool is_dir = S_ISDIR(st.st_mode);
    if (is_dir && (st.st_mode & S_ISVTX) != 0 && !path_is_foreign(&st)) {
        return false; /* as /tmp: only its owner replaces a file there */
    }
    struct str who = others_who_write(o, &st, text, sizeof text);
    if (who.n != 0) {
        log_at(LOG_WARN,
            "the %s \"%s\" may be %s by %.*s: \"%s\" has mode %04o", what, file,
            is_dir ? "replaced" : "written", STR_ARG(who), path,
            (unsigned)st.st_mode & 07777);
    }
    return who.n != 0;
}

/* Checks the directories above a path: whoever may write one of them can
 * replace what is below. Warns of the nearest one only. */
static void
warn_above(const struct other *o, const char *what, const char *path)
{
    char dir[PATH_MAX];
    directory_of(path, dir);
    bool is_told = warn_writable(o, what, dir, path);
    while (!is_told && dir[1] != '\0') {
        directory_of(dir, dir);
        is_told = warn_writable(o, what, dir, path);
    }
}

static void
warn_file(const struct other *o, const char *what, const char *path)
{
    (void)!warn_writable(o, what, path, path);
    warn_above(o, what, path);
}

static void
warn_directory(const struct other *o, const char *what, const char *path)
{
    if (!warn_writable(o, what, path, path)) {
        warn_above(o, what, path);
    }
}

/* Whether every user may search (x) all directories above a path. */
static bool
is_reachable(const char *path)
{
    char dir[PATH_MAX];
    struct stat st;
    bool ok = true;
    directory_of(path, dir);
    while (ok && dir[1] != '\0') {
        ok = stat(dir, &st) == 0 && (st.st_mode & S_IXOTH) != 0;
        directory_of(dir, dir);
    }
    return ok;
}

/* True after a warning. */
static bool
warn_readable(const char *what, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) ||
        (st.st_mode & S_IROTH) == 0 || !is_reachable(path)) {
        return false;
    }
    log_at(LOG_WARN, "the %s \"%s\" may be read by anyone: it has mode %04o",
        what, path, (unsigned)st.st_mode & 07777);
    return true;
}

static void
warn_secret(const struct other *o, const char *what, const char *path)
{
    (void)!warn_readable(what, path);
    warn_file(o, what, path);
}

/* One warning for all of its files. */
static void
warn_secret_dir(const struct other *o, const char *path)
{
    char file[PATH_MAX];
    DIR *dir = opendir(path);
    bool is_found = false;
    if (dir == NULL) {
        return;
    }
    for (struct dirent *e = readdir(dir); e != NULL && !is_found;
         e = readdir(dir)) {
        int n = snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        is_found = n < PATH_MAX && id_is_valid(str_of(e->d_name)) &&
                   warn_readable("secret file", file);
    }
    closedir(dir);
    warn_directory(o, "secret directory", path);
}

/* `token file:PATH` of a sandbox: the configuration keeps only the token's
 * digest, so the path is taken from the directive. */
static void
warn_tokens(const struct conf *c, const struct other *o)
{
    const struct sandbox_set *set = sandbox_set_of(c);
    char path[PATH_MAX];
    const struct sandbox *sb = sandbox_set_next(set, NULL);
    for (; sb != NULL; sb = sandbox_set_next(set, sb)) {
        const struct directive *d = sb->scope->directive->children;
        for (; d != NULL; d = d->next) {
            struct str s = d->n_args == 1 ? d->args[0].text : STR_NONE;
            if (!str_eq(d->name.text, STR("token")) ||
                !str_starts(s, STR("file:"))) {
                continue;
            }
            s = str_skip(s, 5);
            snprintf(path, sizeof path, "%.*s%.*s",
                STR_ARG(s.p[0] == '/' ? STR("") : c->prefix), STR_ARG(s));
            warn_secret(o, "token file", path);
        }
    }
}

static void
warn_user(const struct conf *c)
{
    static const char *const names[] = { "user", "keeper_user" };
    const struct main_conf *m = main_conf_of(c);
    for (size_t i = 0; i < LEN(names) && geteuid() != 0; i++) {
        if (scope_has(c, c->main, names[i])) {
            log_at(LOG_WARN,
                "\"%s\" makes sense only if the master process is root, "
                "ignored",
                names[i]);
        }
    }
    if (geteuid() == 0 && m->user.uid == 0) {
        log_at(LOG_WARN, "\"user\" is root: so are the workers");
    }
}

/* Checks what the master makes. A log may belong to the workers' user, but its
 * directory must not. */
static void
warn_made(const struct conf *c, const struct other *o)
{
    const struct main_conf *m = main_conf_of(c);
    const struct logfile *f;
    warn_above(o, "pid file", m->pid.p);
    if (m->error_log.path.n != 0) {
        warn_above(o, "error_log", m->error_log.path.p);
    }
    for (unsigned i = 0; (f = logfile_nth(c, i)) != NULL; i++) {
        if (f->stream < 0) {
            warn_above(o, "access_log", f->path.p);
        }
    }
    for (unsigned i = 0; i < listen_count(c); i++) {
        const struct listen *l = listen_get(c, i);
        if (l->path.n != 0) {
            warn_above(o, "socket", l->path.p);
        }
    }
    if (sandbox_set_count(sandbox_set_of(c)) != 0) {
        warn_directory(o, "ca_dir", main_conf_ca_dir(c).p);
    }
}

static bool
uses_default_trust(const struct scope *s)
{
    const struct proxy_conf *p = scope_part(s, PART_PROXY);
    bool uses = (s->context & CONF_WHERE) != 0 && p->proxy_ssl.ca_file.n == 0;
    for (const struct scope *k = s->children; k != NULL && !uses; k = k->next) {
        uses = uses_default_trust(k);
    }
    return uses;
}

/* Without them every origin's certificate is refused, and the reason that is
 * given then does not say why. */
static void
warn_no_trust(const struct conf *c)
{
    const char *file, *dir;
    if (uses_default_trust(c->main) && !tls_store_is_there(&file, &dir)) {
        log_at(LOG_WARN,
            "no CA certificates in \"%s\" and \"%s\": no origin's certificate "
            "can be verified, install them or set "
            "\"proxy_ssl_trusted_certificate\"",
            file, dir);
    }
}

static void
warn_trust(const struct other *o, const struct scope *s, struct str above)
{
    const struct proxy_conf *p = scope_part(s, PART_PROXY);
    struct str path = p->proxy_ssl.ca_file;
    if (path.n != 0 && !str_eq(path, above)) {
        warn_file(o, "trust store", path.p);
    }
    for (const struct scope *k = s->children; k != NULL; k = k->next) {
        warn_trust(o, k, path);
    }
}

static void
warn_listen(const struct conf *c, const struct other *o)
{
    struct str cert = listen_certificate(c), key = listen_certificate_key(c);
    if (cert.n != 0) {
        warn_file(o, "certificate", cert.p);
        warn_secret(o, "key file", key.p);
    }
}

void
files_warn(const struct conf *c)
{
    struct other o = other_of(c);
    struct str name, text;
    warn_user(c);
    for (unsigned i = 0; conf_files(c, i, &name, &text); i++) {
        if (name.p[0] == '/') {
            warn_file(&o, "configuration file", name.p);
        }
    }
    for (const struct policy_secret *d = policy_secrets(c); d != NULL;
         d = d->next) {
        if (d->spec.source == SECRET_FILE) {
            warn_secret(&o, "secret file", d->spec.from.p);
        } else if (d->spec.source == SECRET_DIR) {
            warn_secret_dir(&o, d->spec.from.p);
        }
    }
    warn_tokens(c, &o);
    warn_made(c, &o);
    warn_listen(c, &o);
    warn_trust(&o, c->main, STR_NONE);
    warn_no_trust(c);
}
