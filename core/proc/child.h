#pragma once

/*
 * A child process of the master: how it is forked, what it holds, how messages
 * are sent to it. The master's files decide when one is started or ended.
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
    int pairs[ROLE_LINKS_MAX][2]; /* for each of role->links: the child's
                                     end, the other end; -1: none */
    double started;
    double kill_at;  /* clock_mono(); 0: it has not been told to end */
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
    struct list *children; /* all: what waits for others is dropped in it */
};

/* Forks; the child runs its role and exits. For a role of ROLE_ONE `c` only
 * says its user and log. NULL after a log line. */
must_check struct child *child_spawn(const struct child_setup *s,
    const struct role *r, struct cycle *c, unsigned index);

/* After it was reaped. */
void child_free(struct child *ch);

/* Sends the message, or queues it until the child reads. If the queue is full
 * the child is killed: without the message it would go on with an old state. If
 * it takes nothing any more it has hung up: it may have shut its end for
 * reading alone, which no read here tells. Does nothing when its channel is
 * closed. */
void child_send(struct child *ch, const struct chan_msg *m);

/* The same where many children get the same body, which they share. */
void child_send_body(
    struct child *ch, const struct chan_msg *m, struct link_body *body);

/* Sends what waits, as far as there is room. */
void child_flush(struct child *ch);

/* Tells it (by CHAN_QUIT or CHAN_DRAIN) to end in `seconds` at most; 0: at
 * once. If it was told before, its deadline can only come earlier. `leaving`:
 * the message's data (cycle_leaving()); n 0: it accepts no more. */
void child_end(
    struct child *ch, enum chan_type how, double seconds, struct str leaving);

/* Closes its channel, so it should end; if it does not, it is killed. */
void child_hung_up(struct child *ch);

/* Kills it if it is late: to end, or to become ready. */
void child_kill_late(struct child *ch);

/* When child_kill_late() is to be called, clock_mono(); 0: never. */
double child_deadline(const struct child *ch);

/* Whether it has been told to end. */
bool child_is_ending(const struct child *ch);

/* Whether it belongs to a cycle. */
static inline bool
child_is_of_cycle(const struct child *ch)
{
    return ch->role->life == ROLE_OF_CYCLE;
}
