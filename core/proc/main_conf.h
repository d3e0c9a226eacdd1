#pragma once

/*
 * The directives of the main block and of events, and those of egress that
 * are the master's: users, processes, the error log, the pid file, ca_dir.
 */

#include <sys/types.h>

#include "base/log.h"
#include "conf/bind.h"

struct user_conf {
    struct str name, group; /* n 0: not set */
    uid_t uid;
    gid_t gid;
};

struct error_log_conf {
    struct str path; /* n 0: standard error or output */
    bool is_stdout;
    enum log_level level;
};

struct main_conf {
    struct user_conf user;          /* workers */
    struct user_conf keeper_user;   /* as user, unless set */
    unsigned worker_processes;      /* 1 to WORKERS_MAX */
    unsigned worker_rlimit_nofile;  /* 0: as many as the hard limit allows */
    double worker_shutdown_timeout; /* seconds; for 0 NO_TIMEOUT */
    struct error_log_conf error_log;
    struct str pid; /* absolute path */
    bool daemon;
    bool debug_one_byte; /* every read and write moves one byte: for tests */
    bool debug_stop_workers; /* SIGSTOP before they are ready: for tests */
    struct str ca_dir;       /* of egress; absolute path */
};

#define WORKERS_MAX 120
#define NO_TIMEOUT 1e9 /* seconds */

struct events_conf {
    unsigned worker_connections; /* clients of one worker; at least 1 */
};

extern const struct conf_part main_part, events_part;

/* Of a bound conf; the defaults if there is no such block. */
const struct main_conf *main_conf_of(const struct conf *c);
const struct events_conf *events_conf_of(const struct conf *c);

/* The directory of the sandboxes' CA certificates; absolute. */
struct str main_conf_ca_dir(const struct conf *c);

/* The parts of every conf: the rooms', then the modules', in path order.
 * Const after the first call. */
const struct conf_part *const *main_conf_parts(unsigned *n);
