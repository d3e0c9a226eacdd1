#pragma once

/*
 * The queues of listening sockets, in which the kernel puts new connections,
 * and how to close such a socket without losing one that waits in its queue.
 *
 * weir relies on the following, tried on Linux 6.18 over IPv4 and IPv6:
 * - A socket joins its SO_REUSEPORT group by listen(), not by bind(). A socket
 *   that is only bound gets no connections and can be closed without loss.
 * - The program that listenq_steer() attaches to one socket of a group holds
 *   for all, also for those that join later. It chooses by the order in which
 *   the sockets began to listen.
 * - shutdown() ends listening at once, whoever else has the descriptor, and
 *   resets the connections in the queue. The last socket of the group takes the
 *   free place; so if the last ones end first, none moves.
 * - A least TTL (RFC 5082) of 255 drops the SYN of every client that sends with
 *   less, as hosts do, but not the ACK that completes a handshake. The client
 *   sends its SYN again after a second. Accepted sockets inherit the setting.
 *   (A socket filter could do the same, but needs CAP_NET_ADMIN. If the kernel
 *   answers by SYN cookies, that ACK is dropped, too.)
 * - A unix socket after shutdown() refuses new connections; those in its queue
 *   can still be accepted.
 */

#include "base/addr.h"

/* The socket takes connections from now on, at most `backlog` in its queue. May
 * be called again. -1 with errno. */
must_check int listenq_begin(int fd, int backlog);

/* Spreads the group's new connections over its first `n` sockets. -1 with
 * errno: the kernel cannot. */
must_check int listenq_steer(int fd, unsigned n);

/* on: a TCP socket takes no new SYN, but completes handshakes that have begun.
 * Off: it takes SYNs again. -1 with errno. */
must_check int listenq_refuse(int fd, bool on);

/* For a connection that was accepted from such a socket: takes the TTL limit
 * off, or its packets would be dropped; those that were dropped are sent again.
 * `family` is that of its address. */
void listenq_admit(int fd, int family);

/* Whether a connection waits to be accepted. */
bool listenq_has_waiting(int fd);

/* Whether a handshake to the port of `a` is under way, by sock_diag(7). True if
 * that cannot be known. */
bool listenq_has_half_open(const struct addr *a);

/* Ends listening: new connections are refused. Those in the queue are reset; on
 * a unix socket they stay. */
void listenq_end(int fd);
