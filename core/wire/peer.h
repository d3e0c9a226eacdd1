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

/* What an exchange asks of the origin's side: one for each version (up_h1.c),
 * which keeps in its own struct how far request and response are. In the order
 * of an exchange. */
struct peer_ops {
    /* A new one, of `t`. `is_last`: no other follows on this connection, and
     * the origin is told. */
    void (*begin)(struct peer *p, struct task *t, bool is_last);
    /* Sends the request's head, then what the up pump holds. P_OK: all sent. */
    enum peer_io (*send)(struct peer *p, struct xfer *x);
    /* Reads the next head into x->response, an interim or the final one. */
    enum peer_io (*head)(struct peer *p, struct xfer *x);
    /* Fills the down pump. P_OK: the body is complete. */
    enum peer_io (*body)(struct peer *p, struct xfer *x);
    /* clock_mono() when the origin last took of what waits to be sent, or when
     * that began to wait; a client's bytes do not count. TASK_NEVER: nothing
     * waits. */
    double (*stalled_since)(const struct peer *p);
    /* Whether the origin may have seen some of this request. False: it may be
     * sent on another connection, whatever it asks for. */
    bool (*may_have_reached)(const struct peer *p);
    /* The response is complete: whether another request may follow. */
    bool (*end)(struct peer *p);
    /* Whatever goes on is given up, and the peer is freed, with all that was
     * its own: the connection, in HTTP/1. */
    void (*close)(struct peer *p);
};

struct peer {
    unsigned magic;
    const struct peer_ops *ops;
    struct pool_entry entry;
    struct wire wire;
    struct addr addr;
    unsigned requests; /* that were begun, this one too */
    bool is_pinned;    /* one client connection's, from here to its end */
    const void *place; /* of the configuration, where the secret is that may
                          have told the origin whose it is; NULL: none has */
};

#define PEER_MAGIC 0x9ee2ee20u

/* For codecs: takes the stream; at most `in_max` bytes of the origin's wait to
 * be parsed. */
void peer_init(struct peer *p, const struct peer_ops *ops, struct stream *s,
    const struct addr *a, size_t in_max);

/* For a new exchange of `t`; see peer_ops. */
void peer_begin(struct peer *p, struct task *t, bool is_last);

/* It had a request before this one, and may have died since. */
static inline bool
peer_is_reused(const struct peer *p)
{
    return p->requests > 1;
}

void peer_close(struct peer *p);

/* Gives a peer, which end() said may be used again, to the pool, for at most
 * `idle_timeout` seconds. */
void peer_park(struct peer *p, struct pool *pool, struct pool_host *host,
    double idle_timeout);

/* The peer of a pool's entry. */
struct peer *peer_of(struct pool_entry *e);
