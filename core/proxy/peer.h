#pragma once

/*
 * The upstream side of an exchange: a connection with its codec. The tx
 * drives it; its stream wakes the tx. A peer that may be used again goes back
 * to the pool.
 */

#include "http/h1_body.h"
#include "net/pool.h"
#include "net/stream.h"

struct tx;
struct peer;

/* What one call of a codec came to. P_AGAIN: nothing more now. */
enum peer_io {
    P_OK, /* what was asked for is complete */
    P_AGAIN,
    P_CLOSED, /* the peer closed or reset before a byte of the response */
    P_BROKEN, /* it closed or reset in the middle */
    P_BAD     /* what it sent breaks the protocol: tx->cause says how */
};

/* One codec: up_h1.c; HTTP/2 will be another. */
struct peer_ops {
    /* Sends the request's head, then what the up pump holds. P_OK: all sent. */
    enum peer_io (*send)(struct peer *p, struct tx *tx);
    /* Reads a response head into tx->response. */
    enum peer_io (*recv_head)(struct peer *p, struct tx *tx);
    /* Fills the down pump. P_OK: the body is complete. */
    enum peer_io (*recv_body)(struct peer *p, struct tx *tx);
    /* Whether another request may follow. */
    bool (*is_reusable)(const struct peer *p);
};

struct peer {
    unsigned magic;
    const struct peer_ops *ops;
    struct pool_entry entry;
    struct stream *stream;
    struct addr addr;
    struct buf in; /* read and not yet parsed */
    size_t scanned;
    size_t heads;        /* bytes of this response's heads, interim ones too */
    struct bufq out;     /* bytes for the origin */
    struct h1_body body; /* of the response */
    double progress;     /* clock_mono() when the origin last took of `out`, or
                            when that was empty; a client's bytes do not count */
    unsigned requests;
    bool is_reused;
    bool is_head_sent, is_end_sent;
    bool is_head_done, is_body_done;
    bool has_sent;     /* a byte of this request has left */
    bool has_answered; /* a byte of this response has come */
    bool must_close;
    bool is_pinned; /* one client connection's, from here to its end */
    const struct scope *place; /* where the secret is that may have told the
                                  origin whose it is; NULL: none has */
};

#define PEER_MAGIC 0x9ee2ee20u

/* Takes the stream; an HTTP/1.1 peer. */
struct peer *peer_new(struct stream *s, const struct addr *a);

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

extern const struct peer_ops up_h1_ops; /* up_h1.c */
