/*
 * Verifies as a client does that has the CA as its only anchor, with every
 * check of X509_V_FLAG_X509_STRICT.
 */

#include "chain.h"

#include <openssl/x509v3.h>

#include "base/addr.h"

struct x509_st *
chain_parse(struct str der)
{
    const unsigned char *p = (const unsigned char *)der.p;
    X509 *x = d2i_X509(NULL, &p, (long)der.n);
    AN(x != NULL && p == (const unsigned char *)der.p + der.n);
    return x;
}

int
chain_verify_x509(struct str ca_der, struct x509_st *leaf, const char *host)
{
    X509 *ca = chain_parse(ca_der);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    struct addr a;
    AN(X509_STORE_add_cert(store, ca));
    AN(X509_STORE_CTX_init(ctx, store, leaf, NULL));
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    AN(X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT |
                                              X509_V_FLAG_CHECK_SS_SIGNATURE |
                                              X509_V_FLAG_POLICY_CHECK));
    AN(X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER));
    AN(X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER));
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (addr_parse(str_of(host), &a)) {
        AN(X509_VERIFY_PARAM_set1_ip_asc(param, host));
    } else {
        AN(X509_VERIFY_PARAM_set1_host(param, host, 0));
    }
    int ok = X509_verify_cert(ctx);
    int error = X509_STORE_CTX_get_error(ctx);
    AN((ok == 1) == (error == X509_V_OK));
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    X509_free(ca);
    return error;
}

int
chain_verify(struct str ca_der, struct str leaf_der, const char *host)
{
    X509 *leaf = chain_parse(leaf_der);
    int error = chain_verify_x509(ca_der, leaf, host);
    X509_free(leaf);
    return error;
}
