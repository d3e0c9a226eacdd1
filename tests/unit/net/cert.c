/*
 * P-256 keys, good for a day.
 */

#include "cert.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/obj.h"

static void
add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    AN(e != NULL && X509_add_ext(x, e, -1));
    X509_EXTENSION_free(e);
}

void
cert_make(
    struct cert *c, const struct cert *ca, const char *name, const char *san)
{
    static long serial = 1;
    X509 *x = X509_new();
    c->key = EVP_EC_gen("P-256");
    c->x509 = x;
    X509 *issuer = ca != NULL ? ca->x509 : x;
    AN(X509_set_version(x, 2));
    AN(ASN1_INTEGER_set(X509_get_serialNumber(x), serial++));
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    AN(X509_set_pubkey(x, c->key));
    AN(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
        (const unsigned char *)name, -1, -1, 0));
    AN(X509_set_issuer_name(x, X509_get_subject_name(issuer)));
    add_ext(x, issuer, NID_basic_constraints,
        ca != NULL ? "CA:FALSE" : "critical,CA:TRUE");
    if (san != NULL) {
        add_ext(x, issuer, NID_subject_alt_name, san);
    }
    AN(X509_sign(x, ca != NULL ? ca->key : c->key, EVP_sha256()));
}

void
cert_fini(struct cert *c)
{
    EVP_PKEY_free(c->key);
    X509_free(c->x509);
}

void
cert_write(const struct cert *c, const char *path)
{
    FILE *f = fopen(path, "w");
    AN(f != NULL && PEM_write_X509(f, c->x509));
    AZ(fclose(f));
}

void
cert_write_key(const struct cert *c, const char *path, const char *passphrase)
{
    FILE *f = fopen(path, "w");
    const EVP_CIPHER *cipher = passphrase != NULL ? EVP_aes_128_cbc() : NULL;
    AN(f != NULL && PEM_write_PKCS8PrivateKey(
                        f, c->key, cipher, NULL, 0, NULL, (void *)passphrase));
    AZ(fclose(f));
}
