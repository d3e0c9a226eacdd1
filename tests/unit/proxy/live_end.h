#pragma once

/*
 * The other ends of a live worker's connections: a client, an origin, with TLS
 * or without. What weir sends lies in the socket until the test reads it. TLS
 * is OpenSSL's own over memory, so that a record can be sent in pieces.
 */

#include "base/addr.h"
#include "base/buf.h"
#include "live.h"

struct cert;
struct ssl_st;

struct live_end {
    struct live *live;
    int fd;             /* -1: closed */
    struct ssl_st *ssl; /* NULL: plain */
    struct buf got;     /* what came, decrypted, and was not looked at */
    bool is_ended;      /* weir has closed */
};

/* A client that weir has accepted, of the sandbox's address; one behind the
 * front end of `listen … proxy_protocol`. */
struct live_end *live_client(struct live *l);
struct live_end *live_front(struct live *l);

/* One of another listener, which the test's own directives made: 2 or more. */
struct live_end *live_client_of(struct live *l, unsigned listener);

/* One from that address. */
struct live_end *live_client_at(struct live *l, const struct addr *from);

/* The connection that weir has made; there is one. */
struct live_end *live_origin(struct live *l);
bool live_is_dialled(const struct live *l); /* whether there is one */

/* CONNECT to that host and port, answered by 200 and logged. */
struct live_end *live_connected(struct live *l, const char *authority);

/* The same with TLS in it, by the sandbox's own certificate. */
struct live_end *live_tunnel(struct live *l, const char *name);

/* A client, in a tunnel to up.test if `is_tls`, and its request for "/", of
 * that method; `rest` is what follows the Host field: "\r\n" at least. */
struct live_end *live_asks(
    struct live *l, bool is_tls, const char *method, const char *rest);

/* Another one of the same client. */
void live_asks_more(
    struct live_end *client, const char *method, const char *rest);

/* The origin that got it so. */
struct live_end *live_is_asked(
    struct live *l, bool is_tls, const char *method, const char *rest);

/* TLS over what there is, as a client of `name` or as the origin of up.test.
 * The handshake goes on in live_shake(), to its end. */
void live_tls_client(struct live_end *e, const char *name);
void live_tls_origin(struct live_end *e);
void live_shake(struct live_end *e);

/* From here on it says and hears bytes as they are. */
void live_end_tls(struct live_end *e);

/* The origin's answer to a hello, to be sent; its length. */
size_t live_answer_hello(struct live_end *e);

/* Sends it all, through TLS where there is. */
void live_send(struct live_end *e, const char *text);
void live_send_n(struct live_end *e, const void *p, size_t n);

/* With TLS: gives records to be sent, and how many bytes of them there are;
 * sends so many of them. */
size_t live_seal(struct live_end *e, const char *text);
void live_flush(struct live_end *e, size_t n);

/* Bytes as they are, where there is TLS too. */
void live_send_raw(struct live_end *e, const void *p, size_t n);

/* A byte each `every` ms. */
void live_trickle(struct live_end *e, const char *text, unsigned every);

/* As many zeroes as are taken, at most `max`; how many. */
size_t live_fill(struct live_end *e, size_t max);

/* Whether bytes of this end's lie there that weir did not read. */
bool live_is_full(struct live_end *e);

/* Bytes of weir's that lie here unread. */
size_t live_unread(struct live_end *e);

/* Reads at most `n` bytes of weir's, past TLS, and throws them away. */
size_t live_waste(struct live_end *e, size_t n);

/* What came begins so, and that is taken. */
void live_gets(struct live_end *e, const char *text);

/* A whole answer with that status and a text in its head ("": any). */
void live_answers(struct live_end *e, unsigned status, const char *text);

/* Its head alone. */
void live_gets_head(struct live_end *e, unsigned status, const char *text);

/* Nothing more came, and weir has not closed. */
void live_is_open(struct live_end *e);

/* Nothing more came, and weir has closed; then this end closes. */
void live_is_closed(struct live_end *e);

/* The same, whatever came. */
void live_is_cut(struct live_end *e);

void live_shut(struct live_end *e);  /* it says no more */
void live_close(struct live_end *e); /* weir sees an orderly end, or a reset
                                        where something lies here unread */

void live_end_free(struct live_end *e);

/* Whom weir trusts upstream. */
const struct cert *live_ca(void);
