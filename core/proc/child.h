#pragma once

/*
 * A process of the master's: how it is forked, what it holds, how it is
 * spoken to. When one is started or ended is master.c's to decide.
 */

#include <sys/types.h>

#include "base/list.h"
#include "base/str.h"
#include "os/chan.h"

struct cycle;
struct ledger;
struct vault_files;

enum child_kind { CHILD_KEEPER, CHILD_WORKER };

struct child {
    unsigned magic;
    struct list node; /* of the master's */
    enum child_kind kind;
    pid_t pid;
    int chan;            /* the master's end; -1: closed */
    struct cycle *cycle; /* of a worker */
    unsigned index;      /* of a worker */
    int pair[2];         /* of a worker and the keeper: the worker's end, the
                            keeper's; held so that a new keeper gets them */
    double started;
    double kill_at; /* clock_mono(); it has been told to end. 0: it has not */
    bool is_ready;  /* CHAN_READY came */
    bool is_full;   /* CHAN_FULL */
};

#define CHILD_MAGIC 0xc811dc81u

/* What children need beside their cycle. */
struct child_setup {
    pid_t master;
    const struct vault_files *vault;
    int tickets; /* memory file */
    struct ledger *ledger;
    bool is_daemon;            /* the terminal is not theirs */
    const struct cycle *cycle; /* of a worker; for a keeper: its user, log */
};

/* Forks; the child runs its role and exits. NULL after a log line. */
must_check struct child *child_spawn_keeper(const struct child_setup *s);
must_check struct child *child_spawn_worker(
    const struct child_setup *s, struct cycle *c, unsigned index);

/* After it was reaped. */
void child_free(struct child *ch);

/* Sends; one that does not take the message is killed, since it would go on
 * with what no longer holds. */
void child_send(struct child *ch, const struct chan_msg *m);

/* Tells it to end in `seconds` at most (CHAN_QUIT, CHAN_DRAIN); 0: at once.
 * Told before, it has no more time than it was given then. `leaving`: the
 * message's data; n 0: it accepts no more. */
void child_end(
    struct child *ch, enum chan_type how, double seconds, struct str leaving);

/* It has closed its channel: it is about to end, or is killed for not doing
 * so. */
void child_hung_up(struct child *ch);

/* Whether it has been told to. */
bool child_is_ending(const struct child *ch);

const char *child_name(const struct child *ch); /* "worker process" */
