/*
 * Clients that stall in their TLS with weir itself (listen … ssl): each is cut
 * when client_header_timeout says and not a millisecond before.
 */

#include "live_end.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "../net/cert.h"
#include "../proc/whole_conf.h"
#include "base/addr.h"
#include "proxy/worker.h"

#define LIMIT 2000
#define TIMED_OUT "client handshake timed out"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

enum { SECURE = 2, SECURE_FRONT };

static struct live *
start(void **state)
{
    struct live *l = *state;
    struct whole *w = l->whole;
    struct cert own;
    cert_make(&own, live_ca(), "own", "DNS:proxy.test");
    cert_write(&own, tmp_dir_path(&w->dir, "own.pem"));
    cert_write_key(&own, tmp_dir_path(&w->dir, "own.key"), NULL);
    cert_fini(&own);
    return live_start(state,
        "client_header_timeout 2s; keepalive_timeout 3s;"
        "listen 127.0.0.1:3 proxy ssl; listen 127.0.0.1:4 proxy ssl "
        "proxy_protocol; ssl_certificate own.pem; ssl_certificate_key own.key;",
        "");
}

static void
test_silence_from_the_start(void **state)
{
    struct live *l = start(state);
    struct live_end *c = live_client_of(l, SECURE);
    live_lasts(l, LIMIT);
    live_says_why(l, TIMED_OUT);
    live_is_closed(c);
    live_is_back(l);
}

/* Half of it: no more comes, or it comes a byte at a time. */
static void
test_half_a_hello(void **state)
{
    for (unsigned every = 0; every <= 20; every += 20) {
        struct live *l = start(state);
        struct live_end *c = live_client_of(l, SECURE);
        live_tls_client(c, "proxy.test");
        for (unsigned i = 0; i < 60; i++) {
            live_nothing(l, every);
            live_flush(c, 1);
        }
        live_lasts(l, LIMIT - 60 * every);
        live_says_why(l, TIMED_OUT);
        live_is_closed(c);
        live_is_back(l);
    }
}

/* Answered, and the client says no more. */
static void
test_a_handshake_without_an_end(void **state)
{
    struct live *l = start(state);
    struct live_end *c = live_client_of(l, SECURE);
    live_nothing(l, 500);
    live_tls_client(c, "proxy.test");
    live_flush(c, SIZE_MAX);
    assert_int_not_equal(live_waste(c, SIZE_MAX), 0);
    live_lasts(l, LIMIT - 500);
    live_says_why(l, TIMED_OUT);
    live_is_cut(c);
    live_is_back(l);
}

/* A front end's header and the handshake have the time together. */
static void
test_behind_a_front_end(void **state)
{
    struct live *l = start(state);
    struct live_end *c = live_client_of(l, SECURE_FRONT);
    live_nothing(l, LIMIT - 1);
    live_send(c, "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n");
    live_tls_client(c, "proxy.test");
    live_flush(c, SIZE_MAX);
    assert_int_not_equal(live_waste(c, SIZE_MAX), 0);
    live_lasts(l, 1);
    live_says_why(l, TIMED_OUT);
    live_is_cut(c);
    live_is_back(l);
}

/* Its time begins anew behind the handshake, and between requests it is
 * keepalive_timeout's. */
static void
test_silence_behind_a_handshake(void **state)
{
    struct live *l = start(state);
    struct live_end *c = live_client_of(l, SECURE);
    live_nothing(l, LIMIT - 1);
    live_tls_client(c, "proxy.test");
    live_shake(c);
    live_lasts(l, LIMIT);
    live_is_closed(c);
    live_is_back(l);
    c = live_client_of(l, SECURE);
    live_tls_client(c, "proxy.test");
    live_shake(c);
    live_send(c, "GET http://up.test/ HTTP/1.1\r\nHost: up.test\r\n\r\n");
    struct live_end *o = live_origin(l);
    live_gets(o, "GET / HTTP/1.1\r\nHost: up.test\r\n\r\n");
    live_send(o, OK);
    live_answers(c, 200, "");
    live_logs(l, "\"status\":200");
    live_close(o);
    live_lasts(l, 3000);
    live_is_closed(c);
    live_is_back(l);
}

/* A refused one may send on for lingering_time. */
static void
test_a_refused_handshake(void **state)
{
    struct live *l = start(state);
    struct live_end *c = live_client_of(l, SECURE);
    live_send_n(c, "\x16\x03\x01\x00\x05hello", 10);
    live_says_why(l, "malformed ClientHello");
    assert_int_equal(live_waste(c, SIZE_MAX), 7);
    live_nothing(l, 2000);
    live_send(c, "more");
    live_pass(l, 2999);
    assert_int_equal(l->worker->n_conns, 1);
    live_pass(l, 1);
    assert_int_equal(l->worker->n_conns, 0);
    live_is_back(l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(test_silence_from_the_start),
        LIVE_TEST_BYTES(test_silence_from_the_start),
        LIVE_TEST(test_half_a_hello),
        LIVE_TEST_BYTES(test_half_a_hello),
        LIVE_TEST(test_a_handshake_without_an_end),
        LIVE_TEST_BYTES(test_a_handshake_without_an_end),
        LIVE_TEST(test_behind_a_front_end),
        LIVE_TEST_BYTES(test_behind_a_front_end),
        LIVE_TEST(test_silence_behind_a_handshake),
        LIVE_TEST_BYTES(test_silence_behind_a_handshake),
        LIVE_TEST(test_a_refused_handshake),
        LIVE_TEST_BYTES(test_a_refused_handshake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
