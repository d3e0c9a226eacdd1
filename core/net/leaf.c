/*
 * Builds a leaf certificate for OpenSSL. To parse one costs 129 us, nearly all
 * for its public key. To put it together costs 20: from the parts that
 * base/cert.h wrote, around a key that exists already. That key is a legacy
 * EC_KEY, as X509_set_pubkey() writes and reads again any other (187 us).
 */

#define OPENSSL_SUPPRESS_DEPRECATED

#include "net/leaf.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/mint.h"

#define LEAF_MAGIC 0x1eaf1eafu

struct leaf_key {
    EVP_PKEY *pkey;
    uint8_t public[CERT_KEY_SIZE];
};

struct leaf {
    unsigned magic;
    unsigned refs;
    X509 *cert;
    EVP_PKEY *pkey; /* counted, as a leaf may outlive its cache */
    double not_after;
};

struct leaf_key *
leaf_key_new(void)
{
    struct leaf_key *k = xcalloc(sizeof *k);
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    k->pkey = EVP_PKEY_new();
    AN(ec != NULL && k->pkey != NULL);
    bool ok = EC_KEY_generate_key(ec) == 1 &&
              EC_POINT_point2oct(EC_KEY_get0_group(ec),
                  EC_KEY_get0_public_key(ec), POINT_CONVERSION_UNCOMPRESSED,
                  k->public, sizeof k->public, NULL) == sizeof k->public;
    AN(EVP_PKEY_assign_EC_KEY(k->pkey, ec) == 1); /* takes it */
    if (!ok) {
        log_at(LOG_EMERG, "no key for leaf certificates could be made");
        leaf_key_free(k);
        return NULL;
    }
    return k;
}

void
leaf_key_free(struct leaf_key *k)
{
    EVP_PKEY_free(k->pkey);
    xfree(k);
}

const uint8_t *
leaf_key_public(const struct leaf_key *k)
{
    return k->public;
}

static bool
set_names(X509 *x, const struct cert_issuer *issuer, struct str subject)
{
    const unsigned char *p = issuer->name;
    X509_NAME *a = d2i_X509_NAME(NULL, &p, issuer->n_name);
    p = (const unsigned char *)subject.p;
    X509_NAME *b = d2i_X509_NAME(NULL, &p, (long)subject.n);
    bool ok = a != NULL && b != NULL && X509_set_issuer_name(x, a) == 1 &&
              X509_set_subject_name(x, b) == 1;
    X509_NAME_free(a);
    X509_NAME_free(b);
    return ok;
}

static bool
set_extensions(X509 *x, struct str der)
{
    const unsigned char *p = (const unsigned char *)der.p;
    X509_EXTENSIONS *all = d2i_X509_EXTENSIONS(NULL, &p, (long)der.n);
    bool ok = all != NULL;
    for (int i = 0; ok && i < sk_X509_EXTENSION_num(all); i++) {
        ok = X509_add_ext(x, sk_X509_EXTENSION_value(all, i), -1) == 1;
    }
    sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
    return ok;
}

/* OpenSSL has no setter for what X509_sign() sets, only getters of const
 * pointers. They point into `x`, which is ours, so the const may be cast
 * away. */
static bool
set_signature(X509 *x, const struct mint_answer *a)
{
    const ASN1_BIT_STRING *signature = NULL;
    const X509_ALGOR *outer = NULL;
    ASN1_OBJECT *algorithm = OBJ_nid2obj(NID_ecdsa_with_SHA256);
    X509_get0_signature(&signature, &outer, x);
    ASN1_BIT_STRING *s = (ASN1_BIT_STRING *)signature;
    bool ok = ASN1_STRING_set(s, a->signature, a->n_signature) == 1 &&
              X509_ALGOR_set0(
                  (X509_ALGOR *)outer, algorithm, V_ASN1_UNDEF, NULL) == 1 &&
              X509_ALGOR_set0((X509_ALGOR *)X509_get0_tbs_sigalg(x), algorithm,
                  V_ASN1_UNDEF, NULL) == 1;
    s->flags &= ~(long)(ASN1_STRING_FLAG_BITS_LEFT | 0x07);
    s->flags |= ASN1_STRING_FLAG_BITS_LEFT; /* no unused bits */
    return ok;
}

static bool
set_fields(X509 *x, const struct mint_answer *a)
{
    return X509_set_version(x, X509_VERSION_3) == 1 &&
           ASN1_STRING_set(
               X509_get_serialNumber(x), a->number, sizeof a->number) == 1 &&
           ASN1_TIME_set(X509_getm_notBefore(x), a->not_before) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(x), a->not_after) != NULL;
}

struct leaf *
leaf_new(const struct leaf_key *k, const struct cert_issuer *issuer,
    struct str name, const struct mint_answer *a)
{
    struct cert_tbs t;
    struct cert_fields f = { .name = name,
        .key = k->public,
        .not_before = a->not_before,
        .not_after = a->not_after };
    memcpy(f.number, a->number, sizeof f.number);
    cert_tbs_leaf(&t, issuer, &f);
    X509 *x = X509_new();
    AN(x != NULL);
    bool ok = set_fields(x, a) && set_names(x, issuer, t.subject) &&
              X509_set_pubkey(x, k->pkey) == 1 &&
              set_extensions(x, t.extensions) && set_signature(x, a);
    if (!ok) {
        ERR_clear_error();
        X509_free(x);
        return NULL;
    }
    struct leaf *leaf = xcalloc(sizeof *leaf);
    leaf->magic = LEAF_MAGIC;
    leaf->refs = 1;
    leaf->cert = x;
    leaf->not_after = (double)a->not_after;
    leaf->pkey = k->pkey;
    EVP_PKEY_up_ref(leaf->pkey);
    return leaf;
}

struct leaf *
leaf_ref(struct leaf *leaf)
{
    CHECK(leaf, LEAF_MAGIC);
    leaf->refs++;
    return leaf;
}

void
leaf_unref(struct leaf *leaf)
{
    CHECK(leaf, LEAF_MAGIC);
    if (--leaf->refs != 0) {
        return;
    }
    X509_free(leaf->cert);
    EVP_PKEY_free(leaf->pkey);
    leaf->magic = 0;
    xfree(leaf);
}

double
leaf_not_after(const struct leaf *leaf)
{
    CHECK(leaf, LEAF_MAGIC);
    return leaf->not_after;
}

int
leaf_use(const struct leaf *leaf, struct ssl_st *ssl)
{
    CHECK(leaf, LEAF_MAGIC);
    bool ok = SSL_use_certificate(ssl, leaf->cert) == 1 &&
              SSL_use_PrivateKey(ssl, leaf->pkey) == 1;
    return ok ? 0 : -1;
}

void
leaf_sid_ctx(const uint8_t ca_digest[32], struct str name, uint8_t out[32])
{
    char both[SHA256_SIZE + CERT_NAME_MAX];
    AN(name.n <= CERT_NAME_MAX);
    memcpy(both, ca_digest, SHA256_SIZE);
    memcpy(both + SHA256_SIZE, name.p, name.n);
    sha256(str_n(both, SHA256_SIZE + name.n), out);
}
