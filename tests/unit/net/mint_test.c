/*
 * The worker's end of its pair with the keeper: answers, silence, ends, and
 * how much may be under way. Seen through the leaf cache (leaf_fixture.h).
 */

#include "net/mint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <sys/socket.h>

#include "leaf_fixture.h"

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
    lf_start(100, 1000);
    for (size_t i = 0; i < LEN(spoilers); i++) {
        const struct spoiler *s = &spoilers[i];
        uint8_t bytes[sizeof(struct mint_answer) + 1] = { 0 };
        snprintf(name, sizeof name, "n%zu", i);
        assert_int_equal(lf_get(name), LEAF_PENDING);
        struct mint_ask ask = lf_take_ask();
        struct mint_answer a = lf_sign(&ask);
        memcpy(bytes, &a, sizeof a);
        memset(bytes + s->at, s->with, s->n);
        size_t n = sizeof a + (size_t)s->more;
        assert_int_equal(send(fx.peer, bytes, n, 0), n);
        lf_until_granted(&fx.w);
        assert_int_equal(lf_get(name), LEAF_FAILED);
        assert_int_equal(lf_get("other"), LEAF_FAILED);
        assert_false(lf_has_ask());
        leaf_cache_ask_again(fx.cache);
    }
    assert_int_equal(lf_get("last"), LEAF_PENDING);
    lf_serve();
    assert_int_equal(lf_get("last"), LEAF_READY);
    lf_stop();
}

static void
an_answer_to_nothing(void **state)
{
    (void)state;
    lf_start(100, 100);
    assert_int_equal(lf_get("a.example"), LEAF_PENDING);
    struct mint_ask ask = lf_take_ask();
    struct mint_answer a = lf_sign(&ask);
    a.nonce++;
    lf_answer(&a);
    lf_turn(0);
    lf_turn(0);
    assert_int_equal(fx.w.granted, 0);
    assert_int_equal(lf_get("a.example"), LEAF_PENDING);
    a.nonce--;
    lf_answer(&a);
    lf_until_granted(&fx.w);
    assert_int_equal(lf_get("a.example"), LEAF_READY);
    lf_stop();
}

static void
a_new_keeper_is_asked_again(void **state)
{
    (void)state;
    lf_start(100, 100);
    assert_int_equal(lf_get("a.example"), LEAF_PENDING);
    assert_int_equal(lf_get("b.example"), LEAF_PENDING);
    lf_take_ask();
    lf_take_ask();
    assert_false(lf_has_ask());
    leaf_cache_ask_again(fx.cache);
    struct mint_ask a = lf_take_ask(), b = lf_take_ask();
    assert_memory_equal(a.name, "a.example", 9);
    assert_memory_equal(b.name, "b.example", 9);
    struct mint_answer answers[2] = { lf_sign(&a), lf_sign(&b) };
    lf_answer(&answers[1]);
    lf_answer(&answers[0]);
    lf_answer(&answers[0]); /* the old one's, found by the new one's side */
    for (int i = 0; i < 20 && fx.w.granted < 2; i++) {
        lf_turn(0.1);
    }
    lf_turn(0);
    assert_int_equal(lf_get("a.example"), LEAF_READY);
    assert_int_equal(lf_get("b.example"), LEAF_READY);
    lf_stop();
}

static void
the_keepers_end_closes(void **state)
{
    (void)state;
    lf_start(100, 100);
    assert_int_equal(lf_get("a.example"), LEAF_PENDING);
    shutdown(fx.peer, SHUT_RDWR);
    lf_until_granted(&fx.w);
    assert_int_equal(lf_get("a.example"), LEAF_FAILED);
    assert_int_equal(lf_get("b.example"), LEAF_FAILED);
    leaf_cache_ask_again(fx.cache); /* nobody came */
    lf_turn(0);
    assert_int_equal(lf_get("c.example"), LEAF_FAILED);
    lf_stop();
}

static void
a_keeper_that_is_silent(void **state)
{
    (void)state;
    lf_start(100, 1000);
    leaf_cache_set_patience(fx.cache, 0.02);
    assert_int_equal(lf_get("a.example"), LEAF_PENDING);
    assert_int_equal(
        leaf_get(fx.cache, &fx.owner, STR("b.example"), &fx.w2.task, NULL),
        LEAF_PENDING);
    lf_until_granted(&fx.w);
    assert_int_equal(lf_get("a.example"), LEAF_FAILED);
    for (int i = 0; i < 20 && fx.w2.granted == 0; i++) {
        lf_turn(1);
    }
    assert_int_equal(fx.w2.granted, 1);
    struct mint_ask late = lf_take_ask();
    struct mint_answer a = lf_sign(&late);
    lf_answer(&a);
    lf_turn(0);
    lf_turn(0);
    leaf_cache_set_patience(fx.cache, 600);
    assert_int_equal(lf_get("c.example"), LEAF_PENDING);
    lf_take_ask(); /* b's */
    lf_serve();
    lf_stop();
}

static void
who_no_longer_waits_is_not_woken(void **state)
{
    (void)state;
    lf_start(100, 100);
    assert_int_equal(lf_get("a.example"), LEAF_PENDING);
    assert_int_equal(
        leaf_get(fx.cache, &fx.owner, STR("a.example"), &fx.w2.task, NULL),
        LEAF_PENDING);
    leaf_forget(fx.cache, &fx.w.task);
    leaf_forget(fx.cache, &fx.w.task);
    struct mint_ask ask = lf_take_ask();
    struct mint_answer a = lf_sign(&ask);
    lf_answer(&a);
    lf_until_granted(&fx.w2);
    assert_int_equal(fx.w.granted, 0);
    assert_int_equal(lf_get("a.example"), LEAF_READY);
    lf_stop();
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
        assert_int_equal(lf_get(name), LEAF_PENDING);
    }
    while (served < n) {
        int k = 0;
        while (k < 64 && (k == 0 || lf_has_ask())) {
            asks[k++] = lf_take_ask();
        }
        assert_false(lf_has_ask());
        most = k > most ? k : most;
        for (int i = 0; i < k; i++) {
            struct mint_answer a = lf_sign(&asks[i]);
            lf_answer(&a);
        }
        served += k;
        unsigned want = (unsigned)served;
        for (int i = 0; i < 100 && served < n && !lf_has_ask(); i++) {
            lf_turn(0.05);
        }
        assert_true(fx.w.granted <= want);
    }
    assert_true(most <= 64);
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "n%d", i);
        for (int j = 0; j < 100 && lf_get(name) == LEAF_PENDING; j++) {
            lf_turn(0.05);
        }
        assert_int_equal(lf_get(name), LEAF_READY);
    }
}

static void
more_names_than_may_be_under_way(void **state)
{
    (void)state;
    lf_start(1000, 1000);
    serve_many(300);
    lf_stop();
}

static void
a_queue_that_is_full(void **state)
{
    int size = 1; /* the kernel makes it its least, a few asks */
    (void)state;
    lf_start(1000, 1000);
    assert_int_equal(
        setsockopt(fx.ours, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    serve_many(100);
    lf_stop();
}

static void
ask_many(int from, int to)
{
    char name[16];
    for (int i = from; i < to; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(lf_get(name), LEAF_PENDING);
    }
}

/* What found no room follows when there is room, not when there is an
 * answer. */
static void
a_queue_that_is_read_without_answers(void **state)
{
    int size = 1, n = 0;
    (void)state;
    lf_start(1000, 1000);
    assert_int_equal(
        setsockopt(fx.ours, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    ask_many(0, 40);
    while (lf_has_ask()) {
        lf_take_ask();
        n++;
    }
    assert_in_range(n, 1, 39);
    for (int i = 0; i < 100 && n < 40; i++) {
        lf_turn(0.01);
        while (lf_has_ask()) {
            lf_take_ask();
            n++;
        }
    }
    assert_int_equal(n, 40);
    leaf_forget(fx.cache, &fx.w.task);
    lf_stop();
}

/* The asks that were given up make room for those behind them. */
static void
those_behind_a_silent_keepers(void **state)
{
    (void)state;
    lf_start(1000, 1000);
    leaf_cache_set_patience(fx.cache, 0.02);
    ask_many(0, 64);
    leaf_cache_set_patience(fx.cache, 600);
    ask_many(64, 66);
    for (int i = 0; i < 64; i++) {
        lf_take_ask();
    }
    assert_false(lf_has_ask());
    lf_until_granted(&fx.w);
    assert_int_equal(lf_take_ask().name[1], '6');
    lf_serve();
    leaf_forget(fx.cache, &fx.w.task);
    lf_stop();
}

/* Beyond what may be pending there is no waiting. */
static void
pending_asks_are_bounded(void **state)
{
    char name[16];
    int n = 0;
    enum leaf_state s = LEAF_PENDING;
    (void)state;
    lf_start(10, 5000);
    for (; n < 3000 && s == LEAF_PENDING; n++) {
        snprintf(name, sizeof name, "n%d", n);
        s = lf_get(name);
    }
    assert_int_equal(s, LEAF_FAILED);
    assert_int_equal(n, 1025);
    leaf_forget(fx.cache, &fx.w.task);
    lf_stop();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, lf_setup, lf_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
