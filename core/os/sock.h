#pragma once

/*
 * Listening sockets and socket pairs.
 */

#include "base/addr.h"

/* A TCP socket, non-blocking, close-on-exec, that does not listen yet, so that
 * it is given no connection; several share the address, each with a queue of
 * its own then. -1 with errno. */
must_check int sock_bind(const struct addr *a);

/* Whether nobody listens on `a`: SO_REUSEPORT alone would let a second weir
 * of the same user take half of the connections. -1 with errno. */
must_check int sock_probe(const struct addr *a);

/* A listening unix stream socket, non-blocking, close-on-exec; a stale socket
 * file that nobody serves is removed first. `mode` of the file. -1 with errno:
 * EADDRINUSE where a socket is served, or something else lies there. */
must_check int sock_listen_unix(const char *path, int backlog, unsigned mode);

/* The address that a socket is bound to: its port, when 0 was asked for. */
void sock_local(int fd, struct addr *out);

/* A SEQPACKET pair, close-on-exec; -1 with errno. */
must_check int sock_pair(int fds[2]);

must_check int sock_set_nonblocking(int fd, bool on);
