/*
 * The worker's leaf cache: who gets which leaf, and whose go; what OpenSSL
 * makes of one. The test plays the keeper (leaf_fixture.h).
 */

#include "net/leaf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>
#include <openssl/ssl.h>

#include "../keeper/chain.h"
#include "leaf_fixture.h"

#define DAY 86400

/* A handshake between both sides in memory; the certificate that the client
 * saw, its to free. */
static X509 *
handshake(const struct leaf *leaf, int version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    SSL *server = SSL_new(ctx), *client = SSL_new(ctx);
    BIO *a = NULL, *b = NULL;
    int done = 0;
    AN(BIO_new_bio_pair(&a, 0, &b, 0));
    SSL_set_bio(server, a, a);
    SSL_set_bio(client, b, b);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    AN(SSL_set_max_proto_version(client, version));
    assert_int_equal(leaf_use(leaf, server), 0);
    for (int i = 0; i < 10 && !done; i++) {
        int c = SSL_do_handshake(client), s = SSL_do_handshake(server);
        done = c == 1 && s == 1;
    }
    assert_true(done);
    assert_int_equal(SSL_version(client), version);
    X509 *x = SSL_get1_peer_certificate(client);
    assert_non_null(x);
    SSL_free(server);
    SSL_free(client);
    SSL_CTX_free(ctx);
    return x;
}

/* What OpenSSL sends is what the keeper signed, byte for byte. */
static void
check_der(X509 *x, const struct mint_ask *ask, const struct mint_answer *a)
{
    struct cert_issuer issuer;
    struct cert_tbs t;
    uint8_t expected[CERT_MAX];
    unsigned char *der = NULL;
    struct cert_fields f = { str_n(ask->name, ask->n_name), ask->key, { 0 },
        a->not_before, a->not_after };
    memcpy(f.number, a->number, sizeof f.number);
    assert_true(cert_issuer_read(&issuer, fx.owner.ca_cert_der));
    cert_tbs_leaf(&t, &issuer, &f);
    size_t n = cert_join(
        &t, str_n((const char *)a->signature, a->n_signature), expected);
    assert_int_equal(i2d_X509(x, &der), n);
    assert_memory_equal(der, expected, n);
    OPENSSL_free(der);
}

static void
a_leaf_for_a_handshake(void **state)
{
    static const char *const names[] = { "a.example", "10.1.2.3", "2001:db8::1",
        "a-label-of-forty-bytes-0123456789abcdefg.another-label.example.com" };
    (void)state;
    lf_start(100, 100);
    for (size_t i = 0; i < LEN(names); i++) {
        struct leaf *leaf = NULL;
        assert_int_equal(lf_get(names[i]), LEAF_PENDING);
        struct mint_ask ask = lf_take_ask();
        assert_true(ask.serial == fx.owner.serial);
        struct mint_answer a = lf_sign(&ask);
        lf_answer(&a);
        lf_until_granted(&fx.w);
        assert_int_equal(lf_get_of(&fx.owner, names[i], &leaf), LEAF_READY);
        for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
            X509 *x = handshake(leaf, v);
            assert_int_equal(
                chain_verify_x509(fx.owner.ca_cert_der, x, names[i]),
                X509_V_OK);
            check_der(x, &ask, &a);
            X509_free(x);
        }
        leaf_unref(leaf);
    }
    assert_false(lf_has_ask());
    lf_stop();
}

/* In leaves as short and as long as a number or a signature can be. */
static void
signatures_of_all_sizes(void **state)
{
    struct leaf_key *k = leaf_key_new();
    struct cert_issuer issuer;
    struct mint_ask ask = { .n_name = 1, .name = "x" };
    (void)state;
    assert_true(cert_issuer_read(&issuer, fx.owner.ca_cert_der));
    memcpy(ask.key, leaf_key_public(k), sizeof ask.key);
    for (int i = 0; i < (RUNNING_ON_VALGRIND ? 8 : 50); i++) {
        struct mint_answer a = lf_sign(&ask);
        struct leaf *leaf = leaf_new(k, &issuer, STR("x"), &a);
        assert_non_null(leaf);
        X509 *x = handshake(leaf, TLS1_3_VERSION);
        check_der(x, &ask, &a);
        X509_free(x);
        leaf_unref(leaf);
    }
    leaf_key_free(k);
}

static void
one_mint_for_all_who_wait(void **state)
{
    struct leaf *leaf = NULL;
    (void)state;
    lf_start(100, 100);
    assert_int_equal(lf_get("a.example"), LEAF_PENDING);
    assert_int_equal(lf_get("a.example"), LEAF_PENDING); /* woken for nothing */
    assert_int_equal(
        leaf_get(fx.cache, &fx.owner, STR("a.example"), &fx.w2.task, &leaf),
        LEAF_PENDING);
    lf_serve();
    lf_turn(0);
    assert_int_equal(fx.w.granted, 1);
    assert_int_equal(fx.w2.granted, 1);
    assert_false(lf_has_ask());
    assert_int_equal(lf_get("a.example"), LEAF_READY);
    lf_stop();
}

/* A name is its sandbox's alone. */
static void
sandboxes_do_not_share(void **state)
{
    struct leaf_owner other = fx.owner;
    struct leaf *leaf = NULL;
    (void)state;
    other.serial += 1000;
    lf_start(100, 100);
    lf_get("a.example");
    lf_serve();
    assert_int_equal(lf_get_of(&other, "a.example", &leaf), LEAF_PENDING);
    assert_true(lf_take_ask().serial == other.serial);
    leaf_forget(fx.cache, &fx.w.task);
    lf_stop();
}

static void
what_cannot_be_minted(void **state)
{
    static const char *const bad[] = { "", "A.example", "*.example", "a..b",
        "1.2.3", "a b" };
    char long_name[CERT_NAME_MAX + 100];
    struct leaf_owner broken = fx.owner;
    struct leaf *leaf = NULL;
    (void)state;
    lf_start(100, 100);
    for (size_t i = 0; i < LEN(bad); i++) {
        assert_int_equal(lf_get(bad[i]), LEAF_FAILED);
    }
    memset(long_name, 'a', sizeof long_name);
    for (size_t i = 10; i < sizeof long_name; i += 10) {
        long_name[i] = '.';
    }
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(lf_get(long_name), LEAF_FAILED);
    broken.serial += 1000;
    broken.ca_cert_der.n--;
    assert_int_equal(lf_get_of(&broken, "a.example", &leaf), LEAF_FAILED);
    assert_false(lf_has_ask());
    lf_stop();
}

static void
a_budget_for_each_sandbox(void **state)
{
    struct leaf_owner other = fx.owner;
    struct leaf *leaf = NULL;
    (void)state;
    other.serial += 1000;
    lf_start(100, 3);
    assert_int_equal(lf_get("a.example"), LEAF_PENDING);
    lf_serve();
    assert_int_equal(lf_get("b.example"), LEAF_PENDING);
    assert_int_equal(lf_get("c.example"), LEAF_PENDING);
    assert_int_equal(lf_get("d.example"), LEAF_DENIED);
    assert_int_equal(lf_get("b.example"), LEAF_PENDING); /* no new mint */
    assert_int_equal(lf_get("a.example"), LEAF_READY);
    assert_int_equal(lf_get_of(&other, "d.example", &leaf), LEAF_PENDING);
    for (int i = 0; i < 100 && lf_get("d.example") == LEAF_DENIED; i++) {
        lf_turn(0.02);
    }
    assert_int_equal(lf_get("d.example"), LEAF_PENDING);
    leaf_forget(fx.cache, &fx.w.task);
    lf_stop();
}

static void
a_refusal(void **state)
{
    struct mint_answer a = { .magic = MINT_MAGIC, .status = MINT_NO_CA };
    (void)state;
    lf_start(100, 100);
    assert_int_equal(lf_get("a.example"), LEAF_PENDING);
    a.nonce = lf_take_ask().nonce;
    lf_answer(&a);
    lf_until_granted(&fx.w);
    assert_int_equal(lf_get("a.example"), LEAF_FAILED);
    assert_false(lf_has_ask());
    assert_int_equal(lf_get("b.example"), LEAF_PENDING); /* others are served */
    lf_serve();
    for (int i = 0; i < 300 && lf_get("a.example") == LEAF_FAILED; i++) {
        lf_turn(0.02);
    }
    assert_int_equal(lf_get("a.example"), LEAF_PENDING); /* not for ever */
    lf_serve();
    assert_int_equal(lf_get("a.example"), LEAF_READY);
    lf_stop();
}

static void
fill(const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(lf_get(names[i]), LEAF_PENDING);
        lf_serve();
    }
}

static void
the_least_recently_used_goes(void **state)
{
    static const char *const names[] = { "a", "b", "c", "d" };
    struct leaf *held = NULL;
    (void)state;
    lf_start(4, 100);
    fill(names, LEN(names));
    assert_int_equal(lf_get("a"), LEAF_READY);
    assert_int_equal(lf_get_of(&fx.owner, "b", &held), LEAF_READY);
    assert_int_equal(lf_get("a"), LEAF_READY);
    assert_int_equal(lf_get("d"), LEAF_READY);
    assert_int_equal(lf_get("e"), LEAF_PENDING); /* c goes */
    lf_serve();
    assert_int_equal(lf_get("f"), LEAF_PENDING); /* b goes */
    lf_serve();
    assert_int_equal(lf_get("a"), LEAF_READY);
    assert_int_equal(lf_get("d"), LEAF_READY);
    assert_int_equal(lf_get("b"), LEAF_PENDING);
    lf_take_ask();
    leaf_forget(fx.cache, &fx.w.task);
    lf_stop();
    X509_free(handshake(held, TLS1_3_VERSION)); /* outlives its cache */
    leaf_unref(held);
}

static void
a_greedy_sandbox_pushes_out_its_own(void **state)
{
    struct leaf_owner other = fx.owner;
    struct leaf *leaf = NULL;
    char name[16];
    (void)state;
    other.serial += 1000;
    lf_start(16, 1000);
    assert_int_equal(lf_get_of(&other, "a", &leaf), LEAF_PENDING);
    lf_serve();
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(lf_get(name), LEAF_PENDING);
        lf_serve();
    }
    assert_int_equal(lf_get_of(&other, "a", &leaf), LEAF_READY);
    leaf_unref(leaf);
    assert_int_equal(lf_get("n99"), LEAF_READY);
    assert_int_equal(lf_get("n0"), LEAF_PENDING);
    leaf_forget(fx.cache, &fx.w.task);
    lf_stop();
}

/* However many are greedy. */
static void
greedy_sandboxes_push_out_none_that_has_few(void **state)
{
    struct leaf_owner other = fx.owner, greedy[8];
    struct leaf *leaf = NULL;
    char name[16];
    (void)state;
    other.serial += 1000;
    lf_start(16, 1000);
    assert_int_equal(lf_get_of(&other, "a", &leaf), LEAF_PENDING);
    lf_serve();
    for (unsigned i = 0; i < 10 * LEN(greedy); i++) {
        struct leaf_owner *o = &greedy[i % LEN(greedy)];
        *o = fx.owner;
        o->serial += i % LEN(greedy);
        snprintf(name, sizeof name, "n%u", i);
        assert_int_equal(lf_get_of(o, name, &leaf), LEAF_PENDING);
        lf_serve();
    }
    assert_int_equal(lf_get_of(&other, "a", &leaf), LEAF_READY);
    leaf_unref(leaf);
    lf_stop();
}

/* One that ends within a day is given while the next is made. */
static void
renewal(void **state)
{
    struct leaf *old = NULL, *leaf = NULL;
    int64_t now = (int64_t)time(NULL);
    (void)state;
    lf_start(100, 100);
    assert_int_equal(lf_get("a.example"), LEAF_PENDING);
    struct mint_ask ask = lf_take_ask();
    struct mint_answer a = lf_sign_at(&ask, now - 7 * DAY + DAY / 2);
    lf_answer(&a);
    lf_until_granted(&fx.w);
    assert_int_equal(lf_get_of(&fx.owner, "a.example", &old), LEAF_READY);
    ask = lf_take_ask(); /* behind its back */
    assert_int_equal(lf_get("a.example"), LEAF_READY);
    assert_false(lf_has_ask());
    a = lf_sign(&ask);
    lf_answer(&a);
    lf_turn(0);
    lf_turn(0);
    assert_int_equal(lf_get_of(&fx.owner, "a.example", &leaf), LEAF_READY);
    assert_ptr_not_equal(old, leaf);
    assert_true(leaf_not_after(leaf) > leaf_not_after(old));
    assert_false(lf_has_ask());
    leaf_unref(old);
    leaf_unref(leaf);
    lf_stop();
}

static void
what_is_over_is_not_given(void **state)
{
    int64_t now = (int64_t)time(NULL);
    (void)state;
    lf_start(100, 100);
    assert_int_equal(lf_get("a.example"), LEAF_PENDING);
    struct mint_ask ask = lf_take_ask();
    struct mint_answer a = lf_sign_at(&ask, now - 7 * DAY + 3660);
    a.not_after = now + 60;
    lf_answer(&a);
    lf_until_granted(&fx.w);
    assert_int_equal(lf_get("a.example"), LEAF_PENDING);
    lf_serve();
    assert_int_equal(lf_get("a.example"), LEAF_READY);
    lf_stop();
}

/* Its leaves, what is being minted for it, and its budget. */
static void
a_sandbox_that_ended(void **state)
{
    struct leaf_owner other = fx.owner;
    struct leaf *leaf = NULL;
    (void)state;
    other.serial += 1000;
    lf_start(100, 2);
    assert_int_equal(lf_get_of(&other, "a", &leaf), LEAF_PENDING);
    lf_serve();
    assert_int_equal(lf_get("a"), LEAF_PENDING);
    lf_serve();
    assert_int_equal(lf_get("b"), LEAF_PENDING);
    leaf_forget(fx.cache, &fx.w.task);
    leaf_cache_forget(fx.cache, fx.owner.serial);
    assert_int_equal(leaf_cache_count(fx.cache), 2); /* "b" is under way */
    assert_int_equal(lf_get("b"), LEAF_FAILED);
    struct mint_ask ask = lf_take_ask();
    struct mint_answer a = lf_sign(&ask);
    lf_answer(&a);
    lf_turn(0);
    lf_turn(0);
    assert_int_equal(leaf_cache_count(fx.cache), 1);
    assert_int_equal(lf_get_of(&other, "a", &leaf), LEAF_READY);
    leaf_unref(leaf);
    assert_int_equal(lf_get("a"), LEAF_PENDING);
    leaf_forget(fx.cache, &fx.w.task);
    leaf_cache_forget(fx.cache, fx.owner.serial);
    lf_stop(); /* while it is under way */
}

static void
what_tickets_are_bound_to(void **state)
{
    const uint8_t a[32] = { 1, 2 }, b[32] = { 2, 1 };
    uint8_t x[32], y[32];
    (void)state;
    leaf_sid_ctx(a, STR("c"), x);
    leaf_sid_ctx(a, STR("c"), y);
    assert_memory_equal(x, y, sizeof x);
    leaf_sid_ctx(b, STR("bc"), y);
    assert_memory_not_equal(x, y, sizeof x);
    leaf_sid_ctx(a, STR("d"), y);
    assert_memory_not_equal(x, y, sizeof x);
    leaf_sid_ctx(b, STR("c"), y);
    assert_memory_not_equal(x, y, sizeof x);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, lf_setup, lf_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_leaf_for_a_handshake),
        TEST(signatures_of_all_sizes),
        TEST(one_mint_for_all_who_wait),
        TEST(sandboxes_do_not_share),
        TEST(what_cannot_be_minted),
        TEST(a_budget_for_each_sandbox),
        TEST(a_refusal),
        TEST(the_least_recently_used_goes),
        TEST(a_greedy_sandbox_pushes_out_its_own),
        TEST(greedy_sandboxes_push_out_none_that_has_few),
        TEST(renewal),
        TEST(what_is_over_is_not_given),
        TEST(a_sandbox_that_ended),
        TEST(what_tickets_are_bound_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
