#pragma once

/*
 * The bottom layer: a connected (or connecting) TCP or unix stream socket.
 */

#include "base/addr.h"
#include "net/stream.h"

/* Takes `fd`, which is non-blocking and as it was accepted. The options
 * (tcp_set_options()) come from its listening socket. */
struct stream *tcp_new(struct loop *l, int fd, struct task *t);

/* The socket, lent, for getsockopt and logs. `s` may be any layer. */
int tcp_fd(const struct stream *s);

/* Starts a connect to `a`. NULL with errno: it failed at once.
 * stream_handshake() gives IO_OK once it is connected, IO_ERR with errno when
 * it failed. */
struct stream *tcp_connect(
    struct loop *l, const struct addr *a, struct task *t);

/* The same for a unix stream socket. EAGAIN: its backlog is full; try again
 * later, no event tells when. */
struct stream *tcp_connect_unix(
    struct loop *l, struct str path, struct task *t);

/* When TCP probes a silent peer: after `idle` seconds, then every `interval`.
 * After `count` probes without an answer the peer is dead, and the next read is
 * an error. The peer is also dead if it has not taken what was sent for as long
 * as all that (RFC 5482): TCP retransmits then, and does not probe. */
struct tcp_keepalive {
    unsigned idle; /* 0: TCP never probes */
    unsigned interval;
    unsigned count;
};

/* The largest values of Linux (net/tcp.h: MAX_TCP_KEEPIDLE and so on). */
#define TCP_KEEPALIVE_SECONDS_MAX 32767
#define TCP_KEEPALIVE_COUNT_MAX 127

/* For all sockets that get options or connect from now on. Call it before any
 * does. */
void tcp_set_keepalive(const struct tcp_keepalive *k);

/* Sets on a listening socket the options that accepted connections inherit.
 * Call it before the socket listens, or some connections lack them. */
void tcp_set_options(int fd);

/* For tests: every read and write moves one byte. Set before streams exist. */
void tcp_set_one_byte(bool on);
bool tcp_is_one_byte(void);

/* Bytes in and out since the stream was made. */
uint64_t tcp_bytes_in(const struct stream *s);
uint64_t tcp_bytes_out(const struct stream *s);

/* What the other end has done, also while bytes of it lie unread: ENDED: it
 * sent FIN, and may still read. GONE: it reset the connection, or closed it (a
 * unix socket). */
enum tcp_end { TCP_OPEN, TCP_ENDED, TCP_GONE };
enum tcp_end tcp_other_end(const struct stream *s);

/* Closing sends RST instead of FIN: so a peer sees that a response is
 * truncated, even where the framing of HTTP does not show it. */
void tcp_abort_on_close(struct stream *s);
bool tcp_is_aborting(const struct stream *s);
