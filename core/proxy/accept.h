#pragma once

/*
 * The listening sockets that a worker serves. Accepting stops at
 * worker_connections and when descriptors run out, and goes on when a
 * connection has ended.
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
