#pragma once

/*
 * One client connection of the load: to a proxy by CONNECT and TLS, or by TLS
 * alone, then request after request. load.c decides when and how many; this
 * never does by itself what it was not told.
 */

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

enum failure {
    F_CONNECT,       /* refused, or cut before the tunnel stood */
    F_PROXY_STATUS,  /* CONNECT was answered by something else than 200 */
    F_TLS,           /* no handshake: certificate, alert */
    F_CLOSED_NEW,    /* closed before a response byte, first request */
    F_CLOSED_REUSED, /* … a later request: one that a client may repeat */
    F_TRUNCATED,     /* closed within a response */
    F_STATUS,        /* another status than 200 */
    F_GARBLED,       /* not HTTP as this client reads it */
    N_FAILURES
};

enum step {
    S_CONNECTING,
    S_ASKING,  /* sending CONNECT */
    S_ASKED,   /* its answer */
    S_SHAKING, /* TLS */
    S_IDLE,
    S_SENDING,
    S_HEAD,
    S_BODY,
    S_HELD, /* of a stream that is only looked at: one byte came */
    S_CLOSED,
};

struct client;

/* What all connections of a run have in common. */
struct client_run {
    SSL_CTX *ctx;
    int poll_fd;
    uint16_t port;        /* of the proxy, or of the origin */
    uint32_t from;        /* the source address; 0: any */
    uint16_t origin_port; /* for CONNECT; 0: TLS at once */
    const char *label;    /* hosts are LABELnumber.DOMAIN */
    const char *domain;
    const char *path;
    uint64_t upload;  /* bytes of a request's body */
    bool does_resume; /* offers the session of the last connection */
    bool does_hold;   /* S_HELD at the body's first byte */
    bool does_abort;  /* closes at the body's first byte */

    void (*on_ready)(struct client *c); /* S_IDLE for the first time */
    void (*on_first)(struct client *c); /* the first byte of a response */
    void (*on_event)(uint64_t stamp);   /* an SSE event of the origin's */
    void (*on_done)(struct client *c);  /* a response, or held */
    void (*on_failure)(struct client *c, enum failure f);
};

struct client {
    struct client_run *run;
    int fd;
    SSL *ssl;
    SSL_SESSION *session; /* the last connection's; load.c keeps it */
    enum step step;
    unsigned number;     /* of the name */
    unsigned responses;  /* on this connection */
    uint64_t began, due; /* when it was opened, or may be again; when its
                          * request was due */
    char buf[4096];      /* a head, or a line of a chunked body */
    size_t n, sent;
    uint64_t sent_body, body; /* of a response: left */
    uint64_t bytes;           /* of bodies, both ways, since load.c zeroed it */
    uint64_t chunk;           /* of one that is skipped: left, with its end */
    bool is_chunked, is_packed, is_last_chunk;
    bool must_close, has_token, was_resumed;
};

/* Opens; on_ready or on_failure follows from client_run(). */
void client_open(struct client *c, struct client_run *run, unsigned number);

/* In S_IDLE: sends the request that was due at `due`. */
void client_request(struct client *c, uint64_t due);

/* After an event of its descriptor. */
void client_turn(struct client *c);

void client_close(struct client *c);
