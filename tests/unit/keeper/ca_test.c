/*
 * A sandbox's CA and its leaves, judged by OpenSSL's strict verification.
 */

#include "keeper/ca.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "chain.h"

#define DAY 86400

/* A CA as the vault would hold it. */
struct sample {
    struct ca_fresh fresh;
    struct vault_record r;
    uint8_t der[CERT_MAX];
    struct str cert;
};

static struct ca_cache *cas;

static const char long_name[] =
    "a-label-of-forty-bytes-0123456789abcdefg."
    "another-label-of-its-own.a-third-one.example.com";

/* A serial of 0: one that was never used. */
static void
sample_make(struct sample *s, uint64_t serial, struct str id, int64_t created)
{
    static uint64_t last = 1000;
    serial = serial != 0 ? serial : ++last;
    s->r =
        (struct vault_record){ .serial = serial, .created = created, .id = id };
    assert_true(ca_generate(&s->r, &s->fresh));
    size_t n = ca_certificate(&s->r, s->der);
    assert_true(n != 0);
    s->cert = str_n((const char *)s->der, n);
}

/* A leaf around some public key (the CA's own will do). */
static struct str
leaf_at(const struct sample *s, const char *name, int64_t now,
    uint8_t out[CERT_MAX])
{
    struct cert_issuer issuer;
    struct ca_leaf leaf;
    struct cert_tbs t;
    X509 *ca = chain_parse(s->cert);
    uint8_t key[CERT_KEY_SIZE];
    memcpy(key, X509_get0_pubkey_bitstr(ca)->data, sizeof key);
    X509_free(ca);
    struct ca_ask ask = { str_of(name), key, now };
    assert_true(cert_name_is_valid(ask.name));
    assert_true(ca_sign(cas, 7, &s->r, &ask, &leaf));
    assert_true(cert_issuer_read(&issuer, s->cert));
    struct cert_fields f = { ask.name, key, { 0 }, leaf.not_before,
        leaf.not_after };
    memcpy(f.number, leaf.number, sizeof f.number);
    cert_tbs_leaf(&t, &issuer, &f);
    struct str signature =
        str_n((const char *)leaf.signature, leaf.n_signature);
    return str_n((const char *)out, cert_join(&t, signature, out));
}

static struct str
leaf_now(const struct sample *s, const char *name, uint8_t out[CERT_MAX])
{
    return leaf_at(s, name, (int64_t)time(NULL), out);
}

static void
chains_verify_strictly(void **state)
{
    static const char *const names[] = { "a.example", "x", "a_b.example-1.org",
        "xn--bcher-kva.example", long_name, "10.1.2.3", "2001:db8::1", "::1",
        "1.example" };
    struct sample s;
    uint8_t der[CERT_MAX];
    (void)state;
    sample_make(&s, 0, STR("demo"), (int64_t)time(NULL));
    for (size_t i = 0; i < LEN(names); i++) {
        struct str leaf = leaf_now(&s, names[i], der);
        assert_int_equal(chain_verify(s.cert, leaf, names[i]), X509_V_OK);
        assert_int_equal(chain_verify(s.cert, leaf, "other.example"),
            X509_V_ERR_HOSTNAME_MISMATCH);
        assert_int_equal(chain_verify(s.cert, leaf, "10.9.9.9"),
            X509_V_ERR_IP_ADDRESS_MISMATCH);
    }
}

/* The longest name, and the longest id, fit. */
static void
the_longest_names(void **state)
{
    struct sample s;
    uint8_t der[CERT_MAX];
    char id[VAULT_ID_MAX], name[CERT_NAME_MAX + 2];
    (void)state;
    memset(id, 'i', sizeof id);
    sample_make(&s, UINT64_MAX, str_n(id, sizeof id), (int64_t)time(NULL));
    memset(name, 'n', sizeof name);
    for (size_t i = 63; i < CERT_NAME_MAX; i += 64) {
        name[i] = '.';
    }
    name[CERT_NAME_MAX] = '\0';
    struct str leaf = leaf_now(&s, name, der);
    assert_int_equal(chain_verify(s.cert, leaf, name), X509_V_OK);
    name[CERT_NAME_MAX] = 'n';
    assert_false(cert_name_is_valid(str_n(name, CERT_NAME_MAX + 1)));
}

static void
names_that_are_refused(void **state)
{
    static const char *const bad[] = { "", ".", "a.", ".a", "a..b", "*.example",
        "A.example", "a b", "a/b", "1.2.3", "256.1.1.1", "1", "example.7",
        "0x7f.1.2.3.4", "01.2.3.4", "2001:DB8::1", "2001:db8:0::1",
        "::ffff:1.2.3.4", "[::1]", "fe80::1%1", "a\xc3\xa9",
        "a-label-of-64-bytes-01234567890123456789012345678901234567890123.b" };
    (void)state;
    for (size_t i = 0; i < LEN(bad); i++) {
        if (cert_name_is_valid(str_of(bad[i]))) {
            fail_msg("\"%s\" is valid", bad[i]);
        }
    }
    assert_false(cert_name_is_valid(STR("a\0b")));
}

/* The same id twice: another issuer, another key. */
static void
a_leaf_is_its_own_sandboxs(void **state)
{
    struct sample a, b;
    uint8_t der[CERT_MAX];
    (void)state;
    sample_make(&a, 0, STR("demo"), (int64_t)time(NULL));
    sample_make(&b, 0, STR("demo"), (int64_t)time(NULL));
    struct str leaf = leaf_now(&a, "a.example", der);
    assert_int_not_equal(chain_verify(b.cert, leaf, "a.example"), X509_V_OK);
    X509 *x = chain_parse(a.cert), *y = chain_parse(b.cert);
    assert_int_not_equal(
        X509_NAME_cmp(X509_get_subject_name(x), X509_get_subject_name(y)), 0);
    assert_int_not_equal(
        ASN1_INTEGER_cmp(X509_get0_serialNumber(x), X509_get0_serialNumber(y)),
        0);
    X509_free(x);
    X509_free(y);
}

static void
a_changed_leaf_fails(void **state)
{
    struct sample s;
    uint8_t der[CERT_MAX];
    (void)state;
    sample_make(&s, 0, STR("demo"), (int64_t)time(NULL));
    struct str leaf = leaf_now(&s, "a.example", der);
    for (size_t i = 0; i + 1 < leaf.n; i++) { /* in the SAN, the last of it */
        if (memcmp(der + i,
                "\x82\x09"
                "a",
                3) == 0) {
            der[i + 2] = 'b';
        }
    }
    assert_int_equal(chain_verify(s.cert, leaf, "b.example"),
        X509_V_ERR_CERT_SIGNATURE_FAILURE);
}

static void
the_ca_certificate(void **state)
{
    struct sample s;
    char name[256];
    int64_t now = (int64_t)time(NULL);
    (void)state;
    sample_make(&s, 0x2a, STR("demo"), now);
    X509 *x = chain_parse(s.cert);
    X509_NAME_oneline(X509_get_subject_name(x), name, sizeof name);
    assert_non_null(strstr(name, "/CN=weir sandbox demo"));
    assert_non_null(strstr(name, "/serialNumber=000000000000002a-"));
    assert_int_equal(X509_check_ca(x), 1);
    assert_int_equal(X509_get_pathlen(x), 0);
    assert_int_equal(X509_get_key_usage(x), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    assert_true(X509_get_extension_flags(x) & EXFLAG_BCONS_CRITICAL);
    assert_true(X509_get_extension_flags(x) & EXFLAG_SS);
    assert_non_null(X509_get0_subject_key_id(x));
    time_t t = now - DAY;
    assert_int_equal(X509_cmp_time(X509_get0_notBefore(x), &t), -1);
    t++; /* X509_cmp_time() is -1 for equal */
    t = now + 3649 * DAY;
    assert_int_equal(X509_cmp_time(X509_get0_notAfter(x), &t), 1);
    BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
    assert_false(BN_is_negative(n));
    assert_int_equal(BN_num_bits(n), 127);
    BN_free(n);
    X509_free(x);
}

/* What a new keeper, and one of another generation, answers. */
static void
a_certificate_again_is_the_same(void **state)
{
    struct sample s;
    uint8_t again[CERT_MAX];
    (void)state;
    sample_make(&s, 9, STR("demo"), (int64_t)time(NULL));
    size_t n = ca_certificate(&s.r, again);
    assert_true(str_eq(s.cert, str_n((const char *)again, n)));
}

static int
ext_critical(X509 *x, int nid)
{
    int critical = -1;
    void *ext = X509_get_ext_d2i(x, nid, &critical, NULL);
    assert_non_null(ext);
    ASN1_item_free(ext, ASN1_ITEM_ptr(X509V3_EXT_get_nid(nid)->it));
    return critical;
}

static void
what_a_leaf_says(void **state)
{
    struct sample s;
    uint8_t der[CERT_MAX];
    int64_t now = (int64_t)time(NULL);
    (void)state;
    sample_make(&s, 0, STR("demo"), now);
    X509 *ca = chain_parse(s.cert);
    X509 *x = chain_parse(leaf_at(&s, "a.example", now, der));
    assert_int_equal(X509_check_ca(x), 0);
    assert_int_equal(X509_get_key_usage(x), KU_DIGITAL_SIGNATURE);
    assert_int_equal(X509_get_extended_key_usage(x), XKU_SSL_SERVER);
    assert_int_equal(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(x),
                         X509_get0_subject_key_id(ca)),
        0);
    assert_non_null(X509_get0_subject_key_id(x));
    assert_int_equal(ext_critical(x, NID_subject_alt_name), 0);
    assert_int_equal(ext_critical(x, NID_basic_constraints), 1);
    assert_int_equal(ext_critical(x, NID_key_usage), 1);
    assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(x)), 1);
    time_t t = now - 1800, week = now + 7 * DAY - 1800;
    assert_int_equal(X509_cmp_time(X509_get0_notBefore(x), &t), -1);
    assert_int_equal(X509_cmp_time(X509_get0_notAfter(x), &week), -1);
    t = now + 6 * DAY;
    assert_int_equal(X509_cmp_time(X509_get0_notAfter(x), &t), 1);
    X509_free(x);
    x = chain_parse(leaf_at(&s, long_name, now, der));
    assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(x)), 0);
    assert_int_equal(ext_critical(x, NID_subject_alt_name), 1);
    X509_free(x);
    X509_free(ca);
}

static void
numbers_are_random(void **state)
{
    struct sample s;
    uint8_t a[CERT_MAX], b[CERT_MAX];
    (void)state;
    sample_make(&s, 0, STR("demo"), (int64_t)time(NULL));
    X509 *x = chain_parse(leaf_now(&s, "a.example", a));
    X509 *y = chain_parse(leaf_now(&s, "a.example", b));
    assert_int_not_equal(
        ASN1_INTEGER_cmp(X509_get0_serialNumber(x), X509_get0_serialNumber(y)),
        0);
    X509_free(x);
    X509_free(y);
}

/* Near its CA's end a leaf ends with it; beyond 2049 times have another
 * form. */
static void
the_ends_of_time(void **state)
{
    struct sample s;
    uint8_t der[CERT_MAX];
    int64_t end = 2555000000; /* in 2050 */
    (void)state;
    sample_make(&s, 0, STR("demo"), end - 3650LL * DAY);
    X509 *ca = chain_parse(s.cert);
    X509 *x = chain_parse(leaf_at(&s, "a.example", end - DAY, der));
    assert_int_equal(
        ASN1_TIME_compare(X509_get0_notAfter(x), X509_get0_notAfter(ca)), 0);
    assert_int_equal(X509_get0_notAfter(x)->type, V_ASN1_GENERALIZEDTIME);
    assert_int_equal(X509_get0_notBefore(ca)->type, V_ASN1_UTCTIME);
    X509_free(x);
    X509_free(ca);
}

/* One place in the cache, one record after the other. */
static void
an_index_used_again(void **state)
{
    struct sample a, b;
    uint8_t der[CERT_MAX];
    (void)state;
    sample_make(&a, 0, STR("a"), (int64_t)time(NULL));
    sample_make(&b, 0, STR("b"), (int64_t)time(NULL));
    assert_int_equal(
        chain_verify(a.cert, leaf_now(&a, "x.example", der), "x.example"), 0);
    assert_int_equal(
        chain_verify(b.cert, leaf_now(&b, "x.example", der), "x.example"), 0);
    ca_cache_forget(cas, 7);
    ca_cache_forget(cas, 7 + 256); /* another's place */
    assert_int_equal(
        chain_verify(a.cert, leaf_now(&a, "x.example", der), "x.example"), 0);
}

static void
no_foreign_certificate_is_read(void **state)
{
    struct sample s;
    struct cert_issuer issuer;
    (void)state;
    sample_make(&s, 0, STR("demo"), (int64_t)time(NULL));
    for (size_t n = 0; n < s.cert.n; n++) {
        /* in memory of its own size, so that a read too far is seen */
        char *cut = xstrndup(str_n(s.cert.p, n));
        assert_false(cert_issuer_read(&issuer, str_n(cut, n)));
        xfree(cut);
    }
    assert_true(cert_issuer_read(&issuer, s.cert));
    assert_false(cert_issuer_read(&issuer, STR("\x30\x80")));
}

static int
setup(void **state)
{
    (void)state;
    cas = ca_cache_new();
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    ca_cache_free(cas);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_verify_strictly),
        cmocka_unit_test(the_longest_names),
        cmocka_unit_test(names_that_are_refused),
        cmocka_unit_test(a_leaf_is_its_own_sandboxs),
        cmocka_unit_test(a_changed_leaf_fails),
        cmocka_unit_test(the_ca_certificate),
        cmocka_unit_test(a_certificate_again_is_the_same),
        cmocka_unit_test(what_a_leaf_says),
        cmocka_unit_test(numbers_are_random),
        cmocka_unit_test(the_ends_of_time),
        cmocka_unit_test(an_index_used_again),
        cmocka_unit_test(no_foreign_certificate_is_read),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
