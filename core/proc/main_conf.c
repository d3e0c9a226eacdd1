/*
 * The master's own directives. Every generation binds them; what cannot change
 * while weir runs (daemon, the pid file) is taken from the first one.
 */

#include "proc/main_conf.h"

#include <unistd.h>

#include "conf/type.h"
#include "os/path.h"
#include "os/process.h"
#include "policy/block.h"
#include "policy/class.h"
#include "policy/policy_secret.h"
#include "proxy/hook.h"
#include "proxy/listen.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"
#include "sandbox/sandbox_conf.h"

#define PARTS_MAX (PART_ROOMS + 64)

static bool
set_user(struct bind *b, const struct directive *d, void *field)
{
    struct user_conf *u = field;
    u->name = d->args[0].text;
    u->group = d->n_args > 1 ? d->args[1].text : STR_NONE;
    if (bind_conf(b)->is_look) {
        return true;
    }
    if (!process_user(u->name.p, u->group.p, &u->uid, &u->gid)) {
        return conf_error(b, &d->args[0],
            "no such user or group: \"%.*s\"%s%.*s", STR_ARG(u->name),
            u->group.n != 0 ? ", " : "", STR_ARG(u->group));
    }
    return true;
}

static bool
set_workers(struct bind *b, const struct directive *d, void *field)
{
    unsigned *n = field;
    uint64_t v;
    if (str_eq(d->args[0].text, STR("auto"))) {
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        v = cpus > 0 ? (uint64_t)cpus : 1;
        *n = v < WORKERS_MAX ? (unsigned)v : WORKERS_MAX;
        return true;
    }
    if (!str_u64(d->args[0].text, &v) || v == 0 || v > WORKERS_MAX) {
        return conf_error(b, &d->args[0],
            "invalid number of workers \"%.*s\": auto, or 1 to %d",
            STR_ARG(d->args[0].text), WORKERS_MAX);
    }
    *n = (unsigned)v;
    return true;
}

static bool
set_error_log(struct bind *b, const struct directive *d, void *field)
{
    struct error_log_conf *e = field;
    struct str path = d->args[0].text;
    if (path.n == 0) {
        return conf_error(b, &d->args[0], "empty path");
    }
    int stream = path_stream(path);
    e->is_stdout = stream == STDOUT_FILENO;
    e->path = stream >= 0 ? STR_NONE : conf_path(bind_conf(b), path);
    e->level = LOG_ERR;
    if (d->n_args > 1 && !log_level_parse(d->args[1].text, &e->level)) {
        return conf_error(b, &d->args[1], "invalid log level \"%.*s\"",
            STR_ARG(d->args[1].text));
    }
    return true;
}

#define M struct main_conf

static const struct cmd main_cmds[] = {
    CMD("user", CONF_MAIN, 1, 2, M, user, struct user_conf, set_user),
    CMD("keeper_user", CONF_MAIN, 1, 2, M, keeper_user, struct user_conf,
        set_user),
    CMD("worker_processes", CONF_MAIN, 1, 1, M, worker_processes, unsigned,
        set_workers),
    CMD_UINT("worker_rlimit_nofile", CONF_MAIN, M, worker_rlimit_nofile),
    CMD_SECONDS(
        "worker_shutdown_timeout", CONF_MAIN, M, worker_shutdown_timeout),
    CMD("error_log", CONF_MAIN, 1, 2, M, error_log, struct error_log_conf,
        set_error_log),
    CMD_PATH("pid", CONF_MAIN, M, pid),
    CMD_FLAG("daemon", CONF_MAIN, M, daemon),
    CMD_FLAG("debug_one_byte", CONF_MAIN, M, debug_one_byte),
    CMD_FLAG("debug_stop_workers", CONF_MAIN, M, debug_stop_workers),
    CMD_PATH("ca_dir", CONF_EGRESS, M, ca_dir),
    CMD_OPENS("events", CONF_MAIN, 0, 0, CONF_EVENTS),
    CMD_OPENS("egress", CONF_MAIN, 0, 0, CONF_EGRESS),
    { 0 },
};

#undef M

static const struct main_conf main_defaults = {
    .worker_processes = 1,
    .worker_shutdown_timeout = 60,
    .error_log = { .level = LOG_ERR },
    .daemon = true,
};

/* Fills in what is not set: files under the prefix, and the user nobody, as
 * nginx does. */
static int
main_check(struct conf *c, struct scope *s, void *part)
{
    struct main_conf *m = part;
    if (s->context == CONF_EGRESS && m->ca_dir.n == 0) {
        m->ca_dir = conf_path(c, STR("ca"));
    }
    if (s->context != CONF_MAIN) {
        return 0;
    }
    if (m->pid.n == 0) {
        m->pid = conf_path(c, STR("logs/weir.pid"));
    }
    if (m->worker_shutdown_timeout == 0) {
        m->worker_shutdown_timeout = NO_TIMEOUT;
    }
    if (!scope_has(c, s, "error_log")) {
        m->error_log.path = conf_path(c, STR("logs/error.log"));
    }
    if (m->user.name.n == 0) {
        m->user.name = STR("nobody");
        if (!process_user("nobody", NULL, &m->user.uid, &m->user.gid) &&
            geteuid() == 0 && !c->is_look) {
            return conf_fail(c, NULL,
                "no user \"nobody\" here: set \"user\", to a number if there "
                "are no names");
        }
    }
    if (m->keeper_user.name.n == 0) {
        m->keeper_user = m->user;
    }
    return 0;
}

const struct conf_part main_part = { .name = "main",
    .cmds = main_cmds,
    .defaults = &main_defaults,
    .size = sizeof(struct main_conf),
    .check = main_check };

static const struct cmd events_cmds[] = {
    CMD("worker_connections", CONF_EVENTS, 1, 1, struct events_conf,
        worker_connections, unsigned, set_count),
    { 0 },
};

static const struct events_conf events_defaults = { .worker_connections =
                                                        1024 };

const struct conf_part events_part = { .name = "events",
    .cmds = events_cmds,
    .defaults = &events_defaults,
    .size = sizeof(struct events_conf) };

const struct main_conf *
main_conf_of(const struct conf *c)
{
    return scope_part(c->main, PART_MAIN);
}

/* The part of the block, or the defaults if there is no such block. */
static void *
part_of(const struct conf *c, enum conf_context context, unsigned part)
{
    const struct scope *s = conf_scope(c, context);
    return scope_part(s != NULL ? s : c->main, part);
}

const struct events_conf *
events_conf_of(const struct conf *c)
{
    return part_of(c, CONF_EVENTS, PART_EVENTS);
}

struct str
main_conf_ca_dir(const struct conf *c)
{
    const struct main_conf *m = part_of(c, CONF_EGRESS, PART_MAIN);
    return m->ca_dir;
}

const struct conf_part *const *
main_conf_parts(unsigned *n)
{
    static const struct conf_part *parts[PARTS_MAX] = {
        [PART_MAIN] = &main_part,
        [PART_EVENTS] = &events_part,
        [PART_LISTEN] = &listen_part,
        [PART_PROXY] = &proxy_part,
        [PART_CLASS] = &class_part,
        [PART_SANDBOX] = &sandbox_part,
        [PART_BLOCK] = &block_part,
        [PART_SECRET] = &policy_secret_part,
    };
    AN(modules_count + modules_left_out_count <= PARTS_MAX - PART_ROOMS);
    for (unsigned i = 0; i < modules_count; i++) {
        parts[PART_ROOMS + i] = &modules[i]->conf;
    }
    *n = PART_ROOMS + modules_count;
    for (unsigned i = 0; i < modules_left_out_count; i++) {
        parts[(*n)++] = &modules_left_out[i];
    }
    return parts;
}
