#pragma once

/*
 * The listening sockets, which the master holds open while their address is
 * configured: a group of SO_REUSEPORT sockets for a TCP address, one for each
 * worker; one socket for a unix path. Every worker has all of them, and
 * accepts from its share (proxy/accept.h).
 *
 * No connection that waits is lost (os/listenq.h says by what):
 * - sockets for workers that are added begin to listen when their generation
 *   serves, not before: one that fails was given nothing;
 * - those beyond the workers are steered off, and end, the last one first,
 *   when no handshake is under way and no connection waits in them;
 * - an address that goes away takes no more SYNs, and ends in the same way,
 *   while the workers that knew it accept what waits. It can come back.
 */

#include "base/list.h"
#include "proxy/listen.h"

struct listener {
    unsigned magic;
    struct list node;
    struct addr addr; /* family 0: a unix socket */
    char *path;
    int *fds;
    unsigned n;           /* of fds */
    unsigned n_listening; /* of them, the first ones */
    unsigned n_steered;   /* of them, the first ones, that the kernel chooses
                             from; 0: from all, since nobody told it */
    unsigned n_wanted;    /* by a generation that starts; 0: there is none */
    unsigned refs;        /* cycles that have it */
    bool is_leaving;
    double check_at;       /* clock_mono(); 0: nothing is to end */
    double handshakes_end; /* clock_mono(): not waited for any longer */
    double leave_end;      /* clock_mono(): nor for what waits in the queue */
    unsigned n_quiet;      /* checks in a row that found nothing */
};

#define LISTENER_MAGIC 0x115735e7u

/* The listener for `l` among `all`, with `sockets` of them at least (1 for
 * unix); a reference. The first of a new address listens, others are bound.
 * NULL after a log line; nothing has changed then. */
must_check struct listener *listener_get(
    struct list *all, const struct listen *l, unsigned sockets);

/* All its sockets listen, with that backlog. */
void listener_begin(struct listener *l, int backlog);

/* New connections go to the first `sockets`, others end as they fall dry. One
 * that was leaving stays. Those who accept know of it already. */
void listener_steer(struct listener *l, unsigned sockets);

/* The generation that wanted more sockets did not start: those that do not
 * listen are closed. */
void listener_trim(struct listener *l);

/* Gives back the reference of a cycle that served; the last one makes it leave,
 * within `seconds`: true, and it frees itself. A unix socket's file is gone at
 * once, and who has the socket finds its end behind what waits. */
must_check bool listener_leave(struct listener *l, double seconds);

/* Gives back the reference of one that did not; the last one closes and
 * frees, at once. */
void listener_put(struct listener *l);

/* Of all: ends what can end by now; when to come again (clock_mono(); 0: not at
 * all); closes every socket at once, for a stop. */
void listeners_run(struct list *all);
double listeners_next(const struct list *all);
void listeners_close(struct list *all);
