#pragma once

/*
 * The listening sockets, which the master holds open while their address is
 * configured: a group of SO_REUSEPORT sockets for a TCP address, one socket
 * for a unix path. Worker i of N serves the sockets whose number is i mod N,
 * so each is served whatever N is.
 */

#include "base/list.h"
#include "proxy/listen.h"

struct listener {
    struct list node;
    struct addr addr; /* family 0: a unix socket */
    char *path;
    int *fds;
    unsigned n;
    unsigned refs; /* cycles that have it */
};

/* The listener for `l` among `all`, made or grown to `sockets` (1 for unix);
 * a reference. *had: the sockets there were before. NULL after a log line. */
struct listener *listener_get(
    struct list *all, const struct listen *l, unsigned sockets, unsigned *had);

/* Closes the sockets beyond `n`: those of a generation that did not start. */
void listener_trim(struct listener *l, unsigned n);

/* The last one closes, and removes a unix socket's file. */
void listener_put(struct listener *l);

/* Closes the sockets now; for a stop. */
void listener_close(struct listener *l);
