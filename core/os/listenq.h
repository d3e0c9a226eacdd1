#pragma once

/*
 * The queues of sockets that listen: where the kernel puts new connections,
 * and how a socket goes away without one that waits in it.
 *
 * What is relied on, tried on Linux 6.18 over IPv4 and IPv6:
 * - a socket of an SO_REUSEPORT group joins it by listen(), not by bind(): one
 *   that is only bound is given nothing, and can be closed at no loss;
 * - the program that listenq_steer() attaches to any socket of the group holds
 *   for all, also for those that join later; it chooses by the order in which
 *   they began to listen;
 * - shutdown() ends the listening at once, whoever else has the descriptor,
 *   and resets what waits; the last of the group takes the freed place, so
 *   that ending the last ones first moves none;
 * - a least TTL (RFC 5082) of 255 drops the SYNs of all who send with less, as
 *   hosts do, but not the ACK that ends a handshake; the client sends its SYN
 *   again after a second. What is accepted inherits it. (A socket filter could
 *   do the same, but wants CAP_NET_ADMIN by now. Where the kernel answers by
 *   SYN cookies, that ACK is dropped, too.);
 * - a unix socket that is shut down refuses who connects, and what waits in it
 *   can still be accepted.
 */

#include "base/addr.h"

/* From here on it takes connections, `backlog` at most in its queue; also for
 * one that does already. -1 with errno. */
must_check int listenq_begin(int fd, int backlog);

/* Spreads the group's new connections over its first `n` sockets. -1 with
 * errno where the kernel has no such thing. */
must_check int listenq_steer(int fd, unsigned n);

/* A TCP socket takes no new SYN any more, but completes the handshakes that
 * have begun; or it does again. -1 with errno. */
must_check int listenq_refuse(int fd, bool on);

/* What was accepted from such a socket gets its packets all the same; those
 * that came before are sent again. `family` is that of its address. */
void listenq_admit(int fd, int family);

/* Whether a connection waits to be accepted. */
bool listenq_has_waiting(int fd);

/* Whether the handshake of a connection to the port of `a` is under way, by
 * sock_diag(7); true where that cannot be known. */
bool listenq_has_half_open(const struct addr *a);

/* No more connections: refused from here on. What waits is reset, but for a
 * unix socket. */
void listenq_end(int fd);
