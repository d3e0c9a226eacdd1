/*
 * Writes certificates with base/der.h from the end to the front: the last
 * element of the ASN.1 is put first. Object identifiers are given in DER, with
 * tag and length.
 */

#include "base/cert.h"

#include <stdio.h>
#include <time.h>

#include "base/addr.h"
#include "base/der.h"
#include "base/digest.h"

#define CN_MAX 64
#define LABEL_MAX 63

#define OID_CN STR("\x06\x03\x55\x04\x03")
#define OID_SERIAL_NUMBER STR("\x06\x03\x55\x04\x05")
#define OID_KEY_ID STR("\x06\x03\x55\x1d\x0e")
#define OID_KEY_USAGE STR("\x06\x03\x55\x1d\x0f")
#define OID_ALT_NAME STR("\x06\x03\x55\x1d\x11")
#define OID_CONSTRAINTS STR("\x06\x03\x55\x1d\x13")
#define OID_AUTHORITY STR("\x06\x03\x55\x1d\x23")
#define OID_EXT_USAGE STR("\x06\x03\x55\x1d\x25")

/* SEQUENCE { ecdsa-with-SHA256 }, no parameters (RFC 5758 3.2) */
#define ALGORITHM STR("\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02")

/* SubjectPublicKeyInfo up to the point: ecPublicKey, prime256v1 (RFC 5480) */
#define KEY_HEAD                                                               \
    STR("\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a"     \
        "\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00")

#define CRITICAL true

static struct str
bytes(const void *p, size_t n)
{
    return str_n(p, n);
}

/* The identifier of a public key. */
static void
cert_key_id(const uint8_t key[CERT_KEY_SIZE], uint8_t out[CERT_KEY_ID_SIZE])
{
    uint8_t hash[SHA256_SIZE];
    sha256(bytes(key, CERT_KEY_SIZE), hash);
    memcpy(out, hash, CERT_KEY_ID_SIZE);
}

/* A RelativeDistinguishedName of one attribute. */
static void
put_rdn(struct der *d, struct str oid, enum der_tag tag, struct str value)
{
    size_t end = d->at;
    der_put(d, tag, value);
    der_raw(d, oid);
    der_wrap(d, DER_SEQUENCE, end);
    der_wrap(d, DER_SET, end);
}

void
cert_issuer_make(struct cert_issuer *out, uint64_t serial, struct str id,
    const uint8_t key[CERT_KEY_SIZE])
{
    struct der d;
    char cn[CN_MAX + 1], number[40], hex[17];
    uint8_t room[CERT_ISSUER_MAX];
    cert_key_id(key, out->key_id);
    hex_encode(out->key_id, 8, hex);
    snprintf(
        number, sizeof number, "%016llx-%s", (unsigned long long)serial, hex);
    snprintf(cn, sizeof cn, "weir sandbox %.*s", STR_ARG(id));
    der_init(&d, room, sizeof room);
    put_rdn(&d, OID_SERIAL_NUMBER, DER_PRINTABLE, str_of(number));
    put_rdn(&d, OID_CN, DER_UTF8, str_of(cn));
    der_wrap(&d, DER_SEQUENCE, sizeof room);
    struct str name = der_since(&d, sizeof room);
    out->n_name = (uint8_t)name.n;
    memcpy(out->name, name.p, name.n);
}

bool
cert_issuer_read(struct cert_issuer *out, struct str der)
{
    struct str cert, tbs, name, key;
    bool is_ours = der_take(&der, DER_SEQUENCE, &cert, NULL) && der.n == 0 &&
                   der_take(&cert, DER_SEQUENCE, &tbs, NULL) &&
                   der_take(&tbs, DER_CONSTRUCTED, NULL, NULL) && /* version */
                   der_take(&tbs, DER_INTEGER, NULL, NULL) &&
                   der_take(&tbs, DER_SEQUENCE, NULL, NULL) && /* algorithm */
                   der_take(&tbs, DER_SEQUENCE, NULL, NULL) && /* issuer */
                   der_take(&tbs, DER_SEQUENCE, NULL, NULL) && /* validity */
                   der_take(&tbs, DER_SEQUENCE, NULL, &name) &&
                   der_take(&tbs, DER_SEQUENCE, NULL, &key) &&
                   name.n <= sizeof out->name &&
                   key.n == KEY_HEAD.n + CERT_KEY_SIZE &&
                   str_starts(key, KEY_HEAD);
    if (!is_ours) {
        return false;
    }
    memcpy(out->name, name.p, name.n);
    out->n_name = (uint8_t)name.n;
    cert_key_id((const uint8_t *)str_skip(key, KEY_HEAD.n).p, out->key_id);
    return true;
}

static bool
is_valid_label(struct str label, bool *is_number)
{
    *is_number = true;
    for (size_t i = 0; i < label.n; i++) {
        unsigned char c = (unsigned char)label.p[i];
        bool is_lower = c >= 'a' && c <= 'z';
        if (!is_lower && !ascii_is_digit(c) && c != '-' && c != '_') {
            return false;
        }
        *is_number = *is_number && ascii_is_digit(c);
    }
    return label.n != 0 && label.n <= LABEL_MAX;
}

static bool
is_canonical_addr(struct str name, struct addr *a)
{
    char text[ADDR_TEXT_MAX];
    return addr_parse(name, a) && str_eq(addr_format(a, false, text), name);
}

bool
cert_name_is_valid(struct str name)
{
    struct addr a;
    struct str label;
    bool is_number = false;
    if (name.n == 0 || name.n > CERT_NAME_MAX) {
        return false;
    }
    if (is_canonical_addr(name, &a)) {
        return true;
    }
    while (str_cut(&name, '.', &label)) {
        if (!is_valid_label(label, &is_number)) {
            return false;
        }
    }
    return !is_number; /* an address in some other form */
}

/* An Extension around the value that was written since `end`. */
static void
wrap_extension(struct der *d, struct str oid, bool is_critical, size_t end)
{
    der_wrap(d, DER_OCTET_STRING, end);
    if (is_critical) {
        der_put(d, DER_BOOLEAN, STR("\xff"));
    }
    der_raw(d, oid);
    der_wrap(d, DER_SEQUENCE, end);
}

static void
put_extension(struct der *d, struct str oid, bool is_critical, struct str value)
{
    size_t end = d->at;
    der_raw(d, value);
    wrap_extension(d, oid, is_critical, end);
}

static void
put_key_id(struct der *d, const uint8_t key[CERT_KEY_SIZE])
{
    uint8_t id[CERT_KEY_ID_SIZE];
    size_t end = d->at;
    cert_key_id(key, id);
    der_put(d, DER_OCTET_STRING, bytes(id, sizeof id));
    wrap_extension(d, OID_KEY_ID, !CRITICAL, end);
}

/* AuthorityKeyIdentifier with the key's id alone, which is [0]. */
static void
put_authority(struct der *d, const struct cert_issuer *issuer)
{
    size_t end = d->at;
    der_put(d, DER_CONTEXT, bytes(issuer->key_id, sizeof issuer->key_id));
    der_wrap(d, DER_SEQUENCE, end);
    wrap_extension(d, OID_AUTHORITY, !CRITICAL, end);
}

/* dNSName is [2] of a GeneralName, iPAddress is [7]. The extension is critical
 * if nothing else names the subject (RFC 5280 4.2.1.6). */
static void
put_alt_name(struct der *d, struct str name)
{
    struct addr a;
    size_t end = d->at;
    if (is_canonical_addr(name, &a)) {
        der_put(d, DER_CONTEXT + 7, bytes(a.ip, a.family == 4 ? 4 : 16));
    } else {
        der_put(d, DER_CONTEXT + 2, name);
    }
    der_wrap(d, DER_SEQUENCE, end);
    wrap_extension(d, OID_ALT_NAME, name.n > CN_MAX, end);
}

static struct str
put_leaf_extensions(struct der *d, const struct cert_issuer *issuer,
    const struct cert_fields *f)
{
    size_t end = d->at;
    put_alt_name(d, f->name);
    put_authority(d, issuer);
    put_key_id(d, f->key);
    put_extension(d, OID_EXT_USAGE, !CRITICAL, /* serverAuth */
        STR("\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01"));
    put_extension(d, OID_KEY_USAGE, CRITICAL, /* digitalSignature */
        STR("\x03\x02\x07\x80"));
    put_extension(d, OID_CONSTRAINTS, CRITICAL, STR("\x30\x00"));
    der_wrap(d, DER_SEQUENCE, end);
    return der_since(d, end);
}

static struct str
put_ca_extensions(struct der *d, const struct cert_issuer *issuer,
    const struct cert_fields *f)
{
    size_t end = d->at;
    put_authority(d, issuer);
    put_key_id(d, f->key);
    put_extension(d, OID_KEY_USAGE, CRITICAL, /* keyCertSign, cRLSign */
        STR("\x03\x02\x01\x06"));
    put_extension(d, OID_CONSTRAINTS, CRITICAL, /* CA, pathlen 0 */
        STR("\x30\x06\x01\x01\xff\x02\x01\x00"));
    der_wrap(d, DER_SEQUENCE, end);
    return der_since(d, end);
}

/* UTCTime through 2049 (RFC 5280 4.1.2.5). */
static void
put_time(struct der *d, int64_t seconds)
{
    char text[32];
    time_t t = (time_t)seconds;
    struct tm tm;
    AN(gmtime_r(&t, &tm) != NULL);
    bool is_utc = tm.tm_year >= 50 && tm.tm_year < 150;
    size_t n = strftime(
        text, sizeof text, is_utc ? "%y%m%d%H%M%SZ" : "%Y%m%d%H%M%SZ", &tm);
    der_put(d, is_utc ? DER_UTC_TIME : DER_GENERALIZED_TIME, str_n(text, n));
}

/* All fields before the subject. */
static void
put_front(struct der *d, const struct cert_issuer *issuer,
    const struct cert_fields *f)
{
    size_t end = d->at;
    put_time(d, f->not_after);
    put_time(d, f->not_before);
    der_wrap(d, DER_SEQUENCE, end);
    der_raw(d, bytes(issuer->name, issuer->n_name));
    der_raw(d, ALGORITHM);
    AN(f->number[0] >= 0x40 && f->number[0] < 0x80);
    der_put(d, DER_INTEGER, bytes(f->number, sizeof f->number));
    der_raw(d, STR("\xa0\x03\x02\x01\x02")); /* v3 */
}

static void
wrap_extensions(struct der *d, struct cert_tbs *t, const uint8_t *key)
{
    der_wrap(d, DER_CONSTRUCTED + 3, sizeof t->room);
    der_raw(d, bytes(key, CERT_KEY_SIZE));
    der_raw(d, KEY_HEAD);
}

void
cert_tbs_leaf(struct cert_tbs *t, const struct cert_issuer *issuer,
    const struct cert_fields *f)
{
    struct der d;
    der_init(&d, t->room, sizeof t->room);
    t->extensions = put_leaf_extensions(&d, issuer, f);
    wrap_extensions(&d, t, f->key);
    size_t end = d.at;
    if (f->name.n <= CN_MAX) {
        put_rdn(&d, OID_CN, DER_UTF8, f->name);
    }
    der_wrap(&d, DER_SEQUENCE, end);
    t->subject = der_since(&d, end);
    put_front(&d, issuer, f);
    der_wrap(&d, DER_SEQUENCE, sizeof t->room);
    t->der = der_since(&d, sizeof t->room);
}

void
cert_tbs_ca(struct cert_tbs *t, const struct cert_issuer *issuer,
    const struct cert_fields *f)
{
    struct der d;
    der_init(&d, t->room, sizeof t->room);
    t->extensions = put_ca_extensions(&d, issuer, f);
    wrap_extensions(&d, t, f->key);
    size_t end = d.at;
    der_raw(&d, bytes(issuer->name, issuer->n_name));
    t->subject = der_since(&d, end);
    put_front(&d, issuer, f);
    der_wrap(&d, DER_SEQUENCE, sizeof t->room);
    t->der = der_since(&d, sizeof t->room);
}

size_t
cert_join(const struct cert_tbs *t, struct str signature, uint8_t out[CERT_MAX])
{
    struct der d;
    der_init(&d, out, CERT_MAX);
    der_raw(&d, signature);
    der_raw(&d, STR("\0")); /* no unused bits */
    der_wrap(&d, DER_BIT_STRING, CERT_MAX);
    der_raw(&d, ALGORITHM);
    der_raw(&d, t->der);
    der_wrap(&d, DER_SEQUENCE, CERT_MAX);
    struct str der = der_since(&d, CERT_MAX);
    memmove(out, der.p, der.n);
    return der.n;
}
