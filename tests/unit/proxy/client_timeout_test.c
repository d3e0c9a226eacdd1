/*
 * Clients that stall: each step is cut when its directive says and not a
 * millisecond before, whatever comes meanwhile.
 */

#include "live_end.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/str.h"
#include "proxy/worker.h"

#define LIMIT 2000
#define HEADER "client_header_timeout 2s;"
#define BODY "client_body_timeout 2s;"
#define BLIND "host up.test { intercept off; }"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define LONG_NAME "0123456789abcdefghijklmnopqrstuvwxyz"

/* What is left of a limit after a trickle of those bytes, 20 ms apart. */
#define LEFT(text) (LIMIT - 20 * (unsigned)(sizeof(text) - 1))

/* Before a request */

static void
test_silence_from_the_start(void **state)
{
    struct live *l = live_start(state, HEADER, "");
    struct live_end *c = live_client(l);
    live_lasts(l, LIMIT);
    live_is_closed(c);
    live_is_back(l);
}

static void
test_proxy_header(void **state)
{
    static const char half[] = "PROXY TCP4 10.0.0.1 10.0.0.";
    struct live *l = live_start(state, HEADER, "");
    struct live_end *c = live_front(l);
    live_lasts(l, LIMIT);
    live_says_why(l, "no PROXY header came");
    live_is_closed(c);
    c = live_front(l);
    live_trickle(c, half, 20);
    live_lasts(l, LEFT(half));
    live_says_why(l, "no PROXY header came");
    live_is_closed(c);
    live_is_back(l);
}

/* It has its time from the header on. */
static void
test_silence_behind_a_proxy_header(void **state)
{
    struct live *l = live_start(state, HEADER, "");
    struct live_end *c = live_front(l);
    live_nothing(l, LIMIT - 1);
    live_send(c, "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n");
    live_lasts(l, 1);
    live_is_closed(c);
    live_is_back(l);
}

static void
test_silence_in_a_tunnel(void **state)
{
    static const char *const kinds[] = { "", BLIND };
    for (unsigned i = 0; i < LEN(kinds); i++) {
        char egress[200];
        snprintf(egress, sizeof egress, HEADER "%s", kinds[i]);
        struct live *l = live_start(state, egress, "");
        struct live_end *c = live_connected(l, "up.test:443");
        live_lasts(l, LIMIT);
        live_says_why(l, "tunnel closed before its first byte");
        live_is_closed(c);
        assert_false(live_is_dialled(l));
        live_is_back(l);
    }
}

/* Half of a hello: no more comes, or it comes a byte at a time. */
static void
stall_in_hello(struct live *l, unsigned every)
{
    struct live_end *c = live_connected(l, "up.test:443");
    live_tls_client(c, "up.test");
    for (unsigned i = 0; i < 60; i++) {
        live_nothing(l, every);
        live_flush(c, 1);
    }
    live_lasts(l, LIMIT - 60 * every);
    live_says_why(l, "client handshake timed out");
    live_is_closed(c);
    assert_false(live_is_dialled(l));
    live_is_back(l);
}

static void
test_half_a_hello(void **state)
{
    for (unsigned every = 0; every <= 20; every += 20) {
        stall_in_hello(live_start(state, HEADER, ""), every);
        stall_in_hello(live_start(state, HEADER BLIND, ""), every);
    }
}

/* Answered, and the client says no more; its time began with the tunnel. */
static void
test_hello_without_an_end(void **state)
{
    struct live *l = live_start(state, HEADER, "");
    struct live_end *c = live_connected(l, "up.test:443");
    live_nothing(l, 500);
    live_tls_client(c, "up.test");
    live_flush(c, SIZE_MAX);
    assert_int_not_equal(live_waste(c, SIZE_MAX), 0);
    live_lasts(l, LIMIT - 500);
    live_says_why(l, "client handshake timed out");
    live_is_cut(c);
    live_is_back(l);
}

static void
test_no_certificate_in_time(void **state)
{
    struct live *l = live_start(state, HEADER, "");
    struct live_end *c = live_connected(l, "up.test:443");
    l->is_keeper_silent = true;
    live_tls_client(c, "up.test");
    live_flush(c, SIZE_MAX);
    live_lasts(l, LIMIT);
    live_says_why(l, "client handshake timed out");
    live_is_cut(c);
    live_is_back(l);
}

/* Its time begins anew. */
static void
test_silence_behind_a_handshake(void **state)
{
    struct live *l = live_start(state, HEADER, "");
    struct live_end *c = live_connected(l, "up.test:443");
    live_nothing(l, LIMIT - 1);
    live_tls_client(c, "up.test");
    live_shake(c);
    live_lasts(l, LIMIT);
    live_is_closed(c);
    live_is_back(l);
}

/* A worker that is to end gives a connection without a request a second, and
 * closes those that wait for another one at once. */
static void
test_last_requests(void **state)
{
    struct live *l = live_start(state, HEADER, "");
    struct live_end *fresh = live_client(l);
    struct live_end *idle = live_asks(l, false, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, false, "GET", "\r\n");
    live_send(o, OK);
    live_answers(idle, 200, "");
    live_logs(l, "\"status\":200");
    live_close(o);
    worker_quit(l->worker, clock_mono() + 60, true, STR(""));
    live_settle(l);
    live_is_closed(idle);
    live_lasts(l, 1000);
    live_is_closed(fresh);
    live_is_back(l);
}

/* In a request's head */

static void
is_late(struct live *l, struct live_end *c)
{
    live_answers(c, 408, "Connection: close");
    live_logs(l, "\"status\":408");
    live_says_why(l, "request head timed out");
    live_is_closed(c);
    assert_false(live_is_dialled(l));
    live_is_back(l);
}

/* From its first byte on, however long it is. */
static void
test_half_a_head(void **state)
{
    static const char half[] = "GET http://up.test/" LONG_NAME;
    for (unsigned is_tls = 0; is_tls < 2; is_tls++) {
        struct live *l = live_start(state, HEADER, "");
        struct live_end *c =
            is_tls ? live_tunnel(l, "up.test") : live_client(l);
        live_nothing(l, LIMIT - 1);
        live_send(c, half);
        live_lasts(l, LIMIT);
        is_late(l, c);
        c = is_tls ? live_tunnel(l, "up.test") : live_client(l);
        live_send(c, "G");
        live_trickle(c, half + 1, 20);
        live_lasts(l, LEFT(half) + 20);
        is_late(l, c);
    }
}

/* Of a TLS record of which no byte can be read yet: to weir it is silence. */
static void
test_half_a_record(void **state)
{
    struct live *l = live_start(state, HEADER, "");
    struct live_end *c = live_tunnel(l, "up.test");
    size_t n = live_seal(c, "GET / HTTP/1.1\r\nHost: up.test\r\n\r\n");
    for (unsigned i = 1; i < n; i++) {
        live_flush(c, 1);
        live_nothing(l, 20);
    }
    live_lasts(l, LIMIT - 20 * (unsigned)(n - 1));
    live_is_closed(c);
    live_is_back(l);
}

static void
test_plain_http_in_a_tunnel(void **state)
{
    struct live *l = live_start(state, HEADER, "");
    struct live_end *c = live_connected(l, "up.test:80");
    live_send(c, "GET / HTTP/1.1\r\nHost: up.test:80\r\n");
    live_lasts(l, LIMIT);
    is_late(l, c);
}

/* Between requests */

static void
test_keepalive_timeout(void **state)
{
    for (unsigned is_tls = 0; is_tls < 2; is_tls++) {
        struct live *l = live_start(state, HEADER "keepalive_timeout 3s;", "");
        struct live_end *c = live_asks(l, is_tls, "GET", "\r\n");
        struct live_end *o = live_is_asked(l, is_tls, "GET", "\r\n");
        for (unsigned i = 0; i < 3; i++) {
            live_send(o, OK);
            live_answers(c, 200, "");
            live_logs(l, "\"status\":200");
            live_nothing(l, 2999);
            live_asks_more(c, "GET", "\r\n");
            live_gets(o, "GET / HTTP/1.1\r\nHost: up.test\r\n\r\n");
        }
        live_send(o, "HTTP/1.1 204 \r\nConnection: close\r\n\r\n");
        live_answers(c, 204, "");
        live_logs(l, "\"status\":204");
        live_is_closed(o);
        live_lasts(l, 3000);
        live_is_closed(c);
        live_is_back(l);
    }
}

/* The head's time begins with it. */
static void
test_head_of_a_second_request(void **state)
{
    struct live *l = live_start(state, HEADER "keepalive_timeout 3s;", "");
    struct live_end *c = live_asks(l, false, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, false, "GET", "\r\n");
    live_send(o, OK);
    live_answers(c, 200, "");
    live_logs(l, "\"status\":200");
    live_close(o);
    live_nothing(l, 2999);
    live_send(c, "G");
    live_lasts(l, LIMIT);
    is_late(l, c);
}

/* In a request's body */

static const struct {
    const char *framing, *half, *sent;
} bodies[] = {
    { "Content-Length: 9\r\n\r\n", "half", "half" },
    { "Transfer-Encoding: chunked\r\n\r\n", "9\r\nhalf", "4\r\nhalf\r\n" },
};

static void
body_is_late(struct live *l, struct live_end *c, struct live_end *o)
{
    live_answers(c, 408, "error=http_request_error");
    live_logs(l, "\"status\":408");
    live_says_why(l, "the request body did not arrive in time");
    live_is_closed(c);
    live_is_closed(o);
    live_is_back(l);
}

static void
test_half_a_body(void **state)
{
    for (unsigned i = 0; i < 2 * LEN(bodies); i++) {
        bool is_tls = i % 2;
        const char *framing = bodies[i / 2].framing;
        struct live *l = live_start(state, BODY, "");
        struct live_end *c = live_asks(l, is_tls, "POST", framing);
        struct live_end *o = live_is_asked(l, is_tls, "POST", framing);
        live_nothing(l, LIMIT - 1);
        live_send(c, bodies[i / 2].half);
        live_gets(o, bodies[i / 2].sent);
        live_lasts(l, LIMIT);
        body_is_late(l, c, o);
    }
}

static void
test_no_body(void **state)
{
    for (unsigned i = 0; i < LEN(bodies); i++) {
        struct live *l = live_start(state, BODY, "");
        struct live_end *c = live_asks(l, false, "POST", bodies[i].framing);
        struct live_end *o = live_is_asked(l, false, "POST", bodies[i].framing);
        live_lasts(l, LIMIT);
        body_is_late(l, c, o);
    }
}

/* Each byte begins it anew, so that the whole may take as long as it will. */
static void
test_a_body_in_time(void **state)
{
    static const char body[] = "trickled!";
    struct live *l = live_start(state, BODY, "");
    struct live_end *c =
        live_asks(l, true, "POST", "Content-Length: 9\r\n\r\n");
    struct live_end *o =
        live_is_asked(l, true, "POST", "Content-Length: 9\r\n\r\n");
    for (const char *at = body; *at != '\0'; at++) {
        char byte[2] = { *at };
        live_nothing(l, LIMIT - 1);
        live_send(c, byte);
        live_gets(o, byte);
    }
    live_nothing(l, 10 * LIMIT); /* it is the origin's turn */
    live_send(o, OK);
    live_answers(c, 200, "");
    live_logs(l, "\"status\":200");
    live_close(c);
    live_close(o);
    live_is_back(l);
}

/* A block's own time holds from where the block is known. */
static void
test_a_block_has_its_own(void **state)
{
    struct live *l = live_start(state,
        "client_body_timeout 1h; host up.test { client_body_timeout 2s; }", "");
    struct live_end *c =
        live_asks(l, false, "POST", "Content-Length: 9\r\n\r\n");
    struct live_end *o =
        live_is_asked(l, false, "POST", "Content-Length: 9\r\n\r\n");
    live_lasts(l, LIMIT);
    body_is_late(l, c, o);
}

/* The origin answers before it has all: there is no 408 left to say. */
static void
test_half_a_body_behind_an_answer(void **state)
{
    struct live *l = live_start(state, BODY, "");
    struct live_end *c =
        live_asks(l, false, "POST", "Content-Length: 9\r\n\r\nhalf");
    struct live_end *o =
        live_is_asked(l, false, "POST", "Content-Length: 9\r\n\r\nhalf");
    live_send(o, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    live_gets_head(c, 200, "");
    live_gets(c, "half");
    live_lasts(l, LIMIT);
    live_logs(l, "\"cause\":\"client timed out\"");
    live_is_closed(c);
    live_is_closed(o);
    live_is_back(l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(test_silence_from_the_start),
        LIVE_TEST_BYTES(test_silence_from_the_start),
        LIVE_TEST(test_proxy_header),
        LIVE_TEST_BYTES(test_proxy_header),
        LIVE_TEST(test_silence_behind_a_proxy_header),
        LIVE_TEST_BYTES(test_silence_behind_a_proxy_header),
        LIVE_TEST(test_silence_in_a_tunnel),
        LIVE_TEST_BYTES(test_silence_in_a_tunnel),
        LIVE_TEST(test_half_a_hello),
        LIVE_TEST_BYTES(test_half_a_hello),
        LIVE_TEST(test_hello_without_an_end),
        LIVE_TEST_BYTES(test_hello_without_an_end),
        LIVE_TEST(test_no_certificate_in_time),
        LIVE_TEST_BYTES(test_no_certificate_in_time),
        LIVE_TEST(test_silence_behind_a_handshake),
        LIVE_TEST_BYTES(test_silence_behind_a_handshake),
        LIVE_TEST(test_last_requests),
        LIVE_TEST_BYTES(test_last_requests),
        LIVE_TEST(test_half_a_head),
        LIVE_TEST_BYTES(test_half_a_head),
        LIVE_TEST(test_half_a_record),
        LIVE_TEST_BYTES(test_half_a_record),
        LIVE_TEST(test_plain_http_in_a_tunnel),
        LIVE_TEST_BYTES(test_plain_http_in_a_tunnel),
        LIVE_TEST(test_keepalive_timeout),
        LIVE_TEST_BYTES(test_keepalive_timeout),
        LIVE_TEST(test_head_of_a_second_request),
        LIVE_TEST_BYTES(test_head_of_a_second_request),
        LIVE_TEST(test_half_a_body),
        LIVE_TEST_BYTES(test_half_a_body),
        LIVE_TEST(test_no_body),
        LIVE_TEST_BYTES(test_no_body),
        LIVE_TEST(test_a_body_in_time),
        LIVE_TEST_BYTES(test_a_body_in_time),
        LIVE_TEST(test_a_block_has_its_own),
        LIVE_TEST_BYTES(test_a_block_has_its_own),
        LIVE_TEST(test_half_a_body_behind_an_answer),
        LIVE_TEST_BYTES(test_half_a_body_behind_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
