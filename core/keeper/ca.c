/*
 * Makes P-256 keys and signs what base/cert.h writes. A key in use stays set up
 * in a table with one entry for each hash of an index: a signature costs 20 us,
 * setting a key up twice that.
 */

#include "keeper/ca.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"

#define CACHE_SIZE 256
#define HOUR 3600
#define DAY 86400
#define SKEW (DAY + HOUR) /* the clock of a guest may be a day slow */

/* A CA that can sign; `ctx` NULL: an empty entry. */
struct ca {
    unsigned index;
    uint64_t serial;
    EVP_PKEY_CTX *ctx;
    uint8_t key[CERT_KEY_SIZE];
    struct cert_issuer issuer;
    int64_t not_after;
};

struct ca_cache {
    struct ca entries[CACHE_SIZE];
};

static bool
ca_log_error(const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    log_at(
        LOG_ALERT, "%s failed: %s", what, reason != NULL ? reason : "unknown");
    ERR_clear_error();
    return false;
}

/* The public key of a private one. */
static bool
public_of(const BIGNUM *scalar, uint8_t out[CERT_KEY_SIZE])
{
    EC_GROUP *g = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *point = EC_POINT_new(g);
    AN(g != NULL && point != NULL);
    bool ok = EC_POINT_mul(g, point, scalar, NULL, NULL, NULL) == 1 &&
              EC_POINT_point2oct(g, point, POINT_CONVERSION_UNCOMPRESSED, out,
                  CERT_KEY_SIZE, NULL) == CERT_KEY_SIZE;
    EC_POINT_free(point);
    EC_GROUP_free(g);
    return ok;
}

static EVP_PKEY *
key_of(const BIGNUM *scalar, uint8_t *public)
{
    uint8_t native[VAULT_KEY_SIZE];
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(
            OSSL_PKEY_PARAM_GROUP_NAME, (char *)"prime256v1", 0),
        OSSL_PARAM_construct_BN(
            OSSL_PKEY_PARAM_PRIV_KEY, native, sizeof native),
        OSSL_PARAM_construct_octet_string(
            OSSL_PKEY_PARAM_PUB_KEY, public, CERT_KEY_SIZE),
        OSSL_PARAM_construct_end(),
    };
    AN(ctx != NULL);
    if (BN_bn2nativepad(scalar, native, sizeof native) < 0 ||
        EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1) {
        key = NULL;
    }
    mem_wipe(native, sizeof native);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static void
ca_unload(struct ca *ca)
{
    EVP_PKEY_CTX_free(ca->ctx); /* frees the key too, which OpenSSL clears */
    mem_wipe(ca, sizeof *ca);
}

static bool
ca_load(struct ca *ca, const struct vault_record *r)
{
    BIGNUM *scalar = BN_bin2bn(r->key, VAULT_KEY_SIZE, NULL);
    EVP_PKEY *key = NULL;
    AN(scalar != NULL);
    memset(ca, 0, sizeof *ca);
    if (public_of(scalar, ca->key)) {
        key = key_of(scalar, ca->key);
    }
    BN_clear_free(scalar);
    if (key != NULL) {
        ca->ctx = EVP_PKEY_CTX_new(key, NULL);
        AN(ca->ctx != NULL);
        EVP_PKEY_free(key); /* the context holds it */
    }
    if (ca->ctx == NULL || EVP_PKEY_sign_init(ca->ctx) != 1) {
        ca_unload(ca);
        return ca_log_error("setting up a CA key");
    }
    ca->serial = r->serial;
    ca->not_after = r->created + 3650 * (int64_t)DAY;
    cert_issuer_make(&ca->issuer, r->serial, r->id, ca->key);
    return true;
}

static bool
ca_sign_tbs(struct ca *ca, const struct cert_tbs *t, uint8_t *out, size_t *n)
{
    uint8_t hash[SHA256_SIZE];
    sha256(t->der, hash);
    *n = CERT_SIGNATURE_MAX;
    if (EVP_PKEY_sign(ca->ctx, out, n, hash, sizeof hash) != 1) {
        return ca_log_error("signing");
    }
    return true;
}

/* The fields of the certificate follow from the record and its key, so that it
 * can be built again. The number is as random as the key. */
static void
ca_tbs(const struct ca *ca, const struct vault_record *r, struct cert_tbs *t)
{
    uint8_t hash[SHA256_SIZE];
    struct cert_fields f = { .key = ca->key,
        .not_before = r->created - SKEW,
        .not_after = ca->not_after };
    hmac_sha256(STR("weir CA number"),
        str_n((const char *)ca->key, CERT_KEY_SIZE), hash);
    memcpy(f.number, hash, sizeof f.number);
    f.number[0] = (uint8_t)((f.number[0] & 0x3f) | 0x40);
    cert_tbs_ca(t, &ca->issuer, &f);
}

static bool
random_scalar(uint8_t out[VAULT_KEY_SIZE])
{
    BIGNUM *scalar = NULL;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    bool ok =
        key != NULL &&
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) == 1 &&
        BN_bn2binpad(scalar, out, VAULT_KEY_SIZE) == VAULT_KEY_SIZE;
    BN_clear_free(scalar);
    EVP_PKEY_free(key);
    return ok || ca_log_error("making a CA key");
}

bool
ca_generate(struct vault_record *r, struct ca_fresh *fresh)
{
    struct ca ca;
    struct cert_tbs t;
    size_t n = 0;
    r->key = fresh->key;
    r->signature = STR_NONE;
    if (!random_scalar(fresh->key) || !ca_load(&ca, r)) {
        return false;
    }
    ca_tbs(&ca, r, &t);
    bool ok = ca_sign_tbs(&ca, &t, fresh->signature, &n);
    r->signature = str_n((const char *)fresh->signature, n);
    ca_unload(&ca);
    return ok;
}

void
ca_fresh_wipe(struct ca_fresh *fresh)
{
    mem_wipe(fresh, sizeof *fresh);
}

size_t
ca_certificate(const struct vault_record *r, uint8_t out[CERT_MAX])
{
    struct ca ca;
    struct cert_tbs t;
    if (!ca_load(&ca, r)) {
        return 0;
    }
    ca_tbs(&ca, r, &t);
    ca_unload(&ca);
    return cert_join(&t, r->signature, out);
}

struct ca_cache *
ca_cache_new(void)
{
    return xcalloc(sizeof(struct ca_cache));
}

void
ca_cache_free(struct ca_cache *c)
{
    for (size_t i = 0; i < CACHE_SIZE; i++) {
        ca_unload(&c->entries[i]);
    }
    xfree(c);
}

void
ca_cache_forget(struct ca_cache *c, unsigned index)
{
    struct ca *ca = &c->entries[index % CACHE_SIZE];
    if (ca->ctx != NULL && ca->index == index) {
        ca_unload(ca);
    }
}

/* A serial is never used again: so it tells whether the record is still the one
 * that was loaded. */
static struct ca *
cache_get(struct ca_cache *c, unsigned index, const struct vault_record *r)
{
    struct ca *ca = &c->entries[index % CACHE_SIZE];
    if (ca->ctx != NULL && ca->index == index && ca->serial == r->serial) {
        return ca;
    }
    ca_unload(ca);
    if (!ca_load(ca, r)) {
        return NULL;
    }
    ca->index = index;
    return ca;
}

bool
ca_sign(struct ca_cache *c, unsigned index, const struct vault_record *r,
    const struct ca_ask *ask, struct ca_leaf *out)
{
    struct cert_tbs t;
    struct cert_fields f = { .name = ask->name,
        .key = ask->key,
        .not_before = ask->now - SKEW,
        .not_after = ask->now - HOUR + 7 * DAY };
    struct ca *ca = cache_get(c, index, r);
    if (ca == NULL) {
        return false;
    }
    if (f.not_after > ca->not_after) {
        f.not_after = ca->not_after;
    }
    random_bytes(f.number, sizeof f.number);
    f.number[0] = (uint8_t)((f.number[0] & 0x3f) | 0x40);
    cert_tbs_leaf(&t, &ca->issuer, &f);
    memcpy(out->number, f.number, sizeof out->number);
    out->not_before = f.not_before;
    out->not_after = f.not_after;
    return ca_sign_tbs(ca, &t, out->signature, &out->n_signature);
}
