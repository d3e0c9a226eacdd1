#pragma once

/*
 * The TLS layer of a stream, for both sides, over any layer. The handshake is a
 * call of its own: stream_handshake(), until it is not IO_AGAIN.
 */

#include "base/addr.h"
#include "net/stream.h"
#include "net/tls_ctx.h"

struct tls_accept_args {
    uint8_t sid_ctx[32]; /* what a session ticket is bound to: leaf_sid_ctx() */
    struct str name;     /* the SNI as hello.c read it, in canonical form;
                            n 0: none. Copied. */
    /* Gives the certificate to the handshake. 1: given; 0: not yet, it wakes
     * the task, which tries again; -1: there is none. */
    int (*use_cert)(void *arg, struct ssl_st *ssl);
    void *arg;
};

/* Takes `below`. */
struct stream *tls_accept(struct tls_server *s, struct stream *below,
    const struct tls_accept_args *args, struct task *task);

/* The same with weir's own certificate (tls_server_own()), for any name. */
struct stream *tls_accept_own(
    struct tls_server *s, struct stream *below, struct task *task);

/* Gives back bytes that were read from the layer below: this layer reads them
 * first. At most once before they are read. Copies. */
void tls_unread(struct stream *s, struct str bytes);

struct tls_connect_args {
    struct str name; /* verified, and sent as SNI; n 0: `ip` is verified */
    struct addr ip;
    uint16_t port;
    uint64_t serial; /* of the sandbox: sessions are not shared */
};

struct stream *tls_connect(struct tls_client *c, struct stream *below,
    const struct tls_connect_args *args, struct task *task);

/* From now on OpenSSL wipes what it has deciphered once a read has given it to
 * the caller, or the stream is closed. */
void tls_mark_secret(struct stream *s);

/* Why the stream failed, lent until it is closed. "": it did not. */
const char *tls_error(const struct stream *s);

/* Whether it failed because the peer's certificate was not accepted. */
bool tls_is_untrusted(const struct stream *s);

/* Whether it failed because the peer, a client, did not accept weir's: by an
 * alert unknown_ca, bad_certificate or certificate_unknown. */
bool tls_is_distrusted(const struct stream *s);

/* For tls_ctx.c: the callbacks of a context. */
void tls_accept_setup(struct ssl_ctx_st *ctx);
void tls_accept_own_setup(struct ssl_ctx_st *ctx);
void tls_connect_setup(struct ssl_ctx_st *ctx);
