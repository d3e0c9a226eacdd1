/*
 * weir as a server, without a worker, a sandbox or a policy: what a handler is
 * given, what the client gets, and what is refused before a handler is asked.
 */

#include "answer_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "../net/time_shift.h"
#include "base/clock.h"
#include "base/mem.h"

#define REQUEST_LARGE 40000
#define HOST "Host: weir\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define POST(path, fields) "POST " path " HTTP/1.1\r\n" HOST fields "\r\n"

static void
test_it_answers_and_goes_on(void **state)
{
    struct af_client c;
    (void)state;
    af_connect(&c);
    af_say(&c, GET("/hello"));
    af_gets(&c, "HTTP/1.1 200 OK\r\nServer: weir\r\nX-Kind: greeting\r\n"
                "Date: ");
    af_gets(&c, "Content-Length: 5\r\n\r\nhello");
    af_say(&c, GET("/nowhere"));
    af_answers(&c, 404, "nothing");
    af_say(&c, "HEAD /hello HTTP/1.1\r\n" HOST "\r\n" GET("/hello"));
    af_gets(&c, "Content-Length: 5\r\n\r\n");
    af_answers(&c, 200, "hello");
    af_say(&c,
        "GET http://weir/hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    af_gets(&c, "Connection: close\r\n\r\nhello");
    af_is_closed(&c);
    af_ended(5);
}

static void
test_http_1_0(void **state)
{
    struct af_client c;
    (void)state;
    af_connect(&c);
    af_say(&c, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    af_gets(&c, "Connection: keep-alive\r\n\r\nhello");
    af_say(&c, "GET /events HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    af_asked(2);
    assert_int_equal(answer_write(af.held, STR("some")), 4);
    answer_end(af.held);
    af_gets(&c, "Connection: close\r\n\r\nsome");
    af_is_closed(&c);
}

/* The next is asked for when the one before it has been answered. */
static void
test_pipelined_one_at_a_time(void **state)
{
    struct af_client c;
    (void)state;
    af_connect(&c);
    af_say(&c, GET("/later") GET("/hello") GET("/later"));
    af_asked(1);
    af_is_quiet(&c);
    assert_int_equal(af.asked, 1);
    answer_give(af.held, 201, STR("made"));
    af_answers(&c, 201, "made");
    af_answers(&c, 200, "hello");
    af_asked(3);
    answer_give(af.held, 200, STR(""));
    af_answers(&c, 200, "");
    af_leave(&c);
    af_ended(3);
}

static void
test_bodies(void **state)
{
    struct af_client c;
    char large[AF_BODY_MAX + 1];
    (void)state;
    memset(large, 'x', AF_BODY_MAX);
    large[AF_BODY_MAX] = '\0';
    af_connect(&c);
    af_say(&c, POST("/echo", "Content-Length: 3\r\n") "abc");
    af_answers(&c, 200, "abc");
    af_say(&c, POST("/echo",
                   "Transfer-Encoding: chunked\r\n") "3\r\nabc\r\n1\r\nd\r\n0\r"
                                                     "\n\r\n" GET("/hello"));
    af_answers(&c, 200, "abcd");
    af_answers(&c, 200, "hello");
    af_say(&c, POST("/echo", "Content-Length: 1000\r\n"));
    af_say(&c, large);
    af_answers(&c, 200, large);
    af_leave(&c);
}

static void
test_it_says_continue(void **state)
{
    struct af_client c;
    (void)state;
    af_connect(&c);
    af_say(&c, POST("/echo", "Content-Length: 3\r\nExpect: 100-continue\r\n"));
    af_gets(&c, "HTTP/1.1 100 Continue\r\n\r\n");
    af_say(&c, "abc");
    af_answers(&c, 200, "abc");
    af_say(
        &c, POST("/echo", "Content-Length: 1001\r\nExpect: 100-continue\r\n"));
    af_answers(&c, 413, "the body is too large\n");
    af_is_closed(&c);
    af_ended(1);
}

static void
assert_refused(const char *request, unsigned status)
{
    struct af_client c;
    af_connect(&c);
    af_say(&c, request);
    af_answers(&c, status, NULL);
    af_is_closed(&c);
    assert_int_equal(af.asked, 0);
}

/* Each of them could be read in two ways, or not at all. */
static void
test_what_is_no_request(void **state)
{
    static const struct {
        const char *request;
        unsigned status;
    } all[] = {
        { POST("/echo",
              "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r"
                                                                     "\n",
            400 },
        { POST("/echo", "Content-Length: 3\r\nContent-Length: 3\r\n") "abc",
            400 },
        { POST("/echo", "Content-Length: +3\r\n") "abc", 400 },
        { POST("/echo", "Content-Length : 3\r\n") "abc", 400 },
        { POST("/echo", "Content_Length: 3\r\n") "abc", 400 },
        { POST("/echo", "Transfer-Encoding: gzip, chunked\r\n") "0\r\n\r\n",
            400 },
        { POST("/echo", "Transfer-Encoding: chunked\r\n") "3\nabc\r\n0\r\n\r\n",
            400 },
        { POST("/echo", "Transfer-Encoding: chunked\r\n") "-3\r\nabc\r\n",
            400 },
        { "GET /hello HTTP/1.1\n" HOST "\r\n", 400 },
        { "GET  /hello HTTP/1.1\r\n" HOST "\r\n", 400 },
        { "GET /hello HTTP/1.1\r\n\r\n", 400 },
        { "GET /hello HTTP/1.1\r\n" HOST HOST "\r\n", 400 },
        { "GET /hello HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", 400 },
        { "GET /hello HTTP/2.0\r\n" HOST "\r\n", 505 },
        { "CONNECT weir:80 HTTP/1.1\r\n" HOST "\r\n", 501 },
        { "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOP / HTTP/1.1\r\n" HOST
          "\r\n",
            501 },
        { POST("/echo", "Content-Length: 1001\r\n"), 413 },
        { "\x16\x03\x01\x02", 400 },
    };
    (void)state;
    for (size_t i = 0; i < LEN(all); i++) {
        assert_refused(all[i].request, all[i].status);
    }
}

static void
assert_large_refused(const char *before, unsigned status)
{
    size_t n = strlen(before);
    char *request = xcalloc(REQUEST_LARGE + 1);
    memset(request, 'x', REQUEST_LARGE);
    memcpy(request, before, n);
    assert_refused(request, status);
    xfree(request);
}

static void
test_what_is_too_large(void **state)
{
    (void)state;
    assert_large_refused("GET /hello HTTP/1.1\r\n" HOST "A: ", 431);
    assert_large_refused("GET /", 414);
    assert_large_refused(
        POST("/echo", "Transfer-Encoding: chunked\r\n") "9000\r\n", 413);
}

/* Cut short: no handler hears of it. */
static void
test_a_client_that_breaks_off(void **state)
{
    static const char *const all[] = { "", "GET /hel",
        POST("/echo", "Content-Length: 3\r\n") "ab",
        POST("/echo", "Transfer-Encoding: chunked\r\n") "3\r\nab" };
    (void)state;
    for (size_t i = 0; i < LEN(all); i++) {
        struct af_client c;
        af_connect(&c);
        af_say(&c, all[i]);
        stream_shutdown(c.stream);
        af_is_closed(&c);
        assert_int_equal(af.asked, 0);
    }
}

/* One that has said all and ends its side gets its answer. */
static void
test_a_half_closed_client(void **state)
{
    struct af_client c;
    (void)state;
    af_connect(&c);
    af_say(&c, GET("/later"));
    stream_shutdown(c.stream);
    af_asked(1);
    af_is_quiet(&c);
    answer_give(af.held, 200, STR("late"));
    af_answers(&c, 200, "late");
    af_is_closed(&c);
}

static void
test_a_client_that_leaves(void **state)
{
    struct af_client c;
    (void)state;
    af_connect(&c);
    af_say(&c, GET("/later"));
    af_asked(1);
    af_leave(&c);
    af_ended(1);
    assert_null(af.held);
    assert_int_equal(answer_server_conns(af.server), 0);
}

/* Its end lies behind more requests than there is room for: nothing is read to
 * see it. */
static void
test_a_client_that_pipelines_and_leaves(void **state)
{
    struct af_client c;
    char more[REQUEST_LARGE];
    (void)state;
    memset(more, 'x', sizeof more);
    af_connect(&c);
    af_say(&c, GET("/later"));
    af_asked(1);
    af_say_n(&c, more, sizeof more);
    af_is_quiet(&c);
    time_shift(1);
    af_is_quiet(&c);
    af_leave(&c);
    drive_turn(&af.drive);
    time_shift(1);
    af_ended(1);
    assert_null(af.held);
}

static void
test_a_client_that_pipelines_and_ends_its_side(void **state)
{
    struct af_client c;
    char more[REQUEST_LARGE];
    (void)state;
    memset(more, 'x', sizeof more);
    af_connect(&c);
    af_say(&c, GET("/later"));
    af_asked(1);
    af_say_n(&c, more, sizeof more);
    stream_shutdown(c.stream);
    af_is_quiet(&c);
    time_shift(1); /* it is seen from here on */
    af_is_quiet(&c);
    time_shift(AF_LINGER_TIMEOUT - 1);
    af_is_quiet(&c);
    assert_int_equal(af.ended, 0);
    time_shift(2);
    af_ended(1);
    af_is_cut(&c);
}

/* For `seconds` but one nothing happens, from when the server has seen what
 * was done. */
static void
pass_until(struct af_client *c, time_t seconds)
{
    af_is_quiet(c);
    time_shift(seconds - 1);
    af_is_quiet(c);
    time_shift(2);
}

static void
test_times_of_a_request(void **state)
{
    struct af_client c;
    (void)state;
    af_connect(&c);
    pass_until(&c, AF_HEAD_TIMEOUT);
    af_is_closed(&c);
    af_connect(&c);
    af_say(&c, "GET /hello HTTP/1.1\r\n");
    pass_until(&c, AF_HEAD_TIMEOUT);
    af_answers(&c, 408, "the head came too slowly\n");
    af_is_closed(&c);
    af_connect(&c);
    af_say(&c, POST("/echo", "Content-Length: 3\r\n") "a");
    pass_until(&c, AF_BODY_TIMEOUT);
    af_answers(&c, 408, "the body came too slowly\n");
    af_is_closed(&c);
    af_connect(&c);
    af_say(&c, GET("/hello"));
    af_answers(&c, 200, "hello");
    pass_until(&c, AF_IDLE_TIMEOUT);
    af_is_closed(&c);
}

/* A body that trickles has one time for all of it. */
static void
test_a_slow_body(void **state)
{
    struct af_client c;
    (void)state;
    af_connect(&c);
    af_say(&c, POST("/echo", "Content-Length: 30\r\n") "a");
    for (unsigned i = 0; i < AF_BODY_TIMEOUT - 1; i++) {
        time_shift(1);
        af_say(&c, "b");
        af_is_quiet(&c);
    }
    time_shift(2);
    af_answers(&c, 408, "the body came too slowly\n");
    af_is_closed(&c);
}

/* It takes nothing of a megabyte, and may take its time while it takes some. */
static void
test_a_client_that_does_not_read(void **state)
{
    struct af_client c;
    (void)state;
    af_connect(&c);
    af_say(&c, GET("/big"));
    af_asked(1);
    time_shift(AF_WRITE_TIMEOUT - 1);
    for (unsigned i = 0; i < 5; i++) {
        drive_turn(&af.drive);
    }
    assert_int_equal(af.ended, 0);
    time_shift(2);
    af_ended(1);
    af_is_cut(&c);
}

static void
test_a_half_closed_client_does_not_wait_for_ever(void **state)
{
    struct af_client c;
    (void)state;
    af_connect(&c);
    af_say(&c, GET("/later"));
    stream_shutdown(c.stream);
    af_asked(1);
    pass_until(&c, AF_LINGER_TIMEOUT);
    af_is_closed(&c);
    af_ended(1);
}

static bool
has_room(void *arg)
{
    (void)arg;
    return af.rooms != 0;
}

static void
test_a_stream(void **state)
{
    struct af_client c;
    char some[1000];
    (void)state;
    memset(some, 'x', sizeof some);
    af_connect(&c);
    af_say(&c, GET("/events"));
    af_gets(&c, "Transfer-Encoding: chunked\r\n\r\n");
    assert_int_equal(answer_write(af.held, STR("one")), 3);
    af_gets(&c, "3\r\none\r\n");
    af_is_quiet(&c);
    size_t put = sizeof some;
    while (put == sizeof some) {
        put = answer_write(af.held, str_n(some, sizeof some));
    }
    assert_int_equal(answer_room(af.held), 0);
    drive_until(&af.drive, has_room, NULL);
    assert_int_not_equal(answer_room(af.held), 0);
    assert_int_equal(answer_write(af.held, STR("last")), 4);
    answer_end(af.held);
    af_gets(&c, "last\r\n0\r\n\r\n");
    af_say(&c, GET("/hello"));
    af_answers(&c, 200, "hello");
    af_leave(&c);
}

static void
test_a_stream_that_breaks_off(void **state)
{
    struct af_client c;
    (void)state;
    af_connect(&c);
    af_say(&c, GET("/events"));
    af_asked(1);
    assert_int_equal(answer_write(af.held, STR("one")), 3);
    answer_break(af.held);
    af_gets(&c, "\r\n\r\n3\r\none\r\n");
    af_is_closed(&c);
    af_ended(1);
}

/* The longest idle one makes room; else who comes waits. */
static void
test_so_many_connections(void **state)
{
    struct af_client all[AF_CLIENTS + 2];
    (void)state;
    for (unsigned i = 0; i < AF_CLIENTS; i++) {
        af_connect(&all[i]);
        af_say(&all[i], i == 0 ? GET("/hello") : GET("/later"));
        af_asked(i + 1);
    }
    af_answers(&all[0], 200, "hello");
    for (unsigned i = AF_CLIENTS; i < AF_CLIENTS + 2; i++) {
        af_connect(&all[i]);
        af_say(&all[i], GET("/later"));
    }
    af_is_closed(&all[0]);
    af_asked(AF_CLIENTS + 1);
    af_is_quiet(&all[AF_CLIENTS + 1]);
    assert_int_equal(answer_server_conns(af.server), AF_CLIENTS);
    af_leave(&all[1]);
    af_asked(AF_CLIENTS + 2);
    for (unsigned i = 2; i < AF_CLIENTS + 2; i++) {
        af_leave(&all[i]);
    }
    af_ended(AF_CLIENTS + 2);
}

/* One that becomes idle makes room for who waits already. */
static void
test_room_by_one_that_becomes_idle(void **state)
{
    struct af_client all[AF_CLIENTS + 1];
    struct af_client *busy = all, *waiting = &all[AF_CLIENTS];
    (void)state;
    for (unsigned i = 0; i < AF_CLIENTS; i++) {
        af_connect(&busy[i]);
        af_say(&busy[i], GET("/later"));
        af_asked(i + 1);
    }
    af_connect(waiting);
    af_say(waiting, GET("/hello"));
    af_is_quiet(waiting);
    assert_int_equal(af.asked, AF_CLIENTS);
    answer_give(af.held, 200, STR("now"));
    af_answers(&busy[AF_CLIENTS - 1], 200, "now");
    double then = clock_mono();
    af_answers(waiting, 200, "hello");
    assert_true(clock_mono() < then + AF_IDLE_TIMEOUT);
    af_is_closed(&busy[AF_CLIENTS - 1]);
    for (unsigned i = 0; i < AF_CLIENTS - 1; i++) {
        af_leave(&busy[i]);
    }
    af_leave(waiting);
    af_ended(AF_CLIENTS + 1);
}

static bool
is_drained(void *arg)
{
    (void)arg;
    return af.is_drained;
}

static void
test_it_drains(void **state)
{
    struct af_client idle, busy;
    (void)state;
    af_connect(&idle);
    af_say(&idle, GET("/hello"));
    af_answers(&idle, 200, "hello");
    af_connect(&busy);
    af_say(&busy, GET("/later"));
    af_asked(2);
    answer_server_drain(af.server, &af.waiter);
    af_is_closed(&idle);
    af_is_quiet(&busy);
    assert_false(af.is_drained);
    answer_give(af.held, 200, STR("bye"));
    af_gets(&busy, "Connection: close\r\n\r\nbye");
    af_is_closed(&busy);
    drive_until(&af.drive, is_drained, NULL);
}

/* A server that ends with answers under way: tear_down() looks. */
static void
test_it_ends(void **state)
{
    struct af_client c[2];
    (void)state;
    af_connect(&c[0]);
    af_say(&c[0], GET("/later"));
    af_connect(&c[1]);
    af_say(&c[1], POST("/echo", "Content-Length: 3\r\n") "a");
    af_asked(1);
    af_leave(&c[0]);
    af_leave(&c[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        AF_TEST(test_it_answers_and_goes_on),
        AF_TEST(test_http_1_0),
        AF_TEST(test_pipelined_one_at_a_time),
        AF_TEST(test_bodies),
        AF_TEST(test_it_says_continue),
        AF_TEST(test_what_is_no_request),
        AF_TEST(test_what_is_too_large),
        AF_TEST(test_a_client_that_breaks_off),
        AF_TEST(test_a_half_closed_client),
        AF_TEST(test_a_client_that_leaves),
        AF_TEST(test_a_client_that_pipelines_and_leaves),
        AF_TEST(test_a_client_that_pipelines_and_ends_its_side),
        AF_TEST(test_times_of_a_request),
        AF_TEST(test_a_slow_body),
        AF_TEST(test_a_client_that_does_not_read),
        AF_TEST(test_a_half_closed_client_does_not_wait_for_ever),
        AF_TEST(test_a_stream),
        AF_TEST(test_a_stream_that_breaks_off),
        AF_TEST(test_so_many_connections),
        AF_TEST(test_room_by_one_that_becomes_idle),
        AF_TEST(test_it_drains),
        AF_TEST(test_it_ends),
        AF_TEST_BYTES(test_it_answers_and_goes_on),
        AF_TEST_BYTES(test_pipelined_one_at_a_time),
        AF_TEST_BYTES(test_bodies),
        AF_TEST_BYTES(test_it_says_continue),
        AF_TEST_BYTES(test_what_is_no_request),
        AF_TEST_BYTES(test_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
