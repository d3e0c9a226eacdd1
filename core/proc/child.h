#pragma once

/*
 * A process of the master's: how it is forked, what it holds, how it is
 * spoken to. When one is started or ended is master.c's to decide.
 */

#include <sys/types.h>

#include "base/list.h"
#include "base/str.h"
#include "os/link.h"
#include "proc/role.h"

struct child {
    unsigned magic;
    struct list node; /* of the master's */
    const struct role *role;
    pid_t pid;
    struct link link;             /* the master's end of its channel */
    struct cycle *cycle;          /* of ROLE_OF_CYCLE */
    unsigned index;               /* among the cycle's */
    int pairs[ROLE_LINKS_MAX][2]; /* by role->links: the child's end, the
                                     other's; -1: none */
    double started;
    double kill_at;  /* clock_mono(); it has been told to end. 0: it has not */
    double ready_by; /* clock_mono(); it is killed then if it is not ready. 0:
                        it is, or has been killed */
    bool is_ready;   /* CHAN_READY came */
    bool is_full;    /* CHAN_FULL */
};

#define CHILD_MAGIC 0xc811dc81u

/* What children need beside their cycle. */
struct child_setup {
    pid_t master;
    const struct vault_files *vault;
    int tickets; /* memory file */
    struct ledger *ledger;
    bool is_daemon;        /* the terminal is not theirs */
    struct list *children; /* the others: what waits for them is not its */
};

/* Forks; the child runs its role and exits. Of ROLE_ONE `c` gives its user and
 * log. NULL after a log line. */
must_check struct child *child_spawn(const struct child_setup *s,
    const struct role *r, struct cycle *c, unsigned index);

/* After it was reaped. */
void child_free(struct child *ch);

/* Sends, or lets it wait for the child to read. A child that reads so little
 * that there is no room to wait is killed, since it would go on with what no
 * longer holds. One that takes nothing any more has hung up: its end may be
 * shut for reading alone, and is never read as closed then. Nothing happens
 * when its channel is closed. */
void child_send(struct child *ch, const struct chan_msg *m);

/* The same to one of many. */
void child_send_body(
    struct child *ch, const struct chan_msg *m, struct link_body *body);

/* Sends what waits, as far as there is room. */
void child_flush(struct child *ch);

/* Tells it to end in `seconds` at most (CHAN_QUIT, CHAN_DRAIN); 0: at once.
 * Told before, it has no more time than it was given then. `leaving`: the
 * message's data; n 0: it accepts no more. */
void child_end(
    struct child *ch, enum chan_type how, double seconds, struct str leaving);

/* Its channel is closed, by it or by the master: it is about to end, or is
 * killed for not doing so. */
void child_hung_up(struct child *ch);

/* Kills it if it is late: to end, or to become ready. */
void child_kill_late(struct child *ch);

/* When child_kill_late() is to be called, clock_mono(); 0: never. */
double child_deadline(const struct child *ch);

/* Whether it has been told to. */
bool child_is_ending(const struct child *ch);

/* Whether it belongs to a cycle. */
static inline bool
child_is_of_cycle(const struct child *ch)
{
    return ch->role->life == ROLE_OF_CYCLE;
}
