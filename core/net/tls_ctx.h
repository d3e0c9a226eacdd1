#pragma once

/*
 * TLS contexts: one for all interception, one for each trust store upstream.
 * Trust stores are built before the fork; a worker adds its own sessions.
 */

#include "base/str.h"

struct ssl_ctx_st;
struct ssl_st;

/* The server side of interception: TLS 1.2 and 1.3, tickets only, no early
 * data, no renegotiation. `tickets` is the memory file of struct ticket_keys,
 * mapped here and left open; -1: keys of its own (tests). NULL: logged. */
struct tls_server *tls_server_new(int tickets);
void tls_server_free(struct tls_server *s);

/* The client side: verifies chain and name against `ca_file` (PEM), or the
 * system's CAs when NULL. NULL with a message. */
struct tls_client *tls_client_new(
    const char *ca_file, char *err, size_t err_size);
void tls_client_free(struct tls_client *c);

/* For net/tls.c. */
struct ssl_ctx_st *tls_server_ctx(struct tls_server *s);
struct ssl_ctx_st *tls_client_ctx(struct tls_client *c);
struct tls_sessions *tls_client_sessions(struct tls_client *c);
