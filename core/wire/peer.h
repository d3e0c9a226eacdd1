#pragma once

/*
 * The upstream side of an exchange: a connection with its codec. The owner of
 * the xfer drives it; its stream wakes the xfer's task. A peer that may be used
 * again goes back to the pool.
 */

#include "wire/pool.h"
#include "wire/wire.h"

struct xfer;
struct peer;

/* What one call of a codec came to. P_AGAIN: nothing more now. */
enum peer_io {
    P_OK, /* what was asked for is complete */
    P_AGAIN,
    P_CLOSED, /* the peer closed or reset before a byte of the response */
    P_BROKEN, /* it closed or reset in the middle */
    P_BAD     /* what it sent breaks the protocol: xfer->why says how */
};

/* One codec: up_h1.c; HTTP/2 will be another. */
struct peer_ops {
    /* For a new exchange. */
    void (*begin)(struct peer *p);
    /* Sends the request's head, then what the up pump holds. P_OK: all sent. */
    enum peer_io (*send)(struct peer *p, struct xfer *x);
    /* Reads a response head into x->response. */
    enum peer_io (*recv_head)(struct peer *p, struct xfer *x);
    /* Fills the down pump. P_OK: the body is complete. */
    enum peer_io (*recv_body)(struct peer *p, struct xfer *x);
    /* clock_mono() when the origin last took of what waits to be sent, or when
     * that began to wait; a client's bytes do not count. TASK_NEVER: nothing
     * waits. */
    double (*stalled_since)(const struct peer *p);
    /* Whether another request may follow. */
    bool (*is_reusable)(const struct peer *p);
    /* Frees the codec, the peer in it too; the wire is closed. */
    void (*free)(struct peer *p);
};

struct peer {
    unsigned magic;
    const struct peer_ops *ops;
    struct pool_entry entry;
    struct wire wire;
    struct addr addr;
    unsigned requests;
    bool is_reused;
    bool has_sent;     /* a byte of this request has left */
    bool has_answered; /* a byte of this response has come */
    bool must_close;   /* no request follows; before the head: it says so */
    bool is_pinned;    /* one client connection's, from here to its end */
    const void *place; /* of the configuration, where the secret is that may
                          have told the origin whose it is; NULL: none has */
};

#define PEER_MAGIC 0x9ee2ee20u

/* For codecs: takes the stream; at most `in_max` bytes of the origin's wait to
 * be parsed. */
void peer_init(struct peer *p, const struct peer_ops *ops, struct stream *s,
    const struct addr *a, size_t in_max);

/* For a new exchange of `t`. */
void peer_begin(struct peer *p, struct task *t);

void peer_close(struct peer *p);

/* Whether the origin has said nothing more. Bytes behind a response may lie in
 * the TLS layer, of which no event tells, or have come in this turn. */
bool peer_is_quiet(struct peer *p);

/* Gives a reusable peer to the pool, for at most `idle_timeout` seconds. */
void peer_park(struct peer *p, struct pool *pool, struct pool_host *host,
    double idle_timeout);

/* The peer of a pool's entry. */
struct peer *peer_of(struct pool_entry *e);
