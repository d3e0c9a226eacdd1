#pragma once

/*
 * The master's state, and what its files ask of one another. All of it belongs
 * to the one process, and nothing here waits for another process: what it is
 * asked for comes as a message, to the poll loop (master.c).
 *
 * A generation that starts is `next`, and goes through these steps; each has a
 * deadline, and what fails is undone (master_start.c).
 */

#include "proc/child.h"
#include "proc/cycle.h"
#include "proc/daemon.h"
#include "proc/notify.h"
#include "proc/roster.h"

enum stop { STOP_NOT, STOP_GRACEFUL, STOP_FAST };

enum next_step {
    NEXT_ONES, /* until all of ROLE_ONE are ready */
    NEXT_CAS,  /* until the keeper has answered for each sandbox */
    NEXT_READY /* until all that were started of it are ready */
};

/* A role of ROLE_ONE: its process. */
struct post {
    const struct role *role;
    struct child *child; /* NULL: to be started */
    struct respawn respawn;
};

struct master {
    unsigned magic;
    struct cycle_options options;
    const struct role *worker; /* the role of ROLE_OF_CYCLE */
    struct post posts[ROLES_MAX];
    unsigned n_posts;
    int sig;                  /* signals */
    struct vault_files vault; /* the master never maps them */
    int tickets;              /* memory file of the keys of TLS tickets */
    struct ledger *ledger;    /* NULL until master_init() */
    int parent;               /* to be told when ready; -1: none */
    bool is_daemon, wants_reload;
    bool wants_reap; /* more have ended than one turn reaped */
    enum stop stop;
    int exit_code;
    struct list children, cycles, listeners;
    double share_at, shared_at; /* master_share(): when it is to be called (0:
                                   not), when it was */
    unsigned n_children;
    struct cycle *current, *next; /* NULL: none */
    enum next_step step;          /* of next */
    double step_deadline;         /* 0: none */
    const struct role *failed;    /* one of next's ended before it was ready */
    struct roster roster;
    bool wants_sweep; /* sandboxes may have lost their last configuration */
    struct pid_file pid_file;
    struct notify notify;
};

#define MASTER_MAGIC 0x3a57e200u

/* Makes what outlives all cycles; `roles` does too. -1 after a log line;
 * master_end() then, too. */
must_check int master_init(struct master *m, const struct role *const *roles);

/* Allots an index to each sandbox of the cycle; vault and ledger have room for
 * those then, in all children. -1 after a log line. */
must_check int master_make_room(struct master *m, const struct cycle *c);

/* Ends what children there are still, frees all. */
void master_end(struct master *m);

/* For the service manager: the end of a reload that changed nothing. */
void master_reload_failed(struct master *m);

/* Ends all children; `how` only ever grows. */
void master_stop(struct master *m, enum stop how);

/* Opens and starts what was read, which is `next` then. -1 after a log line:
 * nothing is left of it. */
must_check int master_begin(struct master *m, struct cycle *c);

/* Goes on with `next` as far as it can: to serve, or to be undone. */
void master_advance(struct master *m);

/* The process of a role of ROLE_ONE; NULL: there is none now. */
struct child *master_one(struct master *m, const struct role *r);

/* Whether each role of ROLE_ONE has a process that does its work. */
bool master_ones_are_ready(const struct master *m);

/* -1 after a log line: it is tried again at a deadline. */
must_check int master_start_one(
    struct master *m, struct post *post, struct cycle *c);
must_check int master_start_worker(
    struct master *m, struct cycle *c, unsigned index);

/* Asks the keeper what there is to ask, and gives it up when it is late. */
void master_run_roster(struct master *m);

/* A worker came, went, filled up: master_share() soon, and not again and again
 * for one that fills up and empties all the time. */
void master_share_soon(struct master *m, const struct cycle *c);

/* Tells the workers of the current cycle which of them accept, so that each
 * socket is served by one that can: a dead or full one's by others. */
void master_share(struct master *m);

/* `next`, whose workers are ready, serves in the current cycle's place, which
 * drains; no connection that waits is lost. */
void master_hand_over(struct master *m);

/* The workers of a cycle end, or its successor has them end. */
void master_drain(struct master *m, const struct cycle *c, enum chan_type how);

/* Waits for signals, messages, secret files, room in a socket, a deadline. */
void master_wait(struct master *m);

/* Some a turn: what is left is the next one's, however much comes. */
void master_reap(struct master *m);
void master_take_messages(struct master *m);

/* Sends what waits for children that read again. */
void master_flush(struct master *m);

/* Milliseconds until the next deadline; -1: none. */
int master_timeout(const struct master *m);

/* Starts again what died, kills what should have ended. */
void master_run_deadlines(struct master *m);

/* Frees cycles without workers that do not serve. */
void master_free_cycles(struct master *m);

/* One of a cycle gets that one's log files, others the current one's error
 * log. */
void master_send_logs(struct master *m, struct child *ch);

/* One message of secret_watch_run() to all that have secrets, but those of
 * `next`. */
void master_send_secret(struct master *m, struct str message);
