#pragma once

/*
 * The master's state, and the functions that its files call of one another.
 * Nothing here waits for another process: answers come as messages to the poll
 * loop (master.c).
 *
 * A generation that starts is `next`, and goes through the steps of enum
 * next_step. Each has a deadline; if one fails, the generation is undone
 * (master_start.c).
 */

#include "proc/child.h"
#include "proc/cycle.h"
#include "proc/daemon.h"
#include "proc/notify.h"
#include "proc/roster.h"

enum stop { STOP_NOT, STOP_GRACEFUL, STOP_FAST };

enum next_step {
    NEXT_ONES, /* until each role of ROLE_ONE is ready */
    NEXT_CAS,  /* until the keeper has answered for each sandbox */
    NEXT_READY /* until all workers of it are ready */
};

/* The process of a role of ROLE_ONE. */
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
    int parent; /* a descriptor, to be told when ready; -1: none */
    bool is_daemon, wants_reload;
    bool wants_reap; /* more children have ended than one turn reaps */
    enum stop stop;
    int exit_code;
    struct list children, cycles, listeners;
    double share_at, shared_at; /* when master_share() is to be called (0:
                                   not at all), and when it last was */
    unsigned n_children;
    struct cycle *current, *next; /* NULL: none */
    enum next_step step;          /* of next */
    double step_deadline;         /* 0: none */
    const struct role *failed; /* a process of it ended before it was ready */
    struct roster roster;
    bool wants_sweep; /* sandboxes may have lost their last configuration */
    struct pid_file pid_file;
    struct notify notify;
};

#define MASTER_MAGIC 0x3a57e200u

/* Makes what outlives all cycles; `roles` must outlive them too. -1 after a log
 * line; master_end() is called then too. */
must_check int master_init(struct master *m, const struct role *const *roles);

/* Allots an index to each sandbox of the cycle, and makes room for it in the
 * vault and the ledger of all children. -1 after a log line. */
must_check int master_make_room(struct master *m, const struct cycle *c);

/* Kills children that still run, and frees everything. */
void master_end(struct master *m);

/* Tells the service manager that a reload has ended and changed nothing. */
void master_reload_failed(struct master *m);

/* Ends all children; `how` only ever grows. */
void master_stop(struct master *m, enum stop how);

/* Opens and starts the cycle `c`, which has been read; it becomes `next`. -1
 * after a log line: nothing is left of it. */
must_check int master_begin(struct master *m, struct cycle *c);

/* Takes `next` as far as it can go now: until it serves, or is undone. */
void master_advance(struct master *m);

/* The process of a role of ROLE_ONE; NULL: there is none now. */
struct child *master_one(struct master *m, const struct role *r);

/* Whether each role of ROLE_ONE has a process that is ready. */
bool master_ones_are_ready(const struct master *m);

/* -1 after a log line: it is tried again at a deadline. */
must_check int master_start_one(
    struct master *m, struct post *post, struct cycle *c);
must_check int master_start_worker(
    struct master *m, struct cycle *c, unsigned index);

/* Asks the keeper for what the roster needs; ends a keeper that answers late.
 */
void master_run_roster(struct master *m);

/* A worker started, ended or is full: master_share() will run soon. The delay
 * keeps a worker that is full now and then from causing a call each time. */
void master_share_soon(struct master *m, const struct cycle *c);

/* Tells the workers of the current cycle which of them accept: so the others
 * take over the sockets of one that is dead or full. */
void master_share(struct master *m);

/* `next`, whose workers are ready, takes the place of the current cycle, which
 * drains; no connection that waits is lost. */
void master_hand_over(struct master *m);

/* Tells the workers of a cycle to end: `how` is CHAN_QUIT, or CHAN_DRAIN
 * because another cycle serves now. */
void master_drain(struct master *m, const struct cycle *c, enum chan_type how);

/* Waits for signals, messages, secret files, room in a socket, a deadline. */
void master_wait(struct master *m);

/* Each takes only so many a turn, and leaves the rest for the next one. */
void master_reap(struct master *m);
void master_take_messages(struct master *m);

/* Sends messages that waited until their children read again. */
void master_flush(struct master *m);

/* Milliseconds until the next deadline; -1: none. */
int master_timeout(const struct master *m);

/* Starts again what died, kills what should have ended. */
void master_run_deadlines(struct master *m);

/* Frees cycles without workers that do not serve. */
void master_free_cycles(struct master *m);

/* Sends a child the log files of its cycle; one of ROLE_ONE gets only the error
 * log of the current cycle. */
void master_send_logs(struct master *m, struct child *ch);

/* Sends a message of secret_watch_run() to all processes that have secrets, but
 * those of `next`. */
void master_send_secret(struct master *m, struct str message);
