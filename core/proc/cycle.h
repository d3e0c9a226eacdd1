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

/* When a dead process is started again: at once, unless it lived under a
 * second, as the one before it did: then a second later, two, … ten. */
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
    uint8_t *leaving;            /* set of them, by number: ended with this
                                    cycle, and accepted from until they do */
    int error_log;               /* -1: standard error */
    unsigned n_workers;          /* that run, of any state */
    unsigned n_ready;
    struct respawn *respawns; /* by worker */
    bool has_served;
    bool is_undone;  /* did not start, and its workers are ending */
    bool is_drained; /* WINCH: its workers are not started again */
};

#define CYCLE_MAGIC 0xc7c1ec7cu

/* Reads and checks the configuration, but for the values of secrets; to be
 * freed with conf_free(). NULL after a log line. */
struct conf *cycle_conf(const struct cycle_options *o, enum conf_use use);

/* The path of the pid file, as main_conf.h's, of a configuration that is read
 * and not checked. In `a`; n 0 with the message in err. */
struct str cycle_pid_path(
    const struct cycle_options *o, struct arena *a, char *err, size_t err_size);

/* Reads and checks the configuration, secrets included. Opens nothing for
 * writing. NULL after a log line. */
must_check struct cycle *cycle_read(
    const struct cycle_options *o, enum conf_use use);

/* Logs what its configuration and files are warned of; of the former not what
 * `before` (NULL: nothing) was warned of too. */
void cycle_warn(const struct cycle *c, const struct cycle *before);

/* Whether a log goes to that stream, 1 or 2. */
bool cycle_logs_to(const struct cycle *c, int stream);

/* Opens logs and listening sockets (of `listeners`, all the master's). -1
 * after a log line; then, and for a cycle that did not start, cycle_undo(). */
must_check int cycle_open(struct cycle *c, struct list *listeners);

/* All of its sockets listen: then its workers are told to accept. */
void cycle_begin(struct cycle *c);

/* ... and then connections are spread over its workers alone. */
void cycle_steer(struct cycle *c);

/* Serves no more: listeners that no other has leave, within the time that its
 * workers have (c->leaving); sockets of a cycle that never did are closed. */
void cycle_retire(struct cycle *c);

/* Frees a cycle without workers, what it has still open too. */
void cycle_free(struct cycle *c);

/* For a worker's CHAN_QUIT or CHAN_DRAIN. */
struct str cycle_leaving(const struct cycle *c);

/* The error log of this cycle is the process's from here on. */
void cycle_use_log(const struct cycle *c);

/* USR1. What cannot be opened again is written to as before. */
void cycle_reopen_logs(struct cycle *c);

/* Notes that a process that lived `seconds` is to be started again: r->at
 * says when. 0: it could not even be forked. */
void respawn_note(struct respawn *r, double seconds);

struct sandbox_set *cycle_sandboxes(const struct cycle *c);
