#pragma once

/*
 * The bottom layer: a connected (or connecting) TCP or unix stream socket.
 */

#include "base/addr.h"
#include "net/stream.h"

/* Takes `fd`, non-blocking, as it was accepted: what a listening socket has of
 * options (tcp_set_options()), one that is accepted from it has, too. */
struct stream *tcp_new(struct loop *l, int fd, struct task *t);

/* The socket, lent: for getsockopt and logs. Any layer of a stack. */
int tcp_fd(const struct stream *s);

/* Starts a connect to `a`; NULL with errno on failure at once. The stream is
 * writable (handshake gives IO_OK) when it is connected; IO_ERR with errno
 * set from SO_ERROR when it failed. */
struct stream *tcp_connect(
    struct loop *l, const struct addr *a, struct task *t);

/* The same to a unix stream socket. EAGAIN: its backlog is full, and nothing
 * tells when it is not; try again. */
struct stream *tcp_connect_unix(
    struct loop *l, struct str path, struct task *t);

/* When TCP asks a peer that says nothing whether it is still there: after
 * `idle` seconds, then each `interval`; one that leaves `count` questions
 * unanswered is dead, and the stream's next read is an error. So is one that
 * takes nothing of what was sent for as long as all that (RFC 5482): TCP
 * repeats it then, and asks nothing. */
struct tcp_keepalive {
    unsigned idle; /* 0: TCP never asks */
    unsigned interval;
    unsigned count;
};

/* The most that Linux takes (net/tcp.h: MAX_TCP_KEEPIDLE and so on). */
#define TCP_KEEPALIVE_SECONDS_MAX 32767
#define TCP_KEEPALIVE_COUNT_MAX 127

/* Of all that is set or connected from here on; before it, never. */
void tcp_set_keepalive(const struct tcp_keepalive *k);

/* Those of a connection, on a socket that listens for the ones that are
 * accepted from it from here on: before it does, or some have none of them. */
void tcp_set_options(int fd);

/* Test knob, set once before streams exist: every read and write moves one
 * byte. */
void tcp_set_one_byte(bool on);
bool tcp_is_one_byte(void);

/* Bytes in and out since the stream was made. */
uint64_t tcp_bytes_in(const struct stream *s);
uint64_t tcp_bytes_out(const struct stream *s);

/* What the other end has done, however much of what it sent before lies there
 * unread: ended its side (and may yet read), or reset (a unix peer: closed). */
enum tcp_end { TCP_OPEN, TCP_ENDED, TCP_GONE };
enum tcp_end tcp_other_end(const struct stream *s);

/* Close with RST instead of FIN: for a truncated response that HTTP framing
 * alone would not show. */
void tcp_abort_on_close(struct stream *s);
bool tcp_is_aborting(const struct stream *s);
