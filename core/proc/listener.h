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
    unsigned magic;
    struct list node;
    struct addr addr; /* family 0: a unix socket */
    char *path;
    int *fds;
    unsigned n;
    unsigned refs; /* cycles that have it */
};

#define LISTENER_MAGIC 0x115735e7u

/* The listener for `l` among `all`, made or grown to `sockets` (1 for unix);
 * a reference. One that is there keeps its backlog and mode. *had: the sockets
 * there were before. NULL after a log line; nothing has changed then. */
must_check struct listener *listener_get(
    struct list *all, const struct listen *l, unsigned sockets, unsigned *had);

/* Closes the sockets beyond `n`: those of a generation that did not start; 0
 * for a stop. The file of a unix socket goes with it. */
void listener_trim(struct listener *l, unsigned n);

/* The last reference closes and frees. */
void listener_put(struct listener *l);
