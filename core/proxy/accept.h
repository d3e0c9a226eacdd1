#pragma once

/*
 * The listening sockets that a worker has, and accepts from where they are its
 * share: socket k of an address is worker k's (modulo the workers), or where
 * that one does not accept one of the others'; a unix socket is everyone's.
 *
 * Accepting stops at worker_connections, and goes on when a connection has
 * ended. When descriptors run out, idle upstream connections go first; then
 * accepting stops until a connection ends, or for a while. Other workers are
 * asked to accept in the meantime.
 */

#include "base/str.h"
#include "net/loop.h"

struct worker;
struct listen;

struct acceptor {
    struct watch watch;
    struct worker *worker;
    const struct listen *listen;
    unsigned number; /* among those of its address */
    int fd;          /* -1: it has ended */
    bool is_mine, is_leaving;
};

/* Which of `count` workers accepts from socket `number`, where `workers` is the
 * set of those that accept at all. `count`: none does. */
unsigned accept_owner(unsigned number, unsigned count, struct str workers);

void accept_init(struct worker *w); /* watches none */
void accept_share(struct worker *w, struct str workers);
/* Closes all but those of the listeners in the set `leaving`: from them it
 * accepts until they end. */
void accept_leave(struct worker *w, struct str leaving);
void accept_resume(struct worker *w);        /* there may be room */
bool accept_is_over(const struct worker *w); /* every socket has ended */
void accept_fini(struct worker *w);          /* closes the sockets */
