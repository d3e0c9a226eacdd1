/*
 * Clients that are slow to read, or that are no longer wanted: send_timeout,
 * lingering_time, and what is thrown away meanwhile.
 */

#include "live_end.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "base/str.h"
#include "proxy/worker.h"

#define LIMIT 2000
#define SEND "send_timeout 2s;"
#define LINGER "lingering_time 2s;"
#define ENDLESS "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* How often weir tries to send where no event tells of room; of that much a
 * limit may be late where the client took something. */
#define TRIES 500

/* Bytes that live_fill() sends at a time. */
#define PIECE 4096

/* Makes room for another record, and less than epoll tells of. */
#define SOME 34000

/* The most that is thrown away in a turn of the loop. */
#define TURN (256UL * 1024)

#define MUCH (16UL * 1024 * 1024)

/* Until nothing more is taken. */
static void
fill(struct live_end *origin)
{
    live_send(origin, ENDLESS);
    size_t n = live_fill(origin, MUCH);
    assert_in_range(n, 1, MUCH - 1);
}

/* Reading */

static void
client_is_cut(struct live *l, struct live_end *c, struct live_end *o)
{
    live_logs(l, "\"cause\":\"client timed out\"");
    live_says_why(l, "client timed out");
    live_is_cut(c);
    live_is_cut(o);
    live_is_back(l);
}

static void
test_a_client_that_does_not_read(void **state)
{
    struct live *l = live_start(state, SEND, "");
    struct live_end *c = live_asks(l, false, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, false, "GET", "\r\n");
    live_nothing(l, 10000);
    fill(o);
    live_lasts(l, LIMIT);
    client_is_cut(l, c, o);
}

static void
test_a_client_in_a_tunnel_that_does_not_read(void **state)
{
    struct live *l = live_start(state, SEND, "");
    struct live_end *c = live_asks(l, true, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, true, "GET", "\r\n");
    static char piece[16384];
    live_send(o, ENDLESS);
    size_t sent = 0;
    while (!live_is_full(o) && sent < MUCH) {
        live_send_n(o, piece, sizeof piece);
        sent += sizeof piece;
    }
    assert_in_range(sent, 1, MUCH - 1);
    live_lasts(l, LIMIT);
    client_is_cut(l, c, o);
}

/* What it takes at a time is too little for the system to say so. */
static void
test_a_client_that_reads_slowly(void **state)
{
    struct live *l = live_start(state, SEND, "");
    struct live_end *c = live_asks(l, false, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, false, "GET", "\r\n");
    fill(o);
    for (unsigned i = 0; i < 20; i++) {
        live_pass(l, LIMIT - TRIES - 10);
        assert_int_equal(live_waste(c, SOME), SOME);
        live_fill(o, MUCH);
        assert_int_equal(l->worker->n_conns, 1);
    }
    live_pass(l, LIMIT - 1);
    assert_int_equal(l->worker->n_conns, 1);
    live_pass(l, TRIES + 20);
    assert_int_equal(l->worker->n_conns, 0);
    client_is_cut(l, c, o);
}

/* One that reads is not held to a time for the whole. */
static void
test_a_client_that_reads(void **state)
{
    struct live *l = live_start(state, SEND, "");
    struct live_end *c = live_asks(l, false, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, false, "GET", "\r\n");
    fill(o);
    for (unsigned i = 0; i < 10; i++) {
        live_pass(l, LIMIT - 1);
        while (live_waste(c, 1 << 20) != 0) {
        }
        live_fill(o, MUCH);
        assert_int_equal(l->worker->n_conns, 1);
    }
    live_lasts(l, LIMIT);
    client_is_cut(l, c, o);
}

/* It has taken all that weir had, and left no room in its socket: the time
 * begins with the next byte, however long that took to come. */
static void
test_a_client_that_is_full_when_more_comes(void **state)
{
    struct live *l = live_start(state, SEND "proxy_read_timeout 1h;", "");
    struct live_end *c = live_asks(l, false, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, false, "GET", "\r\n");
    live_send(o, ENDLESS);
    live_gets_head(c, 200, "");
    for (size_t had = 1, lies = 0; lies != had; lies = live_unread(c)) {
        had = lies;
        assert_int_equal(live_fill(o, PIECE), PIECE);
    }
    size_t most = live_unread(c);
    assert_int_equal(live_waste(c, PIECE), PIECE);
    live_pass(l, TRIES);
    assert_int_equal(live_unread(c), most);
    live_nothing(l, 10 * LIMIT);
    live_fill(o, PIECE);
    live_lasts(l, LIMIT);
    client_is_cut(l, c, o);
}

/* A head that nobody takes: an answer of weir's own. */
static void
test_a_client_that_reads_no_answers(void **state)
{
    static const char denied[] =
        "GET http://no.example/ HTTP/1.1\r\nHost: no.example\r\n\r\n";
    struct live *l = live_start(state, SEND, "");
    struct live_end *c = live_client(l);
    for (unsigned i = 0; i < 10000 && !live_is_full(c); i++) {
        live_send(c, denied);
    }
    assert_true(live_is_full(c));
    live_pass(l, LIMIT - 1);
    assert_int_equal(l->worker->n_conns, 1);
    live_pass(l, 1);
    assert_int_equal(l->worker->n_conns, 0);
}

/* Behind its answer */

/* A head that is refused, which ends the connection. */
static struct live_end *
refused(struct live *l)
{
    struct live_end *c = live_client(l);
    live_send(c, "GET / HTTP/1.1\r\n\r\n");
    live_answers(c, 400, "Connection: close");
    live_logs(l, "\"status\":400");
    return c;
}

/* It is told that weir says no more, and thrown out when it goes on. */
static void
test_lingering(void **state)
{
    struct live *l = live_start(state, LINGER, "");
    struct live_end *c = refused(l);
    for (unsigned i = 0; i < 4; i++) {
        live_nothing(l, LIMIT / 4 - 1);
        live_send(c, "and more");
    }
    live_lasts(l, 4);
    assert_int_equal(l->worker->n_conns, 0);
    live_is_closed(c);
    live_is_back(l);
}

static void
test_lingering_ends_with_the_client(void **state)
{
    struct live *l = live_start(state, LINGER, "");
    struct live_end *c = refused(l);
    assert_int_equal(l->worker->n_conns, 1);
    live_close(c);
    assert_int_equal(l->worker->n_conns, 0);
    live_is_back(l);
}

/* However large, for many clients send all of a body before they read. */
static void
test_lingering_throws_all_away(void **state)
{
    struct live *l = live_start(state, LINGER, "");
    struct live_end *c = refused(l);
    assert_int_equal(live_fill(c, MUCH), MUCH);
    assert_int_equal(l->worker->n_conns, 1);
    live_lasts(l, LIMIT);
    live_is_closed(c);
    live_is_back(l);
}

/* But others have their turns. */
static void
test_lingering_takes_turns(void **state)
{
    static const char zeroes[4 * TURN];
    struct live *l = live_start(state, LINGER, "");
    struct live_end *c = refused(l);
    int most = sizeof zeroes;
    AZ(setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &most, sizeof most));
    ssize_t sent = send(c->fd, zeroes, sizeof zeroes, MSG_DONTWAIT);
    unsigned long before = l->worker->loop->turns;
    assert_true(sent > 0);
    live_settle(l);
    assert_false(live_is_full(c));
    assert_true(l->worker->loop->turns - before > (size_t)sent / TURN);
    live_close(c);
    live_is_back(l);
}

/* The rest of a request that was answered before its end. */
static struct live_end *
answered_early(struct live *l)
{
    struct live_end *c =
        live_asks(l, false, "POST", "Content-Length: 9\r\n\r\nhalf");
    struct live_end *o =
        live_is_asked(l, false, "POST", "Content-Length: 9\r\n\r\nhalf");
    live_send(o, OK);
    live_answers(c, 200, "");
    live_logs(l, "\"status\":200");
    live_is_closed(o);
    return c;
}

static void
test_rest_of_a_request(void **state)
{
    struct live *l = live_start(state, LINGER, "");
    struct live_end *c = answered_early(l);
    live_nothing(l, LIMIT - 1);
    live_send(c, "rest!");
    live_asks_more(c, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, false, "GET", "\r\n");
    live_send(o, OK);
    live_answers(c, 200, "");
    live_logs(l, "\"status\":200");
    live_close(o);
    live_close(c);
    live_is_back(l);
}

static void
test_rest_of_a_request_that_does_not_come(void **state)
{
    struct live *l = live_start(state, LINGER, "");
    struct live_end *c = answered_early(l);
    live_nothing(l, LIMIT / 2);
    live_send(c, "res");
    live_lasts(l, LIMIT / 2);
    live_is_closed(c);
    live_is_back(l);
}

/* Of one that is denied, whose body weir had no use for: little of it is waited
 * for, and of what may be much, or may be another request, nothing. */
static struct live_end *
denied(struct live *l, const char *rest)
{
    char text[300];
    struct live_end *c = live_client(l);
    snprintf(text, sizeof text,
        "POST http://no.example/ HTTP/1.1\r\nHost: no.example\r\n%s", rest);
    live_send(c, text);
    live_answers(c, 403, "");
    live_logs(l, "\"status\":403");
    return c;
}

static void
test_rest_of_a_denied_request(void **state)
{
    static const char *const ends[] = {
        "Content-Length: 300000\r\n\r\nhalf",
        "Transfer-Encoding: chunked\r\n\r\n9\r\nhalf",
        "Content-Length: 9\r\nExpect: 100-continue\r\n\r\n",
    };
    struct live *l = live_start(state, LINGER, "");
    struct live_end *c = denied(l, "Content-Length: 9\r\n\r\nhalf");
    live_nothing(l, LIMIT - 1);
    live_is_open(c);
    live_lasts(l, 1);
    live_is_closed(c);
    for (unsigned i = 0; i < LEN(ends); i++) {
        c = denied(l, ends[i]);
        live_lasts(l, LIMIT);
        assert_int_equal(l->worker->n_conns, 0);
        live_is_closed(c);
    }
    live_is_back(l);
}

static void
test_denied_tunnel(void **state)
{
    struct live *l = live_start(state, "keepalive_timeout 2s;", "");
    struct live_end *c = live_client(l);
    live_send(
        c, "CONNECT no.example:443 HTTP/1.1\r\nHost: no.example:443\r\n\r\n");
    live_answers(c, 403, "");
    live_logs(l, "\"status\":403");
    live_lasts(l, LIMIT);
    live_is_closed(c);
    live_is_back(l);
}

/* That has ended its side */

/* It may have gone or may wait: it is served while bytes reach it. */
static void
test_half_closed_client(void **state)
{
    struct live *l = live_start(state, LINGER, "");
    struct live_end *c = live_asks(l, false, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, false, "GET", "\r\n");
    live_nothing(l, 10 * LIMIT);
    live_shut(c);
    live_nothing(l, LIMIT - 1);
    live_send(o, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    live_gets_head(c, 200, "");
    live_gets(c, "half");
    live_nothing(l, LIMIT - 1);
    live_send(o, "more");
    live_gets(c, "more");
    live_lasts(l, LIMIT);
    live_logs(l, "\"cause\":\"client closed the connection\"");
    live_is_closed(c);
    live_is_closed(o);
    live_is_back(l);
}

static void
test_half_closed_client_before_an_answer(void **state)
{
    struct live *l = live_start(state, LINGER, "");
    struct live_end *c = live_asks(l, false, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, false, "GET", "\r\n");
    live_nothing(l, 500);
    live_shut(c);
    live_lasts(l, LIMIT);
    live_logs(l, "\"status\":499");
    live_is_closed(c);
    live_is_closed(o);
    live_is_back(l);
}

/* With TLS it has gone. */
static void
test_client_that_ended_tls(void **state)
{
    struct live *l = live_start(state, LINGER, "");
    struct live_end *c = live_asks(l, true, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, true, "GET", "\r\n");
    live_shut(c);
    live_logs(l, "\"status\":499");
    live_is_closed(c);
    live_is_closed(o);
    live_is_back(l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(test_a_client_that_does_not_read),
        LIVE_TEST(test_a_client_in_a_tunnel_that_does_not_read),
        LIVE_TEST(test_a_client_that_reads_slowly),
        LIVE_TEST(test_a_client_that_reads),
        LIVE_TEST(test_a_client_that_is_full_when_more_comes),
        LIVE_TEST(test_a_client_that_reads_no_answers),
        LIVE_TEST(test_lingering),
        LIVE_TEST(test_lingering_ends_with_the_client),
        LIVE_TEST(test_lingering_throws_all_away),
        LIVE_TEST(test_lingering_takes_turns),
        LIVE_TEST(test_rest_of_a_request),
        LIVE_TEST(test_rest_of_a_request_that_does_not_come),
        LIVE_TEST(test_rest_of_a_denied_request),
        LIVE_TEST(test_denied_tunnel),
        LIVE_TEST(test_half_closed_client),
        LIVE_TEST(test_half_closed_client_before_an_answer),
        LIVE_TEST(test_client_that_ended_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
