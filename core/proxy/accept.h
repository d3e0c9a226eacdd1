#pragma once

/*
 * The listening sockets that a worker serves. Accepting stops at
 * worker_connections, and goes on when a connection has ended. When
 * descriptors run out, idle upstream connections go first; then accepting
 * stops until a connection ends, or for a while.
 */

#include "net/loop.h"

struct worker;
struct listen;

struct acceptor {
    struct watch watch;
    struct worker *worker;
    const struct listen *listen;
    int fd;
};

void accept_init(struct worker *w); /* starts all */
void accept_pause(struct worker *w);
void accept_resume(struct worker *w); /* nothing while the worker quits */
void accept_fini(struct worker *w);   /* closes the sockets */
