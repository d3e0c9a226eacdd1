#pragma once

/*
 * TLS contexts: one for all interception, one of weir's own for its listeners,
 * one for each way of speaking to origins. The last two are built before the
 * fork; a worker adds its own sessions.
 */

#include "base/str.h"

struct ssl_ctx_st;
struct ssl_st;

/* The server side of interception: TLS 1.2 and 1.3, tickets only, no early
 * data, no renegotiation. `tickets` is the memory file of struct ticket_keys,
 * mapped here and left open; -1: keys of its own (tests). NULL: logged. */
struct tls_server *tls_server_new(int tickets);

/* weir's own server, of a listener: one certificate with its chain, and the key
 * to it, of PEM files; no tickets. NULL with a message. */
struct tls_server *tls_server_own(
    const char *cert_file, const char *key_file, char *err, size_t err_size);
void tls_server_free(struct tls_server *s);

/* The versions that are spoken with origins, as a set. */
enum tls_versions {
    TLS_1_2 = 1 << 0,
    TLS_1_3 = 1 << 1,
    TLS_ANY = TLS_1_2 | TLS_1_3
};

/* What OpenSSL takes: CAs between the leaf and the anchor. */
#define TLS_DEPTH_MAX 100

/* How an origin is spoken to, and whom it must be vouched for by. Where two
 * are equal one client serves for both. */
struct tls_client_args {
    struct str ca_file; /* PEM; NUL-terminated; n 0: the system's CAs */
    struct str ciphers; /* of TLS 1.2, judged by tls_ciphers_refusal();
                           NUL-terminated; n 0: weir's own */
    unsigned versions;  /* of enum tls_versions, at least one */
    unsigned depth;     /* to TLS_DEPTH_MAX */
};

bool tls_client_args_eq(
    const struct tls_client_args *a, const struct tls_client_args *b);

/* Why a list of OpenSSL's is none for TLS 1.2; NULL: it is one. Static. */
const char *tls_ciphers_refusal(const char *list);

/* The client side: verifies chain and name. NULL with a message. */
struct tls_client *tls_client_new(
    const struct tls_client_args *args, char *err, size_t err_size);
void tls_client_free(struct tls_client *c);

/* For net/tls.c. */
struct ssl_ctx_st *tls_server_ctx(struct tls_server *s);
struct ssl_ctx_st *tls_client_ctx(struct tls_client *c);
struct tls_sessions *tls_client_sessions(struct tls_client *c);
