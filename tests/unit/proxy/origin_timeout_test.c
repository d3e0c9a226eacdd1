/*
 * Origins that stall: each step is cut when its directive says and not a
 * millisecond before, whatever comes meanwhile, and the client is told what
 * it was and keeps its connection.
 */

#include "live_end.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "base/str.h"
#include "proxy/worker.h"
#include "wire/pool.h"

#define LIMIT 2000
#define CONNECT "proxy_connect_timeout 2s;"
#define SEND "proxy_send_timeout 2s;"
#define HEADER "proxy_header_timeout 2s;"
#define READ "proxy_read_timeout 2s;"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define PUT_LENGTH "Content-Length: 100000000\r\n\r\n"

/* See client_slow_test.c. */
#define TRIES 500
#define PIECE 4096
#define SOME 34000
#define MUCH (16UL * 1024 * 1024)

/* The exchange is over, and the client may have another. */
static void
is_told(struct live *l, struct live_end *c, unsigned status, const char *error)
{
    char line[32];
    live_answers(c, status, error);
    snprintf(line, sizeof line, "\"status\":%u", status);
    live_logs(l, line);
    live_is_open(c);
    live_close(c);
}

/* Connecting */

static void
asks(struct live_end *c, const char *name)
{
    char text[200];
    snprintf(text, sizeof text, "GET http://%s/ HTTP/1.1\r\nHost: %s\r\n\r\n",
        name, name);
    live_send(c, text);
}

static void
test_no_connection(void **state)
{
    struct live *l = live_start(state, CONNECT, "");
    struct live_end *c = live_client(l);
    asks(c, "silent.test");
    live_lasts(l, LIMIT);
    live_says_why(
        l, "connect to 10.9.0.2:80 failed (110: Connection timed out)");
    is_told(l, c, 504, "error=connection_timeout");
    live_is_back(l);
}

static void
test_no_address(void **state)
{
    struct live *l = live_start(state, CONNECT, "");
    struct live_end *c = live_client(l);
    asks(c, "lost.test");
    live_lasts(l, LIMIT);
    live_says_why(l, "the name was not resolved in time");
    is_told(l, c, 504, "error=dns_timeout");
    live_pass(l, 10000); /* the resolver's own, of a query that is under way */
    live_is_back(l);
}

/* Of a record that would be a long one: none of it, or a byte at a time. */
static void
test_half_a_handshake(void **state)
{
    for (unsigned n = 0; n <= 60; n += 60) {
        struct live *l = live_start(state, CONNECT, "");
        struct live_end *c = live_asks(l, true, "GET", "\r\n");
        struct live_end *o = live_origin(l);
        assert_int_not_equal(live_waste(o, SIZE_MAX), 0); /* the hello */
        for (unsigned i = 0; i < n; i++) {
            live_nothing(l, 20);
            live_send_raw(o, &"\x16\x03\x03\x40\0"[i < 4 ? i : 4], 1);
        }
        live_lasts(l, LIMIT - 20 * n);
        live_says_why(l, "the TLS handshake did not end in time");
        is_told(l, c, 504, "error=connection_timeout");
        live_is_cut(o);
        live_is_back(l);
    }
}

/* All but the last flight's last byte. */
static void
test_handshake_that_lacks_a_byte(void **state)
{
    struct live *l = live_start(state, CONNECT, "");
    struct live_end *c = live_asks(l, true, "GET", "\r\n");
    struct live_end *o = live_origin(l);
    live_tls_origin(o);
    size_t n = live_answer_hello(o);
    live_nothing(l, 500);
    live_flush(o, n - 1);
    live_lasts(l, LIMIT - 500);
    is_told(l, c, 504, "error=connection_timeout");
    live_is_cut(o);
    live_is_back(l);
}

static void
test_blind_tunnel_without_a_connection(void **state)
{
    struct live *l =
        live_start(state, CONNECT "host silent.test { intercept off; }", "");
    struct live_end *c = live_connected(l, "silent.test:443");
    live_tls_client(c, "silent.test");
    live_flush(c, SIZE_MAX);
    live_lasts(l, LIMIT);
    live_logs(l, "\"status\":504");
    live_is_closed(c);
    live_is_back(l);
}

/* Sending */

/* A client that sends as much as is taken. */
static void
put(struct live *l, struct live_end **c, struct live_end **o)
{
    *c = live_asks(l, false, "PUT", PUT_LENGTH);
    *o = live_is_asked(l, false, "PUT", PUT_LENGTH);
    size_t n = live_fill(*c, MUCH);
    assert_in_range(n, 1, MUCH - 1);
}

static void
is_not_read(struct live *l, struct live_end *c, struct live_end *o)
{
    live_says_why(l, "the origin did not read the request in time");
    live_gets_head(c, 504, "error=connection_write_timeout");
    live_logs(l, "\"status\":504");
    live_close(c);
    live_is_cut(o);
    live_is_back(l);
}

static void
test_an_origin_that_does_not_read(void **state)
{
    struct live *l = live_start(state, SEND, "");
    struct live_end *c, *o;
    put(l, &c, &o);
    live_lasts(l, LIMIT);
    is_not_read(l, c, o);
}

/* What the client still sends is no sign of life of the origin's. */
static void
test_an_origin_that_does_not_read_a_trickle(void **state)
{
    struct live *l = live_start(state, SEND, "");
    struct live_end *c = live_asks(l, false, "PUT", PUT_LENGTH);
    struct live_end *o = live_is_asked(l, false, "PUT", PUT_LENGTH);
    for (size_t had = 1, lies = 0; lies != had; lies = live_unread(o)) {
        had = lies;
        assert_int_equal(live_fill(c, 4096), 4096);
    }
    for (unsigned i = 0; i < 99; i++) {
        live_nothing(l, 20);
        live_send_n(c, "z", 1);
    }
    live_lasts(l, LIMIT - 99 * 20);
    is_not_read(l, c, o);
}

/* Too little at a time for the system to say so; the last bytes too, for which
 * weir has none to follow. */
static void
test_an_origin_that_reads_slowly(void **state)
{
    struct live *l = live_start(state, SEND, "");
    struct live_end *c =
        live_asks(l, false, "PUT", "Content-Length: 400000\r\n\r\n");
    struct live_end *o =
        live_is_asked(l, false, "PUT", "Content-Length: 400000\r\n\r\n");
    size_t sent = live_fill(c, 400000), got = 0;
    unsigned rounds = 0;
    while (got < 400000) {
        live_pass(l, LIMIT - TRIES - 10);
        got += live_waste(o, SOME);
        sent += sent < 400000 ? live_fill(c, 400000 - sent) : 0;
        assert_in_range(++rounds, 1, 20);
    }
    live_send(o, OK);
    is_told(l, c, 200, "");
    live_close(o);
    live_is_back(l);
}

/* What it took is seen when it is tried, and not at the end of its time. */
static void
test_an_origin_that_stops_to_read(void **state)
{
    struct live *l = live_start(state, SEND, "");
    struct live_end *c, *o;
    put(l, &c, &o);
    live_pass(l, LIMIT - TRIES - 10);
    assert_int_equal(live_waste(o, SOME), SOME);
    live_pass(l, LIMIT - 1);
    assert_int_equal(l->worker->n_conns, 1);
    live_pass(l, TRIES + 20);
    is_not_read(l, c, o);
}

/* It has taken all that weir had, and left no room: the time begins with the
 * client's next byte. */
static void
test_an_origin_that_is_full_when_more_comes(void **state)
{
    struct live *l = live_start(state, SEND, "");
    struct live_end *c = live_asks(l, false, "PUT", PUT_LENGTH);
    struct live_end *o = live_is_asked(l, false, "PUT", PUT_LENGTH);
    for (size_t had = 1, lies = 0; lies != had; lies = live_unread(o)) {
        had = lies;
        assert_int_equal(live_fill(c, PIECE), PIECE);
    }
    size_t most = live_unread(o);
    assert_int_equal(live_waste(o, PIECE), PIECE);
    live_pass(l, TRIES);
    assert_int_equal(live_unread(o), most);
    live_nothing(l, 10 * LIMIT);
    live_fill(c, PIECE);
    live_lasts(l, LIMIT);
    is_not_read(l, c, o);
}

/* The response's head */

#define LONG_FIELD "X: 0123456789012345678901234567890123456789012345678901"

static const char *const heads[] = {
    "",
    "HTTP/1.1 200 OK\r\n" LONG_FIELD,
};

static void
is_unanswered(struct live *l, struct live_end *c, struct live_end *o)
{
    live_says_why(l, "the origin did not answer in time");
    is_told(l, c, 504, "error=http_response_timeout");
    live_is_cut(o);
    live_is_back(l);
}

static void
test_half_a_head(void **state)
{
    for (unsigned i = 0; i < 2 * LEN(heads); i++) {
        bool is_tls = i % 2;
        struct live *l = live_start(state, HEADER, "");
        struct live_end *c = live_asks(l, is_tls, "GET", "\r\n");
        struct live_end *o = live_is_asked(l, is_tls, "GET", "\r\n");
        live_trickle(o, heads[i / 2], 20);
        live_lasts(l, LIMIT - 20 * (unsigned)strlen(heads[i / 2]));
        is_unanswered(l, c, o);
    }
}

/* As in nginx, where no time of their own is said. */
static void
test_no_head_in_the_time_of_reads(void **state)
{
    struct live *l = live_start(state, READ, "");
    struct live_end *c = live_asks(l, true, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, true, "GET", "\r\n");
    live_lasts(l, LIMIT);
    is_unanswered(l, c, o);
}

/* They are passed on, and are no answer. */
static void
test_interim_heads(void **state)
{
    static const char early[] =
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    struct live *l = live_start(state, HEADER, "");
    struct live_end *c = live_asks(l, true, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, true, "GET", "\r\n");
    for (unsigned i = 0; i < 19; i++) {
        live_nothing(l, 100);
        live_send(o, early);
        live_gets(c, early);
    }
    live_lasts(l, LIMIT - 1900);
    is_unanswered(l, c, o);
}

/* At each offset, plain and with TLS; on one slot for all. */
static void
test_head_that_stops_at_each_offset(void **state)
{
    static const char head[] = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                               "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    const unsigned step = RUNNING_ON_VALGRIND ? 9 : 1;
    for (unsigned i = 0; i < 2 * (sizeof head - 1); i += step) {
        struct live *l = *state;
        bool is_tls = i % 2;
        if (i == 0) {
            l = live_start(state, "proxy_header_timeout 100ms;", "");
        }
        struct live_end *c = live_asks(l, is_tls, "GET", "\r\n");
        struct live_end *o = live_is_asked(l, is_tls, "GET", "\r\n");
        live_send_n(o, head, i / 2);
        live_lasts(l, 100);
        if (i / 2 >= strlen("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")) {
            live_gets_head(c, 103, "");
        }
        is_unanswered(l, c, o);
    }
}

/* The time begins with the last byte of the request. */
static void
test_head_behind_a_body(void **state)
{
    struct live *l = live_start(state, HEADER, "");
    struct live_end *c =
        live_asks(l, true, "POST", "Content-Length: 4\r\n\r\n");
    struct live_end *o =
        live_is_asked(l, true, "POST", "Content-Length: 4\r\n\r\n");
    live_nothing(l, 10 * LIMIT);
    live_send(c, "hal");
    live_gets(o, "hal");
    live_nothing(l, 10 * LIMIT);
    live_send(c, "f");
    live_gets(o, "f");
    live_lasts(l, LIMIT);
    is_unanswered(l, c, o);
}

/* The response's body */

static const char *const halves[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
    "HTTP/1.1 200 OK\r\n\r\nhalf",
    "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
};

static void
is_broken_off(struct live *l, struct live_end *c, struct live_end *o)
{
    live_says_why(l, "upstream timed out in its body");
    live_logs(l, "\"cause\":\"upstream timed out in its body\"");
    live_is_cut(c);
    live_is_cut(o);
    live_is_back(l);
}

static void
test_half_a_body(void **state)
{
    for (unsigned i = 0; i < 2 * LEN(halves); i++) {
        bool is_tls = i % 2;
        struct live *l = live_start(state, READ, "");
        struct live_end *c = live_asks(l, is_tls, "GET", "\r\n");
        struct live_end *o = live_is_asked(l, is_tls, "GET", "\r\n");
        live_send(o, halves[i / 2]);
        live_gets_head(c, 200, "");
        live_lasts(l, LIMIT);
        is_broken_off(l, c, o);
    }
}

/* Each byte begins it anew. */
static void
test_a_body_in_time(void **state)
{
    struct live *l = live_start(state, READ, "");
    struct live_end *c = live_asks(l, true, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, true, "GET", "\r\n");
    live_send(o, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
    live_gets_head(c, 200, "");
    for (unsigned i = 0; i < 10; i++) {
        live_nothing(l, LIMIT - 1);
        live_send(o, "x");
        live_gets(c, "x");
    }
    live_lasts(l, LIMIT);
    is_broken_off(l, c, o);
}

/* Framing is none of it. */
static void
test_a_chunk_that_does_not_begin(void **state)
{
    static const char framing[] = "0000000000000a;n=v\r";
    struct live *l = live_start(state, READ, "");
    struct live_end *c = live_asks(l, true, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, true, "GET", "\r\n");
    live_send(o, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    live_gets_head(c, 200, "");
    live_trickle(o, framing, 20);
    live_lasts(l, LIMIT - 20 * (unsigned)strlen(framing));
    is_broken_off(l, c, o);
}

/* Its time begins with the head, however long that took to come. */
static void
test_a_body_behind_a_late_head(void **state)
{
    struct live *l = live_start(state, READ "proxy_header_timeout 1h;", "");
    struct live_end *c = live_asks(l, true, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, true, "GET", "\r\n");
    live_nothing(l, 10 * LIMIT);
    live_send(o, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
    live_gets_head(c, 200, "");
    live_lasts(l, LIMIT);
    is_broken_off(l, c, o);
}

/* A body of gzip that is looked through: so far nothing can be passed on, and
 * each byte of it begins the time anew; without the next it is over. */
static void
hold_gzip(void **state, bool goes_on)
{
    static const char head[] = "\x1f\x8b\x08\0\0\0\0\0\0\x03";
    static const char text[] = "\xcb\x48\xcd\xc9\xc9\x07\0"
                               "\x86\xa6\x10\x36\x05\0\0\0"; /* hello */
    struct live *l = live_start(state,
        READ "secret t file:token hosts=up.test; redact on;"
             "host up.test { bearer $secret_t; }",
        "");
    struct live_end *c = live_asks(l, true, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, true, "GET",
        "Authorization: Bearer a-secret-value-0123456789\r\n\r\n");
    live_send(o, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n");
    live_gets_head(c, 200, "");
    for (unsigned i = 0; i < sizeof head - 1; i++) {
        live_nothing(l, LIMIT - 1);
        live_send_n(o, head + i, 1);
    }
    if (!goes_on) {
        live_lasts(l, LIMIT);
        is_broken_off(l, c, o);
        return;
    }
    live_send_n(o, text, sizeof text - 1);
    live_shut(o);
    live_logs(l, "\"cause\":\"-\"");
    live_close(o);
    live_close(c);
    live_is_back(l);
}

static void
test_a_body_that_is_held(void **state)
{
    hold_gzip(state, false);
    hold_gzip(state, true);
}

static void
test_no_limit_of_a_body(void **state)
{
    struct live *l = live_start(state, "proxy_read_timeout off;", "");
    struct live_end *c = live_asks(l, true, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, true, "GET", "\r\n");
    live_send(o, halves[1]);
    live_gets_head(c, 200, "");
    live_gets(c, "4\r\nhalf\r\n");
    live_nothing(l, 90 * 1000); /* beyond any default */
    live_send(o, ",rest\r\n0\r\n\r\n");
    live_gets(c, "5\r\n,rest\r\n0\r\n\r\n");
    live_logs(l, "\"status\":200");
    live_close(o);
    live_close(c);
    live_is_back(l);
}

/* It is not the origin's time that a client takes to read. */
static void
test_a_client_that_does_not_read(void **state)
{
    struct live *l = live_start(state, READ "send_timeout 10s;", "");
    struct live_end *c = live_asks(l, false, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, false, "GET", "\r\n");
    live_send(o, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
    live_fill(o, MUCH);
    live_lasts(l, 10000);
    live_logs(l, "\"cause\":\"client timed out\"");
    live_is_cut(c);
    live_is_cut(o);
    live_is_back(l);
}

/* In the pool */

static void
test_idle_upstream_connection(void **state)
{
    for (unsigned is_tls = 0; is_tls < 2; is_tls++) {
        struct live *l = live_start(state, "proxy_keepalive_timeout 3s;", "");
        struct live_end *c = live_asks(l, is_tls, "GET", "\r\n");
        struct live_end *o = live_is_asked(l, is_tls, "GET", "\r\n");
        for (unsigned i = 0; i < 3; i++) {
            live_send(o, OK);
            live_answers(c, 200, "");
            live_logs(l, "\"status\":200");
            assert_int_equal(pool_idle(l->worker->pool), 1);
            live_nothing(l, 2999);
            live_asks_more(c, "GET", "\r\n");
            live_gets(o, "GET / HTTP/1.1\r\nHost: up.test\r\n\r\n");
        }
        live_send(o, OK);
        live_answers(c, 200, "");
        live_logs(l, "\"status\":200");
        live_lasts(l, 3000);
        live_is_closed(o);
        live_is_open(c);
        live_close(c);
        live_is_back(l);
    }
}

/* Half a response there belongs to nobody. */
static void
test_idle_upstream_connection_that_speaks(void **state)
{
    struct live *l = live_start(state, "", "");
    struct live_end *c = live_asks(l, false, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, false, "GET", "\r\n");
    live_send(o, OK);
    live_answers(c, 200, "");
    live_logs(l, "\"status\":200");
    live_nothing(l, 1000);
    live_send(o, "H");
    live_is_closed(o);
    live_close(c);
    live_is_back(l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(test_no_connection),
        LIVE_TEST_BYTES(test_no_connection),
        LIVE_TEST(test_no_address),
        LIVE_TEST_BYTES(test_no_address),
        LIVE_TEST(test_half_a_handshake),
        LIVE_TEST_BYTES(test_half_a_handshake),
        LIVE_TEST(test_handshake_that_lacks_a_byte),
        LIVE_TEST_BYTES(test_handshake_that_lacks_a_byte),
        LIVE_TEST(test_blind_tunnel_without_a_connection),
        LIVE_TEST_BYTES(test_blind_tunnel_without_a_connection),
        LIVE_TEST(test_an_origin_that_does_not_read),
        LIVE_TEST(test_an_origin_that_does_not_read_a_trickle),
        LIVE_TEST(test_an_origin_that_reads_slowly),
        LIVE_TEST(test_an_origin_that_stops_to_read),
        LIVE_TEST(test_an_origin_that_is_full_when_more_comes),
        LIVE_TEST(test_half_a_head),
        LIVE_TEST_BYTES(test_half_a_head),
        LIVE_TEST(test_no_head_in_the_time_of_reads),
        LIVE_TEST(test_interim_heads),
        LIVE_TEST_BYTES(test_interim_heads),
        LIVE_TEST(test_head_that_stops_at_each_offset),
        LIVE_TEST(test_head_behind_a_body),
        LIVE_TEST_BYTES(test_head_behind_a_body),
        LIVE_TEST(test_half_a_body),
        LIVE_TEST_BYTES(test_half_a_body),
        LIVE_TEST(test_a_body_in_time),
        LIVE_TEST_BYTES(test_a_body_in_time),
        LIVE_TEST(test_a_chunk_that_does_not_begin),
        LIVE_TEST_BYTES(test_a_chunk_that_does_not_begin),
        LIVE_TEST(test_a_body_behind_a_late_head),
        LIVE_TEST_BYTES(test_a_body_behind_a_late_head),
        LIVE_TEST(test_a_body_that_is_held),
        LIVE_TEST_BYTES(test_a_body_that_is_held),
        LIVE_TEST(test_no_limit_of_a_body),
        LIVE_TEST(test_a_client_that_does_not_read),
        LIVE_TEST(test_idle_upstream_connection),
        LIVE_TEST_BYTES(test_idle_upstream_connection),
        LIVE_TEST(test_idle_upstream_connection_that_speaks),
        LIVE_TEST_BYTES(test_idle_upstream_connection_that_speaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
