#pragma once

/*
 * One generation of the configuration: what it says, and what the master
 * opened for it. Built whole or not at all; its workers are started from it,
 * and it lives until the last of them has ended.
 */

#include "base/list.h"
#include "conf/bind.h"

struct listener;
struct main_conf;
struct roster;
struct sandbox_set;

/* From the command line. */
struct cycle_options {
    const char *prefix, *file; /* the file under the prefix if relative */
    struct str globals;        /* -g */
};

/* When a dead process is started again: at once; but if it and the one before
 * it both lived less than a second, a second later, then two, … at most ten. */
struct respawn {
    double at;      /* clock_mono(); 0: nothing to do */
    unsigned early; /* deaths in a row soon after the start */
};

struct cycle {
    unsigned magic;
    struct list node; /* of the master's */
    struct conf *conf;
    const struct main_conf *main;
    uint64_t revision;           /* ledger_new_revision() */
    struct listener **listeners; /* by number of the conf's listen */
    unsigned n_listeners;        /* 0: given back */
    uint8_t *leaving;            /* set of those, by number, that end with this
                                    cycle; accepted from until then */
    int error_log;               /* -1: standard error */
    unsigned n_workers;          /* that run, in any state */
    unsigned n_ready;
    struct respawn *respawns; /* by worker */
    bool has_served;
    bool is_undone;  /* it failed to start, and its workers end */
    bool is_drained; /* WINCH: its workers are not started again */
};

#define CYCLE_MAGIC 0xc7c1ec7cu

/* Reads and checks the configuration without the values of secrets; to be freed
 * with conf_free(). NULL after a log line. */
struct conf *cycle_conf(const struct cycle_options *o, enum conf_use use);

/* The path of the pid file, as in struct main_conf; the configuration is only
 * read, not checked. In `a`; n 0 with the message in err. */
struct str cycle_pid_path(
    const struct cycle_options *o, struct arena *a, char *err, size_t err_size);

/* Reads and checks the configuration, secrets included. Opens nothing for
 * writing. NULL after a log line. */
must_check struct cycle *cycle_read(
    const struct cycle_options *o, enum conf_use use);

/* Logs the warnings about its configuration and its files; not those about the
 * configuration that `before` (NULL: none) has too. */
void cycle_warn(const struct cycle *c, const struct cycle *before);

/* Whether a log goes to that stream, 1 or 2. */
bool cycle_logs_to(const struct cycle *c, int stream);

/* Opens logs and listening sockets; `listeners` are all of the master's. -1
 * after a log line. */
must_check int cycle_open(struct cycle *c, struct list *listeners);

/* Makes all of its sockets listen; its workers are told to accept after that.
 */
void cycle_begin(struct cycle *c);

/* Then this: connections are spread over its workers alone. */
void cycle_steer(struct cycle *c);

/* It serves no more. Listeners that no other cycle has leave (c->leaving),
 * within the time that its workers have. If it never served, they are closed at
 * once. */
void cycle_retire(struct cycle *c);

/* Frees a cycle without workers, and closes what it still has open. */
void cycle_free(struct cycle *c);

/* The set `leaving`, as data of a CHAN_QUIT or CHAN_DRAIN to a worker. */
struct str cycle_leaving(const struct cycle *c);

/* The process logs to the error log of this cycle from here on. */
void cycle_use_log(const struct cycle *c);

/* USR1. A log that cannot be opened again is written to as before. */
void cycle_reopen_logs(struct cycle *c);

/* Notes that a process that lived `seconds` (0: it could not be forked) is to
 * be started again: r->at says when. */
void respawn_note(struct respawn *r, double seconds);

struct sandbox_set *cycle_sandboxes(const struct cycle *c);
