/*
 * What is spliced: passthrough tunnels and what follows a 101. It ends when
 * neither direction has moved a byte for proxy_read_timeout, and not before.
 */

#include "live_end.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/str.h"
#include "proxy/worker.h"

#define LIMIT 2000
#define READ "proxy_read_timeout 2s;"
#define BLIND READ "host up.test { intercept off; }"

/* See client_slow_test.c. */
#define TRIES 500
#define SOME 34000

/* What was taken makes room in one queue behind the other, each seen when that
 * one is tried. */
#define SEVERAL (4 * TRIES)
#define MUCH (16UL * 1024 * 1024)

#define UPGRADE "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"
#define SWITCHED "HTTP/1.1 101 Switching Protocols\r\n" UPGRADE

struct tunnel {
    struct live *live;
    struct live_end *client, *origin;
};

/* The hello has arrived; the origin's answer is what the test says, since weir
 * does not look for more than whether it is one. */
static struct tunnel
open_passthrough(void **state, const char *more)
{
    struct tunnel t = { .live = live_start(state, more, "") };
    t.client = live_connected(t.live, "up.test:443");
    live_tls_client(t.client, "up.test");
    live_flush(t.client, SIZE_MAX);
    t.origin = live_origin(t.live);
    assert_int_not_equal(live_waste(t.origin, SIZE_MAX), 0);
    live_end_tls(t.client);
    return t;
}

static struct tunnel
open_websocket(void **state, const char *more, bool is_tls)
{
    struct tunnel t = { .live = live_start(state, more, "") };
    t.client = live_asks(t.live, is_tls, "GET", UPGRADE);
    t.origin = live_is_asked(t.live, is_tls, "GET", UPGRADE);
    live_send(t.origin, SWITCHED);
    live_gets_head(t.client, 101, "");
    return t;
}

static void
is_timed_out(struct tunnel *t)
{
    live_says_why(t->live, "tunnel timed out");
    live_logs(t->live, "\"cause\":\"tunnel timed out\"");
    live_is_cut(t->client);
    live_is_cut(t->origin);
    live_is_back(t->live);
}

/* Neither */

static void
test_silent_origin_of_a_blind_tunnel(void **state)
{
    struct tunnel t = open_passthrough(state, BLIND);
    live_lasts(t.live, LIMIT);
    is_timed_out(&t);
}

static void
test_blind_tunnel_that_goes_silent(void **state)
{
    struct tunnel t = open_passthrough(state, BLIND);
    live_nothing(t.live, LIMIT - 1);
    live_send(t.origin, "some");
    live_gets(t.client, "some");
    live_lasts(t.live, LIMIT);
    is_timed_out(&t);
}

static void
test_websocket_that_goes_silent(void **state)
{
    for (unsigned is_tls = 0; is_tls < 2; is_tls++) {
        struct tunnel t = open_websocket(state, READ, is_tls);
        live_lasts(t.live, LIMIT);
        is_timed_out(&t);
        t = open_websocket(state, READ, is_tls);
        live_nothing(t.live, LIMIT - 1);
        live_send(t.client, "half a fra");
        live_gets(t.origin, "half a fra");
        live_lasts(t.live, LIMIT);
        is_timed_out(&t);
    }
}

/* Half of a TLS record is silence to what is inside. */
static void
test_half_a_record(void **state)
{
    struct tunnel t = open_websocket(state, READ, true);
    size_t n = live_seal(t.client, "frame");
    for (unsigned i = 1; i < n; i++) {
        live_flush(t.client, 1);
        live_nothing(t.live, 20);
    }
    live_lasts(t.live, LIMIT - 20 * (unsigned)(n - 1));
    is_timed_out(&t);
}

static void
test_no_limit(void **state)
{
    struct tunnel t = open_websocket(state, "proxy_read_timeout off;", true);
    live_nothing(t.live, 90 * 1000); /* beyond any default */
    live_send(t.origin, "frame");
    live_gets(t.client, "frame");
    live_close(t.client);
    live_logs(t.live, "\"status\":101");
    live_is_cut(t.origin);
    live_is_back(t.live);
}

/* One of both */

static void
trickle(struct tunnel *t, struct live_end *from, struct live_end *to)
{
    for (unsigned i = 0; i < 8; i++) {
        live_nothing(t->live, LIMIT - 1);
        live_send(from, "x");
        live_gets(to, "x");
    }
    live_lasts(t->live, LIMIT);
    is_timed_out(t);
}

static void
test_one_direction_is_enough(void **state)
{
    struct tunnel t = open_websocket(state, READ, true);
    trickle(&t, t.client, t.origin);
    t = open_websocket(state, READ, true);
    trickle(&t, t.origin, t.client);
    t = open_passthrough(state, BLIND);
    trickle(&t, t.origin, t.client);
}

/* Whoever has ended, the other has its time. */
static void
test_half_closed(void **state)
{
    for (unsigned i = 0; i < 4; i++) {
        struct tunnel t = i < 2 ? open_websocket(state, READ, i == 0)
                                : open_passthrough(state, BLIND);
        bool is_origins = i % 2;
        if (i == 3) { /* until the origin says hello weir looks at records */
            live_send(t.client, "\x14\x03\x03\x01\x01");
            live_gets(t.origin, "\x14\x03\x03\x01\x01");
        }
        struct live_end *from = is_origins ? t.origin : t.client;
        struct live_end *to = is_origins ? t.client : t.origin;
        live_shut(from);
        for (unsigned k = 0; k < 3; k++) {
            live_nothing(t.live, LIMIT - 1);
            live_send(to, "x");
            live_gets(from, "x");
        }
        live_lasts(t.live, LIMIT);
        is_timed_out(&t);
    }
}

static void
test_both_ended(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        struct tunnel t = open_websocket(state, READ, i);
        live_shut(t.client);
        live_nothing(t.live, LIMIT - 1);
        live_shut(t.origin);
        live_logs(t.live, "\"cause\":\"-\"");
        live_is_closed(t.client);
        live_is_closed(t.origin);
        live_is_back(t.live);
    }
}

/* Nobody reads */

static void
test_tunnel_that_nobody_reads(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        struct tunnel t = i == 0 ? open_passthrough(state, BLIND)
                                 : open_websocket(state, READ, false);
        assert_in_range(live_fill(t.origin, MUCH), 1, MUCH - 1);
        assert_in_range(live_fill(t.client, MUCH), i == 0 ? 0 : 1, MUCH - 1);
        live_lasts(t.live, LIMIT);
        is_timed_out(&t);
    }
}

/* What it takes at a time is too little for the system to say so. */
static void
test_a_client_that_reads_slowly(void **state)
{
    struct tunnel t = open_passthrough(state, BLIND);
    live_fill(t.origin, MUCH);
    for (unsigned i = 0; i < 10; i++) {
        live_pass(t.live, LIMIT - TRIES - 10);
        assert_int_equal(live_waste(t.client, SOME), SOME);
        live_fill(t.origin, MUCH);
        assert_int_equal(t.live->worker->n_conns, 1);
    }
    live_pass(t.live, LIMIT - 1);
    assert_int_equal(t.live->worker->n_conns, 1);
    live_pass(t.live, SEVERAL);
    is_timed_out(&t);
}

static void
test_an_origin_that_reads_slowly(void **state)
{
    struct tunnel t = open_websocket(state, READ, false);
    live_fill(t.client, MUCH);
    for (unsigned i = 0; i < 10; i++) {
        live_pass(t.live, LIMIT - TRIES - 10);
        assert_int_equal(live_waste(t.origin, SOME), SOME);
        live_fill(t.client, MUCH);
        assert_int_equal(t.live->worker->n_conns, 1);
    }
    live_pass(t.live, LIMIT - 1);
    assert_int_equal(t.live->worker->n_conns, 1);
    live_pass(t.live, SEVERAL);
    is_timed_out(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(test_silent_origin_of_a_blind_tunnel),
        LIVE_TEST_BYTES(test_silent_origin_of_a_blind_tunnel),
        LIVE_TEST(test_blind_tunnel_that_goes_silent),
        LIVE_TEST_BYTES(test_blind_tunnel_that_goes_silent),
        LIVE_TEST(test_websocket_that_goes_silent),
        LIVE_TEST_BYTES(test_websocket_that_goes_silent),
        LIVE_TEST(test_half_a_record),
        LIVE_TEST_BYTES(test_half_a_record),
        LIVE_TEST(test_no_limit),
        LIVE_TEST(test_one_direction_is_enough),
        LIVE_TEST_BYTES(test_one_direction_is_enough),
        LIVE_TEST(test_half_closed),
        LIVE_TEST_BYTES(test_half_closed),
        LIVE_TEST(test_both_ended),
        LIVE_TEST_BYTES(test_both_ended),
        LIVE_TEST(test_tunnel_that_nobody_reads),
        LIVE_TEST(test_a_client_that_reads_slowly),
        LIVE_TEST(test_an_origin_that_reads_slowly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
