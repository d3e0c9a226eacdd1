#pragma once

/*
 * Certificates for tests, made when they are needed.
 */

#include <openssl/ssl.h>

struct cert {
    EVP_PKEY *key;
    X509 *x509;
};

/* A CA of its own where `ca` is NULL. `san` is OpenSSL's text: "DNS:a.example,
 * IP:192.0.2.1"; NULL: none. */
void cert_make(
    struct cert *c, const struct cert *ca, const char *name, const char *san);
void cert_fini(struct cert *c);

/* The certificate as PEM, to a file. */
void cert_write(const struct cert *c, const char *path);

/* Its key as PEM, encrypted where there is a passphrase. */
void cert_write_key(
    const struct cert *c, const char *path, const char *passphrase);
