#pragma once

/*
 * The CA of a sandbox: how its key and certificate are made, and how it signs
 * leaves. The keeper's one user of OpenSSL.
 */

#include "base/cert.h"
#include "keeper/vault.h"

/* A new CA's secrets, to be put in the vault and wiped. */
struct ca_fresh {
    uint8_t key[VAULT_KEY_SIZE];
    uint8_t signature[CERT_SIGNATURE_MAX];
};

/* Makes key and signature for r->serial, r->id and r->created; r->key and
 * r->signature point into `fresh` then. False after a log line. */
must_check bool ca_generate(struct vault_record *r, struct ca_fresh *fresh);
void ca_fresh_wipe(struct ca_fresh *fresh);

/* The certificate of a record; its length, 0 after a log line. Valid from a
 * day before it was created, for ten years. */
must_check size_t ca_certificate(
    const struct vault_record *r, uint8_t out[CERT_MAX]);

/* Keys that are in use, ready to sign; at most 256. */
struct ca_cache;

struct ca_cache *ca_cache_new(void);
void ca_cache_free(struct ca_cache *c);

/* The record at that index is gone. */
void ca_cache_forget(struct ca_cache *c, unsigned index);

/* A leaf signed, as an ECDSA-Sig-Value. */
struct ca_leaf {
    uint8_t number[CERT_NUMBER_SIZE];
    int64_t not_before, not_after;
    uint8_t signature[CERT_SIGNATURE_MAX];
    size_t n_signature;
};

/* Who asks for what. The name is valid; `now` in seconds since 1970. */
struct ca_ask {
    struct str name;
    const uint8_t *key; /* public; CERT_KEY_SIZE */
    int64_t now;
};

/* A random number; valid from an hour ago, for 7 days, not beyond its CA.
 * False after a log line. */
must_check bool ca_sign(struct ca_cache *c, unsigned index,
    const struct vault_record *r, const struct ca_ask *ask,
    struct ca_leaf *out);
