#pragma once

/*
 * TLS contexts: one for all interception, one for each listener with weir's own
 * certificate, one for each way of speaking to origins. The last two are built
 * before the fork; a worker adds its own sessions.
 */

#include "base/str.h"

struct ssl_ctx_st;
struct ssl_st;

/* The server side of interception: TLS 1.2 and 1.3, tickets only, no early
 * data, no renegotiation. `tickets` is the memory file of struct ticket_keys,
 * mapped here and left open; -1: random keys (tests). NULL after a log line. */
struct tls_server *tls_server_new(int tickets);

/* The server side of a listener: one certificate with its chain, and its key,
 * from PEM files; no tickets. NULL with a message. */
struct tls_server *tls_server_own(
    const char *cert_file, const char *key_file, char *err, size_t err_size);
void tls_server_free(struct tls_server *s);

/* The versions that are spoken to origins, as a set. */
enum tls_versions {
    TLS_1_2 = 1 << 0,
    TLS_1_3 = 1 << 1,
    TLS_ANY = TLS_1_2 | TLS_1_3
};

/* OpenSSL's limit: CAs between the leaf and the trust anchor. */
#define TLS_DEPTH_MAX 100

/* How to speak to an origin, and which CAs to trust. One client serves all
 * blocks whose arguments are equal. */
struct tls_client_args {
    struct str ca_file; /* PEM; NUL-terminated; n 0: the system's CAs */
    struct str ciphers; /* of TLS 1.2; tls_ciphers_refusal() has passed it;
                           NUL-terminated; n 0: weir's own */
    unsigned versions;  /* of enum tls_versions, at least one */
    unsigned depth;     /* to TLS_DEPTH_MAX */
};

bool tls_client_args_eq(
    const struct tls_client_args *a, const struct tls_client_args *b);

/* Why a cipher list of OpenSSL's cannot be used for TLS 1.2; NULL: it can.
 * Static. */
const char *tls_ciphers_refusal(const char *list);

/* The client side, which verifies chain and name. NULL with a message. */
struct tls_client *tls_client_new(
    const struct tls_client_args *args, char *err, size_t err_size);
void tls_client_free(struct tls_client *c);

/* For net/tls.c. */
struct ssl_ctx_st *tls_server_ctx(struct tls_server *s);
struct ssl_ctx_st *tls_client_ctx(struct tls_client *c);
struct tls_sessions *tls_client_sessions(struct tls_client *c);
