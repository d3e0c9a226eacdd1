#pragma once

/*
 * Listening sockets, socket pairs and bells.
 */

#include "base/addr.h"

/* A bound TCP socket, non-blocking, close-on-exec. It does not listen yet, so
 * it gets no connection. Several may have the same address; each has its own
 * queue later. -1 with errno. */
must_check int sock_bind(const struct addr *a);

/* 0: nobody listens on `a`; -1 with errno. SO_REUSEPORT alone would let a
 * second weir of the same user take half of the connections. */
must_check int sock_probe(const struct addr *a);

/* A listening unix stream socket, non-blocking, close-on-exec, whose clients
 * can send no descriptors (sock_refuse_fds(); else a log line). Its file has
 * mode `mode` and is put in place by a rename. It replaces a socket that nobody
 * serves, and whatever belongs neither to root nor to this user (a socket is
 * removed, anything else is renamed, after a log line). -1 with errno;
 * EADDRINUSE: a socket of root or of this user is served there, or another file
 * of theirs is there. */
must_check int sock_listen_unix(const char *path, int backlog, unsigned mode);

/* The address that a socket is bound to: with its real port if 0 was asked
 * for. */
void sock_local(int fd, struct addr *out);

/* Who sends descriptors to this unix socket, or to one that is accepted from
 * it, gets an error. Else they would be closed here, were they received or not,
 * and that may take as long as their sender likes: a TCP socket with SO_LINGER,
 * a file of FUSE. Before connections or messages can come. False: the kernel
 * does not know how. */
bool sock_refuse_fds(int fd);

/* A SEQPACKET pair, close-on-exec; -1 with errno. */
must_check int sock_pair(int fds[2]);

/* A bell: many processes ring it, one polls it for reading. Ringing never
 * blocks, whatever another process does to the shared descriptor. -1 with
 * errno. */
must_check int sock_bell(void);
void sock_ring(int fd);

/* Stills it until it is rung again. */
void sock_hush(int fd);

must_check int sock_set_nonblocking(int fd, bool on);
