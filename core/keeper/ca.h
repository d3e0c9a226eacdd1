#pragma once

/*
 * The CA of a sandbox: how its key and certificate are made, and how it signs
 * leaves. The keeper's one user of OpenSSL.
 */

#include "base/cert.h"
#include "keeper/vault.h"

/* The secrets of a new CA. The caller puts them in the vault and wipes them. */
struct ca_fresh {
    uint8_t key[VAULT_KEY_SIZE];
    uint8_t signature[CERT_SIGNATURE_MAX];
};

/* Makes key and signature for r->serial, r->id and r->created, and points
 * r->key and r->signature at them in `fresh`. False after a log line. */
must_check bool ca_generate(struct vault_record *r, struct ca_fresh *fresh);
void ca_fresh_wipe(struct ca_fresh *fresh);

/* Builds the certificate of a record, valid from a day before r->created, for
 * ten years. Returns its length; 0 after a log line. */
must_check size_t ca_certificate(
    const struct vault_record *r, uint8_t out[CERT_MAX]);

/* Keys that are in use, ready to sign; at most 256. */
struct ca_cache;

struct ca_cache *ca_cache_new(void);
void ca_cache_free(struct ca_cache *c);

/* The record at that index has ended. */
void ca_cache_forget(struct ca_cache *c, unsigned index);

/* The signature of a leaf, an ECDSA-Sig-Value, and what the keeper chose. */
struct ca_leaf {
    uint8_t number[CERT_NUMBER_SIZE];
    int64_t not_before, not_after;
    uint8_t signature[CERT_SIGNATURE_MAX];
    size_t n_signature;
};

/* What is asked for. The caller has checked the name. `now` in seconds since
 * 1970. */
struct ca_ask {
    struct str name;
    const uint8_t *key; /* public; CERT_KEY_SIZE */
    int64_t now;
};

/* Signs a leaf with a random number, valid from an hour ago for 7 days, but not
 * longer than its CA. False after a log line. */
must_check bool ca_sign(struct ca_cache *c, unsigned index,
    const struct vault_record *r, const struct ca_ask *ask,
    struct ca_leaf *out);
