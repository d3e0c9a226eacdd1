#pragma once

/*
 * Listening sockets, socket pairs and bells.
 */

#include "base/addr.h"

/* A TCP socket, non-blocking, close-on-exec, that does not listen yet, so that
 * it is given no connection; several share the address, each with a queue of
 * its own then. -1 with errno. */
must_check int sock_bind(const struct addr *a);

/* Whether nobody listens on `a`: SO_REUSEPORT alone would let a second weir
 * of the same user take half of the connections. -1 with errno. */
must_check int sock_probe(const struct addr *a);

/* A listening unix stream socket, non-blocking, close-on-exec. Its file has
 * that mode, and comes to its place by a rename: over a socket that nobody
 * serves, and in the place of whatever is neither root's nor this user's (a
 * socket is removed, anything else gets another name, after a log line). -1
 * with errno: EADDRINUSE where root's or this user's socket is served, or
 * something else of theirs lies there. */
must_check int sock_listen_unix(const char *path, int backlog, unsigned mode);

/* The address that a socket is bound to: its port, when 0 was asked for. */
void sock_local(int fd, struct addr *out);

/* A SEQPACKET pair, close-on-exec; -1 with errno. */
must_check int sock_pair(int fds[2]);

/* Something to poll for reading that many processes may ring: a call never
 * waits, whatever one of them does to the descriptor that all share. -1 with
 * errno. */
must_check int sock_bell(void);
void sock_ring(int fd);

/* Until it is rung again. */
void sock_hush(int fd);

must_check int sock_set_nonblocking(int fd, bool on);
