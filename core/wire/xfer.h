#pragma once

/*
 * One request and its response, whoever asks and whoever answers; the proxied
 * exchange (struct tx) embeds one. Codecs fill and drain it and know nothing of
 * what it is embedded in. A codec of the client's side (h1_side.h) fills
 * `request` and `up` and drains `response` and `down`; one of the origin's side
 * (peer.h) the other way round.
 *
 * Who changes what: is_head_ready, is_broken and the kind of what follows the
 * head (is_tunnel_open, is_upgraded) are the owner's, must_close is set by
 * either and never taken back; held, is_held_short and why are the origin's
 * codec's, until the owner takes them.
 */

#include "http/head.h"
#include "wire/pump.h"

/* 1xx heads before a response. RFC 9110 15.2: any number may come; a storm may
 * not. */
#define XFER_INTERIMS_MAX 32

struct xfer {
    struct task task; /* the owner's, woken by the upstream's stream */
    struct arena *arena;
    struct head request, response;
    struct pump up, down; /* request body, response body */
    struct turn turn;     /* of the response's body */

    /* for the origin's codec */
    struct str target;    /* request target as sent */
    bool is_secret;       /* the request holds one: what it is copied to is
                             wiped */
    bool is_retried;      /* on a second connection */
    bool is_held_short;   /* more was sent than is held */
    bool is_request_sent; /* head and body have left */
    bool may_be_cut;      /* the body was ended by its connection, without
                             close_notify */
    struct bufq held;     /* of the body: sent, and not yet answered */
    unsigned interims;    /* 1xx heads so far */
    const char *why;      /* after P_BAD: the first cause; static */

    /* for the client's codec */
    bool is_head_ready;  /* response is final and may be written */
    bool is_tunnel_open; /* a 200 to CONNECT: the connection is a tunnel now */
    bool is_upgraded;    /* a 101 that was asked for */
    bool is_broken;      /* the response cannot be completed */
    bool must_close;     /* the client's connection ends with this */
    uint64_t body_max;   /* of the request's body, in bytes; 0: no limit */
    uint64_t bytes_sent; /* to the client, heads included */
};

/* Zeroed memory in `a`. `client` is the task of the client's codec, which fills
 * `up`; x->task is initialised by the owner. */
void xfer_init(struct xfer *x, struct arena *a, struct task *client);

/* The task is the owner's to end. */
void xfer_fini(struct xfer *x);

/* Whether more of the request's body has come than may; a chunked one shows its
 * size only so. */
bool xfer_is_too_large(const struct xfer *x);

/* Whether a request asks for what may be spliced: a WebSocket (RFC 6455 4.1).
 */
bool xfer_asks_upgrade(const struct head *request);
