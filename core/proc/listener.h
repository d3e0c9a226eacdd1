#pragma once

/*
 * The listening sockets, which the master holds open while their address is
 * configured: a group of SO_REUSEPORT sockets for a TCP address, one for each
 * worker; one socket for a unix path. Every worker has all of them, and
 * accepts from its share (proxy/accept.h).
 *
 * No connection that waits is lost (os/listenq.h says how):
 * - sockets for workers that are added begin to listen only when their
 * generation serves, so that one that fails to start has got no connection;
 * - if there are fewer workers, the kernel gives no more connections to the
 *   sockets beyond them; these are closed, the last one first, when no
 * handshake is under way and no connection waits in them;
 * - an address that is no longer configured takes no more SYNs and is closed in
 *   the same way, while the workers that knew it accept what waits. A reload
 * may bring it back.
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
    unsigned n_steered;   /* of them, the first ones, to which the kernel gives
                             connections; 0: to all, it was told no number */
    unsigned n_wanted;    /* by a generation that starts; 0: none starts */
    unsigned refs;        /* cycles that use it */
    bool is_leaving;
    double check_at;       /* clock_mono(); 0: nothing is to end */
    double handshakes_end; /* clock_mono(): no handshake is awaited longer */
    double leave_end;      /* clock_mono(): nor a queue that is not empty */
    unsigned n_quiet;      /* checks in a row that found nothing */
};

#define LISTENER_MAGIC 0x115735e7u

/* The listener for `l` among `all`, with at least `sockets` sockets (1 for
 * unix); a reference. Of a new address the first socket listens, the others are
 * only bound. NULL after a log line; nothing has changed then. */
must_check struct listener *listener_get(
    struct list *all, const struct listen *l, unsigned sockets);

/* Makes all its sockets listen, with that backlog. */
void listener_begin(struct listener *l, int backlog);

/* New connections go to the first `sockets` sockets; the others are closed when
 * nothing waits in them. A listener that was leaving stays. The workers that
 * accept must have been told before. */
void listener_steer(struct listener *l, unsigned sockets);

/* The generation that wanted more sockets did not start: closes those that do
 * not listen. */
void listener_trim(struct listener *l);

/* Gives back the reference of a cycle that served. After the last one it leaves
 * within `seconds` and then frees itself: true. A unix socket's file is removed
 * at once; workers accept what waits in the socket, and then read its end. */
must_check bool listener_leave(struct listener *l, double seconds);

/* Gives back the reference of a cycle that never served; after the last one it
 * is closed and freed at once. */
void listener_put(struct listener *l);

/* For all listeners. listeners_run() closes what can be closed now;
 * listeners_next() says when to call that again (clock_mono(); 0: never); the
 * last one closes every socket at once, for a stop. */
void listeners_run(struct list *all);
double listeners_next(const struct list *all);
void listeners_close(struct list *all);
