#pragma once

/*
 * The bytes of the X.509 certificates that weir makes (RFC 5280), written from
 * a few fields alone. Keeper and worker build the same bytes, so that only a
 * signature goes from one to the other. Always P-256 and ecdsa-with-SHA256.
 * Neither signs nor verifies.
 */

#include "base/str.h"

#define CERT_KEY_SIZE 65      /* an uncompressed point */
#define CERT_KEY_ID_SIZE 20   /* RFC 7093 2, method 1 */
#define CERT_NUMBER_SIZE 16   /* of a serialNumber */
#define CERT_SIGNATURE_MAX 72 /* an ECDSA-Sig-Value */
#define CERT_NAME_MAX 253     /* of a leaf's name */
#define CERT_ISSUER_MAX 128   /* a CA's Name, in DER */
#define CERT_TBS_MAX 1024
#define CERT_MAX (CERT_TBS_MAX + 128)

/* What a leaf repeats of its CA's certificate. */
struct cert_issuer {
    uint8_t name[CERT_ISSUER_MAX];
    uint8_t n_name;
    uint8_t key_id[CERT_KEY_ID_SIZE];
};

/* The CA of a sandbox: "weir sandbox ID" (cut at 64 bytes, RFC 5280's
 * ub-common-name) and a serialNumber of the sandbox's serial and the key's id,
 * so that no two CAs bear the same name. */
void cert_issuer_make(struct cert_issuer *out, uint64_t serial, struct str id,
    const uint8_t key[CERT_KEY_SIZE]);

/* Reads the same from the CA's certificate. False: it is not one of weir's. */
must_check bool cert_issuer_read(struct cert_issuer *out, struct str der);

/* Times are seconds since 1970. The first byte of `number` is 0x40 to 0x7f,
 * which makes it positive. */
struct cert_fields {
    struct str name; /* a leaf's; unused for a CA */
    const uint8_t *key;
    uint8_t number[CERT_NUMBER_SIZE];
    int64_t not_before, not_after;
};

/* A certificate yet to be signed; the parts point into `room`. */
struct cert_tbs {
    uint8_t room[CERT_TBS_MAX];
    struct str der, subject, extensions;
};

/* Whether a leaf can be made for this name: a canonical host name (lower case,
 * no trailing dot, no wildcard) or an address in canonical text. */
must_check bool cert_name_is_valid(struct str name);

/* Builds a leaf, the certificate of a server. The caller has checked the
 * name. */
void cert_tbs_leaf(struct cert_tbs *t, const struct cert_issuer *issuer,
    const struct cert_fields *f);

/* Builds a CA's own certificate, with a path length of 0. */
void cert_tbs_ca(struct cert_tbs *t, const struct cert_issuer *issuer,
    const struct cert_fields *f);

/* Joins the signed part and the signature; the certificate's length. */
size_t cert_join(
    const struct cert_tbs *t, struct str signature, uint8_t out[CERT_MAX]);
