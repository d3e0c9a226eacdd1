/*
 * The worker's leaf cache; the test plays the keeper on the other end of the
 * pair. A fresh cache and CA for each test.
 */

#include "net/leaf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../keeper/chain.h"
#include "base/cert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "keeper/ca.h"
#include "os/mint.h"
#include "os/sock.h"

#define INDEX 3
#define DAY 86400

static struct loop *loop;
static struct leaf_cache *cache;
static int peer, ours;
static struct ca_cache *cas;
static struct ca_fresh fresh;
static struct vault_record record;
static uint8_t ca_der[CERT_MAX];
static struct leaf_owner owner;

struct waiter {
    struct task task;
    unsigned granted;
};

static struct waiter w, w2;

static const struct step *
run_waiter(struct task *t)
{
    container_of(t, struct waiter, task)->granted++;
    loop_stop(t->loop);
    return TASK_WAIT;
}

static const struct step step_waiter = { "waiter", run_waiter };

static void
waiter_init(struct waiter *wt)
{
    task_init(&wt->task, loop, &step_waiter, NULL);
    wt->granted = 0;
}

static void
start(unsigned max, unsigned rate)
{
    int pair[2];
    struct timeval tv = { .tv_sec = 20 };
    assert_int_equal(sock_pair(pair), 0);
    ours = pair[0];
    peer = pair[1];
    setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    cache = leaf_cache_new(loop, pair[0], max, rate);
    assert_non_null(cache);
}

static void
stop(void)
{
    leaf_cache_free(cache);
    close(peer);
}

static int
setup(void **state)
{
    static uint64_t serial;
    (void)state;
    log_set(2, LOG_EMERG);
    clock_update();
    loop = loop_new();
    cas = ca_cache_new();
    record = (struct vault_record){
        .serial = ++serial, .created = time(NULL), .id = STR("demo")
    };
    assert_true(ca_generate(&record, &fresh));
    size_t n = ca_certificate(&record, ca_der);
    owner = (struct leaf_owner){ record.serial, INDEX,
        str_n((const char *)ca_der, n) };
    waiter_init(&w);
    waiter_init(&w2);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    task_fini(&w.task);
    task_fini(&w2.task);
    ca_cache_free(cas);
    loop_free(loop);
    return 0;
}

static void
on_turn(struct timer *t)
{
    loop_stop(t->loop);
}

/* Some turns' worth of events: `seconds` at most, or until a grant. */
static void
turn(double seconds)
{
    struct timer t;
    timer_init(&t, loop, on_turn);
    timer_start(&t, seconds);
    loop_run(loop);
    timer_stop(&t);
}

static void
until_granted(struct waiter *wt)
{
    unsigned before = wt->granted;
    for (int i = 0; i < 20 && wt->granted == before; i++) {
        turn(1);
    }
    assert_int_equal(wt->granted, before + 1);
}

static enum leaf_state
get_of(const struct leaf_owner *o, const char *name, struct leaf **leaf)
{
    return leaf_get(cache, o, str_of(name), &w.task, leaf);
}

static enum leaf_state
get(const char *name)
{
    struct leaf *leaf = NULL;
    enum leaf_state s = get_of(&owner, name, &leaf);
    assert_int_equal(s == LEAF_READY, leaf != NULL);
    if (leaf != NULL) {
        leaf_unref(leaf);
    }
    return s;
}

static struct mint_ask
take_ask(void)
{
    struct mint_ask ask;
    assert_int_equal(recv(peer, &ask, sizeof ask, 0), sizeof ask);
    assert_int_equal(ask.magic, MINT_MAGIC);
    assert_int_equal(ask.index, INDEX);
    assert_int_equal(ask.key[0], 4);
    return ask;
}

static bool
has_ask(void)
{
    char byte;
    return recv(peer, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static struct mint_answer
sign_at(const struct mint_ask *ask, int64_t now)
{
    struct ca_leaf leaf;
    struct ca_ask what = { str_n(ask->name, ask->n_name), ask->key, now };
    struct mint_answer a = { .magic = MINT_MAGIC, .nonce = ask->nonce };
    assert_true(ca_sign(cas, INDEX, &record, &what, &leaf));
    a.not_before = leaf.not_before;
    a.not_after = leaf.not_after;
    a.n_signature = (uint8_t)leaf.n_signature;
    memcpy(a.number, leaf.number, sizeof a.number);
    memcpy(a.signature, leaf.signature, leaf.n_signature);
    return a;
}

static struct mint_answer
sign(const struct mint_ask *ask)
{
    return sign_at(ask, (int64_t)time(NULL));
}

static void
answer(const struct mint_answer *a)
{
    assert_int_equal(send(peer, a, sizeof *a, 0), sizeof *a);
}

/* The next ask, granted; what `w` waits for. */
static void
serve(void)
{
    struct mint_ask ask = take_ask();
    struct mint_answer a = sign(&ask);
    answer(&a);
    until_granted(&w);
}

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
    assert_true(cert_issuer_read(&issuer, owner.ca_cert_der));
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
    start(100, 100);
    for (size_t i = 0; i < LEN(names); i++) {
        struct leaf *leaf = NULL;
        assert_int_equal(get(names[i]), LEAF_PENDING);
        struct mint_ask ask = take_ask();
        assert_true(ask.serial == owner.serial);
        struct mint_answer a = sign(&ask);
        answer(&a);
        until_granted(&w);
        assert_int_equal(get_of(&owner, names[i], &leaf), LEAF_READY);
        for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
            X509 *x = handshake(leaf, v);
            assert_int_equal(
                chain_verify_x509(owner.ca_cert_der, x, names[i]), X509_V_OK);
            check_der(x, &ask, &a);
            X509_free(x);
        }
        leaf_unref(leaf);
    }
    assert_false(has_ask());
    stop();
}

/* In leaves as short and as long as a number or a signature can be. */
static void
signatures_of_all_sizes(void **state)
{
    struct leaf_key *k = leaf_key_new();
    struct cert_issuer issuer;
    struct mint_ask ask = { .n_name = 1, .name = "x" };
    (void)state;
    assert_true(cert_issuer_read(&issuer, owner.ca_cert_der));
    memcpy(ask.key, leaf_key_public(k), sizeof ask.key);
    for (int i = 0; i < 50; i++) {
        struct mint_answer a = sign(&ask);
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
    start(100, 100);
    assert_int_equal(get("a.example"), LEAF_PENDING);
    assert_int_equal(get("a.example"), LEAF_PENDING); /* woken for nothing */
    assert_int_equal(leaf_get(cache, &owner, STR("a.example"), &w2.task, &leaf),
        LEAF_PENDING);
    serve();
    turn(0);
    assert_int_equal(w.granted, 1);
    assert_int_equal(w2.granted, 1);
    assert_false(has_ask());
    assert_int_equal(get("a.example"), LEAF_READY);
    stop();
}

/* A name is its sandbox's alone. */
static void
sandboxes_do_not_share(void **state)
{
    struct leaf_owner other = owner;
    struct leaf *leaf = NULL;
    (void)state;
    other.serial += 1000;
    start(100, 100);
    get("a.example");
    serve();
    assert_int_equal(get_of(&other, "a.example", &leaf), LEAF_PENDING);
    assert_true(take_ask().serial == other.serial);
    leaf_forget(cache, &w.task);
    stop();
}

static void
what_cannot_be_minted(void **state)
{
    static const char *const bad[] = { "", "A.example", "*.example", "a..b",
        "1.2.3", "a b" };
    char long_name[CERT_NAME_MAX + 100];
    struct leaf_owner broken = owner;
    struct leaf *leaf = NULL;
    (void)state;
    start(100, 100);
    for (size_t i = 0; i < LEN(bad); i++) {
        assert_int_equal(get(bad[i]), LEAF_FAILED);
    }
    memset(long_name, 'a', sizeof long_name);
    for (size_t i = 10; i < sizeof long_name; i += 10) {
        long_name[i] = '.';
    }
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(get(long_name), LEAF_FAILED);
    broken.serial += 1000;
    broken.ca_cert_der.n--;
    assert_int_equal(get_of(&broken, "a.example", &leaf), LEAF_FAILED);
    assert_false(has_ask());
    stop();
}

static void
a_budget_for_each_sandbox(void **state)
{
    struct leaf_owner other = owner;
    struct leaf *leaf = NULL;
    (void)state;
    other.serial += 1000;
    start(100, 3);
    assert_int_equal(get("a.example"), LEAF_PENDING);
    serve();
    assert_int_equal(get("b.example"), LEAF_PENDING);
    assert_int_equal(get("c.example"), LEAF_PENDING);
    assert_int_equal(get("d.example"), LEAF_DENIED);
    assert_int_equal(get("b.example"), LEAF_PENDING); /* no new mint */
    assert_int_equal(get("a.example"), LEAF_READY);
    assert_int_equal(get_of(&other, "d.example", &leaf), LEAF_PENDING);
    for (int i = 0; i < 100 && get("d.example") == LEAF_DENIED; i++) {
        turn(0.02);
    }
    assert_int_equal(get("d.example"), LEAF_PENDING);
    leaf_forget(cache, &w.task);
    stop();
}

static void
a_refusal(void **state)
{
    struct mint_answer a = { .magic = MINT_MAGIC, .status = MINT_NO_CA };
    (void)state;
    start(100, 100);
    assert_int_equal(get("a.example"), LEAF_PENDING);
    a.nonce = take_ask().nonce;
    answer(&a);
    until_granted(&w);
    assert_int_equal(get("a.example"), LEAF_FAILED);
    assert_false(has_ask());
    assert_int_equal(get("b.example"), LEAF_PENDING); /* others are served */
    serve();
    for (int i = 0; i < 300 && get("a.example") == LEAF_FAILED; i++) {
        turn(0.02);
    }
    assert_int_equal(get("a.example"), LEAF_PENDING); /* not for ever */
    serve();
    assert_int_equal(get("a.example"), LEAF_READY);
    stop();
}

static void
fill(const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(get(names[i]), LEAF_PENDING);
        serve();
    }
}

static void
the_least_recently_used_goes(void **state)
{
    static const char *const names[] = { "a", "b", "c", "d" };
    struct leaf *held = NULL;
    (void)state;
    start(4, 100);
    fill(names, LEN(names));
    assert_int_equal(get("a"), LEAF_READY);
    assert_int_equal(get_of(&owner, "b", &held), LEAF_READY);
    assert_int_equal(get("a"), LEAF_READY);
    assert_int_equal(get("d"), LEAF_READY);
    assert_int_equal(get("e"), LEAF_PENDING); /* c goes */
    serve();
    assert_int_equal(get("f"), LEAF_PENDING); /* b goes */
    serve();
    assert_int_equal(get("a"), LEAF_READY);
    assert_int_equal(get("d"), LEAF_READY);
    assert_int_equal(get("b"), LEAF_PENDING);
    take_ask();
    leaf_forget(cache, &w.task);
    stop();
    X509_free(handshake(held, TLS1_3_VERSION)); /* outlives its cache */
    leaf_unref(held);
}

static void
a_greedy_sandbox_pushes_out_its_own(void **state)
{
    struct leaf_owner other = owner;
    struct leaf *leaf = NULL;
    char name[16];
    (void)state;
    other.serial += 1000;
    start(16, 1000);
    assert_int_equal(get_of(&other, "a", &leaf), LEAF_PENDING);
    serve();
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(get(name), LEAF_PENDING);
        serve();
    }
    assert_int_equal(get_of(&other, "a", &leaf), LEAF_READY);
    leaf_unref(leaf);
    assert_int_equal(get("n99"), LEAF_READY);
    assert_int_equal(get("n0"), LEAF_PENDING);
    leaf_forget(cache, &w.task);
    stop();
}

/* A way to spoil an answer. */
struct spoiler {
    size_t at, n;
    uint8_t with;
    int more; /* bytes */
};

static const struct spoiler spoilers[] = {
    { offsetof(struct mint_answer, magic), 1, 0, 0 },
    { offsetof(struct mint_answer, status), 4, 0x11, 0 },
    { offsetof(struct mint_answer, not_after), 8, 0, 0 },
    { offsetof(struct mint_answer, number), 1, 0x80, 0 },
    { offsetof(struct mint_answer, number), 1, 0, 0 },
    { offsetof(struct mint_answer, n_signature), 1, 0, 0 },
    { offsetof(struct mint_answer, n_signature), 1, 73, 0 },
    { 0, 0, 0, 1 },
    { 0, 0, 0, -1 },
};

/* It fails at once what waits and what comes, until there is a new keeper. */
static void
an_answer_that_makes_no_sense(void **state)
{
    char name[16];
    (void)state;
    start(100, 1000);
    for (size_t i = 0; i < LEN(spoilers); i++) {
        const struct spoiler *s = &spoilers[i];
        uint8_t bytes[sizeof(struct mint_answer) + 1] = { 0 };
        snprintf(name, sizeof name, "n%zu", i);
        assert_int_equal(get(name), LEAF_PENDING);
        struct mint_ask ask = take_ask();
        struct mint_answer a = sign(&ask);
        memcpy(bytes, &a, sizeof a);
        memset(bytes + s->at, s->with, s->n);
        size_t n = sizeof a + (size_t)s->more;
        assert_int_equal(send(peer, bytes, n, 0), n);
        until_granted(&w);
        assert_int_equal(get(name), LEAF_FAILED);
        assert_int_equal(get("other"), LEAF_FAILED);
        assert_false(has_ask());
        leaf_cache_ask_again(cache);
    }
    assert_int_equal(get("last"), LEAF_PENDING);
    serve();
    assert_int_equal(get("last"), LEAF_READY);
    stop();
}

static void
an_answer_to_nothing(void **state)
{
    (void)state;
    start(100, 100);
    assert_int_equal(get("a.example"), LEAF_PENDING);
    struct mint_ask ask = take_ask();
    struct mint_answer a = sign(&ask);
    a.nonce++;
    answer(&a);
    turn(0);
    turn(0);
    assert_int_equal(w.granted, 0);
    assert_int_equal(get("a.example"), LEAF_PENDING);
    a.nonce--;
    answer(&a);
    until_granted(&w);
    assert_int_equal(get("a.example"), LEAF_READY);
    stop();
}

static void
a_new_keeper_is_asked_again(void **state)
{
    (void)state;
    start(100, 100);
    assert_int_equal(get("a.example"), LEAF_PENDING);
    assert_int_equal(get("b.example"), LEAF_PENDING);
    take_ask();
    take_ask();
    assert_false(has_ask());
    leaf_cache_ask_again(cache);
    struct mint_ask a = take_ask(), b = take_ask();
    assert_memory_equal(a.name, "a.example", 9);
    assert_memory_equal(b.name, "b.example", 9);
    struct mint_answer answers[2] = { sign(&a), sign(&b) };
    answer(&answers[1]);
    answer(&answers[0]);
    answer(&answers[0]); /* the old one's, found by the new one's side */
    for (int i = 0; i < 20 && w.granted < 2; i++) {
        turn(0.1);
    }
    turn(0);
    assert_int_equal(get("a.example"), LEAF_READY);
    assert_int_equal(get("b.example"), LEAF_READY);
    stop();
}

static void
the_keepers_end_closes(void **state)
{
    (void)state;
    start(100, 100);
    assert_int_equal(get("a.example"), LEAF_PENDING);
    shutdown(peer, SHUT_RDWR);
    until_granted(&w);
    assert_int_equal(get("a.example"), LEAF_FAILED);
    assert_int_equal(get("b.example"), LEAF_FAILED);
    leaf_cache_ask_again(cache); /* nobody came */
    turn(0);
    assert_int_equal(get("c.example"), LEAF_FAILED);
    stop();
}

static void
a_keeper_that_is_silent(void **state)
{
    (void)state;
    start(100, 1000);
    leaf_cache_set_patience(cache, 0.02);
    assert_int_equal(get("a.example"), LEAF_PENDING);
    assert_int_equal(leaf_get(cache, &owner, STR("b.example"), &w2.task, NULL),
        LEAF_PENDING);
    until_granted(&w);
    assert_int_equal(get("a.example"), LEAF_FAILED);
    for (int i = 0; i < 20 && w2.granted == 0; i++) {
        turn(1);
    }
    assert_int_equal(w2.granted, 1);
    struct mint_ask late = take_ask();
    struct mint_answer a = sign(&late);
    answer(&a);
    turn(0);
    turn(0);
    leaf_cache_set_patience(cache, 20);
    assert_int_equal(get("c.example"), LEAF_PENDING);
    take_ask(); /* b's */
    serve();
    stop();
}

static void
who_no_longer_waits_is_not_woken(void **state)
{
    (void)state;
    start(100, 100);
    assert_int_equal(get("a.example"), LEAF_PENDING);
    assert_int_equal(leaf_get(cache, &owner, STR("a.example"), &w2.task, NULL),
        LEAF_PENDING);
    leaf_forget(cache, &w.task);
    leaf_forget(cache, &w.task);
    struct mint_ask ask = take_ask();
    struct mint_answer a = sign(&ask);
    answer(&a);
    until_granted(&w2);
    assert_int_equal(w.granted, 0);
    assert_int_equal(get("a.example"), LEAF_READY);
    stop();
}

/* Asks that are under way are bounded; the others follow. */
static void
serve_many(int n)
{
    struct mint_ask asks[64];
    char name[16];
    int served = 0, most = 0;
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(get(name), LEAF_PENDING);
    }
    while (served < n) {
        int k = 0;
        while (k < 64 && (k == 0 || has_ask())) {
            asks[k++] = take_ask();
        }
        assert_false(has_ask());
        most = k > most ? k : most;
        for (int i = 0; i < k; i++) {
            struct mint_answer a = sign(&asks[i]);
            answer(&a);
        }
        served += k;
        unsigned want = (unsigned)served;
        for (int i = 0; i < 100 && served < n && !has_ask(); i++) {
            turn(0.05);
        }
        assert_true(w.granted <= want);
    }
    assert_true(most <= 64);
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "n%d", i);
        for (int j = 0; j < 100 && get(name) == LEAF_PENDING; j++) {
            turn(0.05);
        }
        assert_int_equal(get(name), LEAF_READY);
    }
}

static void
more_names_than_may_be_under_way(void **state)
{
    (void)state;
    start(1000, 1000);
    serve_many(300);
    stop();
}

static void
a_queue_that_is_full(void **state)
{
    int size = 1; /* the kernel makes it its least, a few asks */
    (void)state;
    start(1000, 1000);
    assert_int_equal(
        setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    serve_many(100);
    stop();
}

static void
ask_many(int from, int to)
{
    char name[16];
    for (int i = from; i < to; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(get(name), LEAF_PENDING);
    }
}

/* What found no room follows when there is room, not when there is an
 * answer. */
static void
a_queue_that_is_read_without_answers(void **state)
{
    int size = 1, n = 0;
    (void)state;
    start(1000, 1000);
    assert_int_equal(
        setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    ask_many(0, 40);
    while (has_ask()) {
        take_ask();
        n++;
    }
    assert_in_range(n, 1, 39);
    for (int i = 0; i < 100 && n < 40; i++) {
        turn(0.01);
        while (has_ask()) {
            take_ask();
            n++;
        }
    }
    assert_int_equal(n, 40);
    leaf_forget(cache, &w.task);
    stop();
}

/* The asks that were given up make room for those behind them. */
static void
those_behind_a_silent_keepers(void **state)
{
    (void)state;
    start(1000, 1000);
    leaf_cache_set_patience(cache, 0.02);
    ask_many(0, 64);
    leaf_cache_set_patience(cache, 20);
    ask_many(64, 66);
    for (int i = 0; i < 64; i++) {
        take_ask();
    }
    assert_false(has_ask());
    until_granted(&w);
    assert_int_equal(take_ask().name[1], '6');
    serve();
    leaf_forget(cache, &w.task);
    stop();
}

/* Beyond what may be pending there is no waiting. */
static void
pending_asks_are_bounded(void **state)
{
    char name[16];
    int n = 0;
    enum leaf_state s = LEAF_PENDING;
    (void)state;
    start(10, 5000);
    for (; n < 3000 && s == LEAF_PENDING; n++) {
        snprintf(name, sizeof name, "n%d", n);
        s = get(name);
    }
    assert_int_equal(s, LEAF_FAILED);
    assert_int_equal(n, 1025);
    leaf_forget(cache, &w.task);
    stop();
}

/* One that ends within a day is given while the next is made. */
static void
renewal(void **state)
{
    struct leaf *old = NULL, *leaf = NULL;
    int64_t now = (int64_t)time(NULL);
    (void)state;
    start(100, 100);
    assert_int_equal(get("a.example"), LEAF_PENDING);
    struct mint_ask ask = take_ask();
    struct mint_answer a = sign_at(&ask, now - 7 * DAY + DAY / 2);
    answer(&a);
    until_granted(&w);
    assert_int_equal(get_of(&owner, "a.example", &old), LEAF_READY);
    ask = take_ask(); /* behind its back */
    assert_int_equal(get("a.example"), LEAF_READY);
    assert_false(has_ask());
    a = sign(&ask);
    answer(&a);
    turn(0);
    turn(0);
    assert_int_equal(get_of(&owner, "a.example", &leaf), LEAF_READY);
    assert_ptr_not_equal(old, leaf);
    assert_true(leaf_not_after(leaf) > leaf_not_after(old));
    assert_false(has_ask());
    leaf_unref(old);
    leaf_unref(leaf);
    stop();
}

static void
what_is_over_is_not_given(void **state)
{
    int64_t now = (int64_t)time(NULL);
    (void)state;
    start(100, 100);
    assert_int_equal(get("a.example"), LEAF_PENDING);
    struct mint_ask ask = take_ask();
    struct mint_answer a = sign_at(&ask, now - 7 * DAY + 3660);
    a.not_after = now + 60;
    answer(&a);
    until_granted(&w);
    assert_int_equal(get("a.example"), LEAF_PENDING);
    serve();
    assert_int_equal(get("a.example"), LEAF_READY);
    stop();
}

static void
what_tickets_are_bound_to(void **state)
{
    struct leaf_owner a = { .ca_cert_der = STR("ab") },
                      b = { .ca_cert_der = STR("a") };
    uint8_t x[32], y[32];
    (void)state;
    leaf_sid_ctx(&a, STR("c"), x);
    leaf_sid_ctx(&a, STR("c"), y);
    assert_memory_equal(x, y, sizeof x);
    leaf_sid_ctx(&b, STR("bc"), y);
    assert_memory_not_equal(x, y, sizeof x);
    leaf_sid_ctx(&a, STR("d"), y);
    assert_memory_not_equal(x, y, sizeof x);
    leaf_sid_ctx(&b, STR("c"), y);
    assert_memory_not_equal(x, y, sizeof x);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

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
        TEST(an_answer_that_makes_no_sense),
        TEST(an_answer_to_nothing),
        TEST(a_new_keeper_is_asked_again),
        TEST(the_keepers_end_closes),
        TEST(a_keeper_that_is_silent),
        TEST(who_no_longer_waits_is_not_woken),
        TEST(more_names_than_may_be_under_way),
        TEST(a_queue_that_is_full),
        TEST(a_queue_that_is_read_without_answers),
        TEST(those_behind_a_silent_keepers),
        TEST(pending_asks_are_bounded),
        TEST(renewal),
        TEST(what_is_over_is_not_given),
        TEST(what_tickets_are_bound_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
