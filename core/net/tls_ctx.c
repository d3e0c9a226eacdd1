/*
 * Makes and owns the SSL_CTXs. tls.c sets what one connection needs beyond
 * them.
 */

#include "net/tls_ctx.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/tls.h"
#include "net/tls_session.h"
#include "net/tls_ticket.h"

#define SESSIONS_MAX 1024

/* For a connection to an origin: one read takes several records of a large
 * body. Its pages are touched only as far as bytes come, and parking frees
 * it. */
#define READ_BUFFER (64 * 1024)

/* The least bits of a cipher that the operator may name: 3DES has them. */
#define CIPHER_BITS_MIN 112

struct tls_server {
    SSL_CTX *ctx;
    struct tls_tickets *tickets; /* NULL: none are given */
};

struct tls_client {
    SSL_CTX *ctx;
    struct tls_sessions *sessions;
};

/* Forward secrecy and AEAD only. AES-128 comes first, as in browsers and Go:
 * with its SHA-256 a resumption costs a tenth less than with AES-256. */
static const char ciphers[] = "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20";
static const char suites[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                             "TLS_CHACHA20_POLY1305_SHA256";

/* To origins also what clients offer to those without AEAD, and P-521. */
static const char origin_ciphers[] = "ECDHE+AESGCM+AES128:ECDHE+AESGCM:"
                                     "ECDHE+CHACHA20:ECDHE+AES";
static const char origin_groups[] = "X25519:P-256:P-384:P-521";

/* The only protocol that is spoken to origins (RFC 7301). */
static const unsigned char origin_protocols[] = "\x08http/1.1";

static void
ctx_common(SSL_CTX *ctx)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1);
    AN(SSL_CTX_set_cipher_list(ctx, ciphers));
    AN(SSL_CTX_set_ciphersuites(ctx, suites));
    AN(SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384"));
}

static SSL_CTX *
server_ctx(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    AN(ctx != NULL);
    ctx_common(ctx);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_early_data(ctx, 0);
    return ctx;
}

struct tls_server *
tls_server_new(int tickets)
{
    struct tls_server *s = xcalloc(sizeof *s);
    s->tickets = tls_tickets_new(tickets);
    if (s->tickets == NULL) {
        xfree(s);
        return NULL;
    }
    s->ctx = server_ctx();
    SSL_CTX_set_num_tickets(s->ctx, 1);
    tls_tickets_use(s->tickets, s->ctx);
    tls_accept_setup(s->ctx);
    return s;
}

void
tls_server_free(struct tls_server *s)
{
    SSL_CTX_free(s->ctx);
    if (s->tickets != NULL) {
        tls_tickets_free(s->tickets);
    }
    xfree(s);
}

#define REFUSAL_MAX (LOG_ERRNO_MAX + 32)

/* The message of the first error, which is the cause: for a file that cannot be
 * opened it has the errno. Later ones tell how OpenSSL passed it on. */
static const char *
load_refusal(const char *otherwise, char text[REFUSAL_MAX])
{
    unsigned long e = ERR_peek_error();
    const char *why = ERR_reason_error_string(e);
    if (ERR_SYSTEM_ERROR(e)) {
        char number[LOG_ERRNO_MAX];
        snprintf(text, REFUSAL_MAX, "it cannot be opened%s",
            log_errno_text(ERR_GET_REASON(e), number));
        return text;
    }
    return why != NULL ? why : otherwise;
}

/* A key with a passphrase is refused: there is nobody to ask. */
static int
on_passphrase(char *buf, int size, int for_writing, void *arg)
{
    (void)buf, (void)size, (void)for_writing;
    *(bool *)arg = true;
    return -1;
}

static EVP_PKEY *
read_key(const char *file, const char **why, char text[REFUSAL_MAX])
{
    bool is_encrypted = false;
    BIO *in = BIO_new_file(file, "r");
    if (in == NULL) {
        *why = load_refusal("it cannot be opened", text);
        return NULL;
    }
    EVP_PKEY *key =
        PEM_read_bio_PrivateKey(in, NULL, on_passphrase, &is_encrypted);
    *why = is_encrypted ? "it is encrypted" : "no key is in it";
    BIO_free(in);
    return key;
}

/* 0, or -1 with a message. */
static int
load_own(SSL_CTX *ctx, const char *cert_file, const char *key_file, char *err,
    size_t err_size)
{
    const char *why;
    char text[REFUSAL_MAX];
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1) {
        snprintf(err, err_size, "cannot load the certificate in \"%s\": %s",
            cert_file, load_refusal("none is in it", text));
        return -1;
    }
    EVP_PKEY *key = read_key(key_file, &why, text);
    if (key == NULL) {
        snprintf(
            err, err_size, "cannot load the key in \"%s\": %s", key_file, why);
        return -1;
    }
    bool is_its = X509_check_private_key(SSL_CTX_get0_certificate(ctx), key) &&
                  SSL_CTX_use_PrivateKey(ctx, key) == 1;
    EVP_PKEY_free(key);
    if (!is_its) {
        snprintf(err, err_size,
            "the key in \"%s\" is not that of the certificate in \"%s\"",
            key_file, cert_file);
        return -1;
    }
    return 0;
}

struct tls_server *
tls_server_own(
    const char *cert_file, const char *key_file, char *err, size_t err_size)
{
    SSL_CTX *ctx = server_ctx();
    int r = load_own(ctx, cert_file, key_file, err, err_size);
    ERR_clear_error();
    if (r != 0) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ctx, 0);
    tls_accept_own_setup(ctx);
    struct tls_server *s = xcalloc(sizeof *s);
    s->ctx = ctx;
    return s;
}

/* OpenSSL's security level judges an origin's certificate and key, too. */
static const char *
ciphers_refusal(SSL_CTX *ctx, const char *list)
{
    int level = SSL_CTX_get_security_level(ctx);
    if (SSL_CTX_set_cipher_list(ctx, list) != 1) {
        return "has no cipher of TLS 1.2";
    }
    if (SSL_CTX_get_security_level(ctx) < level) {
        return "lowers the security level";
    }
    STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ctx);
    for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
        const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);
        if (SSL_CIPHER_get_cipher_nid(c) == NID_undef) {
            return "admits ciphers that encrypt nothing, add \":!eNULL\"";
        }
        if (SSL_CIPHER_get_auth_nid(c) == NID_auth_null) {
            return "admits anonymous ciphers, add \":!aNULL\"";
        }
        if (SSL_CIPHER_get_bits(c, NULL) < CIPHER_BITS_MIN) {
            return "admits export or weak ciphers, add \":!EXPORT:!LOW\"";
        }
    }
    return NULL;
}

const char *
tls_ciphers_refusal(const char *list)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    AN(ctx != NULL);
    const char *why = ciphers_refusal(ctx, list);
    ERR_clear_error();
    SSL_CTX_free(ctx);
    return why;
}

bool
tls_client_args_eq(
    const struct tls_client_args *a, const struct tls_client_args *b)
{
    return str_eq(a->ca_file, b->ca_file) && str_eq(a->ciphers, b->ciphers) &&
           a->versions == b->versions && a->depth == b->depth;
}

/* A CA that the operator names is trusted, even if it is an intermediate. */
static bool
client_trust(SSL_CTX *ctx, const struct tls_client_args *args)
{
    SSL_CTX_set_verify_depth(ctx, (int)args->depth);
    if (args->ca_file.n == 0) {
        return SSL_CTX_set_default_verify_paths(ctx) == 1;
    }
    X509_VERIFY_PARAM_set_flags(
        SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    return SSL_CTX_load_verify_file(ctx, args->ca_file.p) == 1;
}

static void
client_versions(SSL_CTX *ctx, unsigned versions)
{
    AN(versions != 0 && (versions & ~(unsigned)TLS_ANY) == 0);
    AN(SSL_CTX_set_min_proto_version(
        ctx, versions & TLS_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION));
    AN(SSL_CTX_set_max_proto_version(
        ctx, versions & TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION));
}

static SSL_CTX *
client_ctx(const struct tls_client_args *args)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    AN(ctx != NULL);
    ctx_common(ctx);
    client_versions(ctx, args->versions);
    AN(SSL_CTX_set_cipher_list(
        ctx, args->ciphers.n != 0 ? args->ciphers.p : origin_ciphers));
    AN(SSL_CTX_set1_groups_list(ctx, origin_groups));
    AZ(SSL_CTX_set_alpn_protos(
        ctx, origin_protocols, sizeof origin_protocols - 1));
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_default_read_buffer_len(ctx, READ_BUFFER);
    SSL_CTX_set_session_cache_mode(
        ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    tls_connect_setup(ctx);
    return ctx;
}

struct tls_client *
tls_client_new(const struct tls_client_args *args, char *err, size_t err_size)
{
    SSL_CTX *ctx = client_ctx(args);
    char text[REFUSAL_MAX];
    ERR_clear_error();
    if (!client_trust(ctx, args)) {
        snprintf(err, err_size, "cannot load the certificates in \"%s\": %s",
            args->ca_file.n != 0 ? args->ca_file.p : "system",
            load_refusal("no certificate is in it", text));
        SSL_CTX_free(ctx);
        return NULL;
    }
    struct tls_client *c = xcalloc(sizeof *c);
    c->ctx = ctx;
    c->sessions = tls_sessions_new(SESSIONS_MAX);
    SSL_CTX_set_app_data(ctx, c);
    return c;
}

void
tls_client_free(struct tls_client *c)
{
    tls_sessions_free(c->sessions);
    SSL_CTX_free(c->ctx);
    xfree(c);
}

struct ssl_ctx_st *
tls_server_ctx(struct tls_server *s)
{
    return s->ctx;
}

struct ssl_ctx_st *
tls_client_ctx(struct tls_client *c)
{
    return c->ctx;
}

struct tls_sessions *
tls_client_sessions(struct tls_client *c)
{
    return c->sessions;
}
