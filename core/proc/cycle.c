/*
 * Builds a generation, and undoes one that failed. The master decides when it
 * is committed; no process is made here.
 */

#include "proc/cycle.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/tcp.h"
#include "os/path.h"
#include "policy/policy_secret.h"
#include "proc/files.h"
#include "proc/listener.h"
#include "proc/main_conf.h"
#include "proxy/logfile.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"
#include "sandbox/sandbox_conf.h"
#include "secret/secret_store.h"

/* Seconds. */
#define EARLY_DEATH 1.0
#define DELAY_MAX 10.0

struct conf *
cycle_conf(const struct cycle_options *o, enum conf_use use)
{
    char err[1024] = "";
    unsigned n_parts;
    const struct conf_part *const *parts = main_conf_parts(&n_parts);
    struct conf *conf = conf_bind(
        parts, n_parts, o->prefix, o->file, o->globals, use, err, sizeof err);
    if (conf == NULL) {
        log_at(LOG_EMERG, "%s", err);
        return NULL;
    }
    if (conf_scope(conf, CONF_EGRESS) == NULL) {
        /* a reload with a file that was cut short would end all service */
        log_at(LOG_EMERG, "no \"egress\" section in %.*s", STR_ARG(conf->file));
        conf_free(conf);
        return NULL;
    }
    return conf;
}

/* As conf_path(). */
static struct str
under_prefix(const struct cycle_options *o, struct arena *a, struct str name)
{
    bool is_whole = name.n != 0 && name.p[0] == '/';
    struct str prefix = is_whole ? STR("") : str_of(o->prefix);
    bool has_slash = is_whole || str_ends(prefix, STR("/"));
    return arena_printf(
        a, "%.*s%s%.*s", STR_ARG(prefix), has_slash ? "" : "/", STR_ARG(name));
}

/* The pid file that the tree names, else `pid`. */
static struct str
pid_in(const struct directive *d, struct str pid)
{
    for (; d != NULL; d = d->next) {
        if (d->n_args == 1 && str_eq(d->name.text, STR("pid"))) {
            pid = d->args[0].text;
        }
    }
    return pid;
}

struct str
cycle_pid_path(
    const struct cycle_options *o, struct arena *a, char *err, size_t err_size)
{
    struct str file = under_prefix(o, a, str_of(o->file));
    struct str pid = STR("logs/weir.pid");
    pid = pid_in(tree_parse(a, o->globals, "command line", err, err_size), pid);
    if (err[0] == '\0') {
        pid = pid_in(tree_read(a, file.p, err, err_size), pid);
    }
    return err[0] == '\0' ? under_prefix(o, a, pid) : STR_NONE;
}

struct cycle *
cycle_read(const struct cycle_options *o, enum conf_use use)
{
    char err[1024] = "";
    struct conf *conf = cycle_conf(o, use);
    if (conf == NULL) {
        return NULL;
    }
    if (policy_secrets_load(conf, err, sizeof err) != 0) {
        log_at(LOG_EMERG, "%s", err);
        conf_free(conf);
        return NULL;
    }
    struct cycle *c = xcalloc(sizeof *c);
    c->magic = CYCLE_MAGIC;
    c->conf = conf;
    c->main = main_conf_of(conf);
    c->error_log = -1;
    c->respawns = xcalloc(c->main->worker_processes * sizeof *c->respawns);
    list_init(&c->node);
    return c;
}

void
cycle_warn(const struct cycle *c, const struct cycle *before)
{
    CHECK(c, CYCLE_MAGIC);
    struct str text;
    for (unsigned i = 0; conf_warning(c->conf, i, &text); i++) {
        if (before == NULL || !conf_has_warning(before->conf, text)) {
            log_at(LOG_WARN, "%.*s", STR_ARG(text));
        }
    }
    files_warn(c->conf);
}

static int
log_failed(const char *name)
{
    log_errno(LOG_EMERG, errno, "open() \"%s\" failed", name);
    return -1;
}

/* Children never open it: they inherit it, or are sent it. It keeps its number
 * when it is opened again, so whoever logs need not be told. */
static int
open_error_log(struct cycle *c)
{
    const struct error_log_conf *e = &c->main->error_log;
    struct str path = e->path;
    if (e->is_stdout && c->error_log < 0) {
        c->error_log = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        return c->error_log < 0 ? log_failed("stdout") : 0;
    }
    if (path.n == 0) {
        return 0;
    }
    bool is_new;
    int fd = path_open_log(path.p, &is_new);
    if (fd < 0) {
        return log_failed(path.p);
    }
    if (c->error_log < 0) {
        c->error_log = fd;
        return 0;
    }
    int r = dup3(fd, c->error_log, O_CLOEXEC);
    close(fd);
    return r < 0 ? -1 : 0;
}

bool
cycle_logs_to(const struct cycle *c, int stream)
{
    CHECK(c, CYCLE_MAGIC);
    const struct error_log_conf *e = &c->main->error_log;
    const struct logfile *f;
    bool does = e->path.n == 0 && e->is_stdout == (stream == STDOUT_FILENO);
    for (unsigned i = 0; (f = logfile_nth(c->conf, i)) != NULL; i++) {
        does = does || f->stream == stream;
    }
    return does;
}

/* Connections inherit these options from their listening sockets. */
static void
use_keepalive(const struct cycle *c)
{
    const struct scope *egress = conf_scope(c->conf, CONF_EGRESS);
    if (egress != NULL) {
        const struct proxy_conf *pc = scope_part(egress, PART_PROXY);
        tcp_set_keepalive(&pc->so_keepalive);
    }
}

int
cycle_open(struct cycle *c, struct list *listeners)
{
    CHECK(c, CYCLE_MAGIC);
    unsigned n = listen_count(c->conf);
    if (open_error_log(c) != 0 ||
        logfiles_open(c->conf, c->main->user.uid, c->main->user.gid) != 0) {
        return -1;
    }
    use_keepalive(c);
    c->listeners = xcalloc((n + 1) * sizeof(struct listener *));
    c->leaving = xcalloc(BITS_BYTES(n + 1));
    for (unsigned i = 0; i < n; i++) {
        struct listener *l = listener_get(
            listeners, listen_get(c->conf, i), c->main->worker_processes);
        if (l == NULL) {
            return -1;
        }
        c->listeners[c->n_listeners++] = l;
    }
    return 0;
}

void
cycle_begin(struct cycle *c)
{
    CHECK(c, CYCLE_MAGIC);
    use_keepalive(c);
    for (unsigned i = 0; i < c->n_listeners; i++) {
        listener_begin(c->listeners[i], listen_get(c->conf, i)->backlog);
    }
    c->has_served = true;
}

void
cycle_steer(struct cycle *c)
{
    CHECK(c, CYCLE_MAGIC);
    for (unsigned i = 0; i < c->n_listeners; i++) {
        listener_steer(c->listeners[i], c->main->worker_processes);
    }
}

static void
close_listeners(struct cycle *c)
{
    for (unsigned i = 0; i < c->n_listeners; i++) {
        listener_trim(c->listeners[i]);
        listener_put(c->listeners[i]);
    }
    c->n_listeners = 0;
}

void
cycle_retire(struct cycle *c)
{
    CHECK(c, CYCLE_MAGIC);
    if (!c->has_served) {
        close_listeners(c);
        return;
    }
    for (unsigned i = 0; i < c->n_listeners; i++) {
        if (listener_leave(c->listeners[i], c->main->worker_shutdown_timeout)) {
            bits_add(c->leaving, BITS_BYTES(c->n_listeners), i);
        }
    }
    c->n_listeners = 0;
}

struct str
cycle_leaving(const struct cycle *c)
{
    CHECK(c, CYCLE_MAGIC);
    return str_n((const char *)c->leaving, BITS_BYTES(listen_count(c->conf)));
}

void
cycle_free(struct cycle *c)
{
    CHECK(c, CYCLE_MAGIC);
    AZ(c->n_workers);
    close_listeners(c);
    xfree(c->listeners);
    xfree(c->leaving);
    xfree(c->respawns);
    logfiles_close(c->conf);
    if (c->error_log >= 0) {
        close(c->error_log);
    }
    conf_free(c->conf);
    list_del(&c->node);
    c->magic = 0;
    xfree(c);
}

void
cycle_use_log(const struct cycle *c)
{
    CHECK(c, CYCLE_MAGIC);
    log_set(c->error_log >= 0 ? c->error_log : STDERR_FILENO,
        c->main->error_log.level);
}

void
cycle_reopen_logs(struct cycle *c)
{
    const struct user_conf *user = &c->main->user;
    CHECK(c, CYCLE_MAGIC);
    int error_log = open_error_log(c);
    if (logfiles_open(c->conf, user->uid, user->gid) != 0 || error_log != 0) {
        log_at(LOG_ALERT, "some logs could not be opened again");
    }
}

void
respawn_note(struct respawn *r, double seconds)
{
    r->early = seconds < EARLY_DEATH ? r->early + 1 : 0;
    double delay = r->early < 2 ? 0 : r->early - 1;
    r->at = clock_mono() + (delay < DELAY_MAX ? delay : DELAY_MAX);
}

struct sandbox_set *
cycle_sandboxes(const struct cycle *c)
{
    return sandbox_set_of(c->conf);
}
