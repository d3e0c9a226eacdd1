#pragma once

/*
 * For tests: what OpenSSL at its strictest thinks of a chain.
 */

#include "base/str.h"

struct x509_st;

/* X509_V_OK, or why not. `host`: a name or an address that must match. */
int chain_verify(struct str ca_der, struct str leaf_der, const char *host);
int chain_verify_x509(
    struct str ca_der, struct x509_st *leaf, const char *host);

struct x509_st *chain_parse(struct str der); /* whole; asserts */
