#pragma once

/*
 * The master's state, and what master.c asks of master_children.c. All of it
 * belongs to the one process; nothing here blocks but master_await_keeper().
 */

#include "proc/child.h"
#include "proc/cycle.h"
#include "proc/daemon.h"
#include "proc/notify.h"
#include "proc/roster.h"

enum stop { STOP_NOT, STOP_GRACEFUL, STOP_FAST };

struct master {
    unsigned magic;
    struct cycle_options options;
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
    double start_deadline;        /* of next */
    struct child *keeper;         /* NULL: to be started */
    struct respawn keeper_respawn;
    struct roster roster;
    struct pid_file pid_file;
    struct notify notify;
};

#define MASTER_MAGIC 0x3a57e200u

/* Makes what outlives all cycles. -1 after a log line; master_end() then, too.
 */
must_check int master_init(struct master *m);

/* Allots an index to each sandbox of the cycle; vault and ledger have room for
 * those then, in all children. -1 after a log line. */
must_check int master_make_room(struct master *m, const struct cycle *c);

/* Ends what children there are still, frees all. */
void master_end(struct master *m);

/* Ends all children; `how` only ever grows. */
void master_stop(struct master *m, enum stop how);

/* -1 after a log line: it is tried again at a deadline. */
must_check int master_start_keeper(struct master *m, const struct cycle *c);
/* Waits until it serves: what it writes, workers read. -1 after a log line. */
must_check int master_await_keeper(struct master *m);
must_check int master_start_worker(
    struct master *m, struct cycle *c, unsigned index);

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

/* Whether a CA can be asked for. */
bool master_has_keeper(const struct master *m);

/* Some a turn: what is left is the next one's, however much comes. */
void master_reap(struct master *m);
void master_take_messages(struct master *m);

/* Milliseconds until the next deadline; -1: none. */
int master_timeout(const struct master *m);

/* Starts again what died, kills what should have ended. */
void master_run_deadlines(struct master *m);

/* Frees cycles without workers that do not serve. */
void master_free_cycles(struct master *m);

/* A worker gets the log files of its cycle, the keeper the current one's error
 * log. */
void master_send_logs(struct master *m, struct child *ch);

/* One message of secret_watch_run() to every worker of the current cycle. */
void master_send_secret(struct master *m, struct str message);
