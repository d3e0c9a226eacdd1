/*
 * Requests that wait for a header slot, and clients that leave while theirs
 * has one or waits: whoever is next gets it, in time.
 */

#include "live_end.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/str.h"
#include "proxy/worker.h"

#define LIMIT 2000
#define LINE "header_slots 1; header_slots_queue 2; header_slots_timeout 30s;"
#define LINGER "lingering_time 2s;"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define GET "GET / HTTP/1.1\r\nHost: up.test\r\n\r\n"
#define PUT_LENGTH "Content-Length: 100000000\r\n\r\n"
#define MUCH (16UL * 1024 * 1024)

/* How often a client is looked after that cannot be read from. */
#define LOOKS 250

/* A request that has the slot, and its origin. */
struct holder {
    struct live_end *client, *origin;
};

static struct holder
hold(struct live *l)
{
    struct holder h = { .client = live_asks(l, false, "GET", "\r\n") };
    h.origin = live_is_asked(l, false, "GET", "\r\n");
    return h;
}

static void
let_go(struct live *l, struct holder *h)
{
    live_send(h->origin, OK);
    live_answers(h->client, 200, "");
    live_logs(l, "\"status\":200");
    live_close(h->client);
}

/* One that waits, until it has said so. */
static struct live_end *
wait_in_queue(struct live *l, const char *method, const char *rest)
{
    struct live_end *c = live_asks(l, false, method, rest);
    live_says_why(l, "waits for a header slot");
    assert_false(live_is_dialled(l));
    return c;
}

/* By the connection that the one before it had. */
static void
is_served(struct live *l, struct live_end *c, struct live_end *o)
{
    live_gets(o, GET);
    live_send(o, OK);
    live_answers(c, 200, "");
    live_logs(l, "\"status\":200");
    live_close(c);
}

static void
is_all(struct live *l, struct live_end *o)
{
    live_close(o);
    live_is_back(l);
}

/* Waiting */

static void
test_no_longer_than_that(void **state)
{
    struct live *l = live_start(state, "",
        "header_slots 1; header_slots_queue 2; header_slots_timeout 2s;");
    struct holder h = hold(l);
    struct live_end *c = wait_in_queue(l, "GET", "\r\n");
    live_nothing(l, 500);
    struct live_end *second = wait_in_queue(l, "GET", "\r\n");
    live_lasts(l, LIMIT - 500);
    live_says_why(l, "header_slots_timeout exceeded");
    live_answers(c, 503, "header_slots_timeout: 1 requests");
    live_logs(l, "\"slot_wait_time\":\"2.000\"");
    live_lasts(l, 500);
    live_answers(second, 503, "Retry-After: 5");
    live_logs(l, "\"status\":503");
    live_asks_more(c, "GET", "\r\n");
    let_go(l, &h);
    is_served(l, c, h.origin);
    live_close(second);
    is_all(l, h.origin);
}

/* It is no other directive's time. */
static void
test_waiting_counts_for_nothing_else(void **state)
{
    struct live *l = live_start(state,
        "proxy_connect_timeout 2s; proxy_send_timeout 2s;"
        "host up.test { proxy_header_timeout 2s; client_body_timeout 2s; }"
        "host silent.test { proxy_header_timeout 1h; }",
        LINE);
    struct live_end *first = live_client(l);
    live_send(
        first, "GET http://silent.test/ HTTP/1.1\r\nHost: silent.test\r\n\r\n");
    live_nothing(l, 1);
    struct live_end *c = wait_in_queue(l, "POST", "Content-Length: 4\r\n\r\n");
    live_lasts(l, LIMIT - 1);
    live_answers(first, 504, "");
    live_logs(l, "\"status\":504");
    struct live_end *o =
        live_is_asked(l, false, "POST", "Content-Length: 4\r\n\r\n");
    live_nothing(l, LIMIT - 1); /* its body's time begins with the slot */
    live_send(c, "body");
    live_gets(o, "body");
    live_lasts(l, LIMIT); /* and the head's with the last byte */
    live_answers(c, 504, "");
    live_logs(l, "\"status\":504");
    live_close(first);
    live_close(c);
    is_all(l, o);
}

static void
test_time_for_a_body_begins_with_the_slot(void **state)
{
    static const char *const parts[] = {
        "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        "Content-Length: 2\r\n\r\nx",
    };
    for (unsigned i = 0; i < LEN(parts); i++) {
        struct live *l = live_start(state, "client_body_timeout 2s;", LINE);
        struct holder h = hold(l);
        struct live_end *c = wait_in_queue(l, "PUT", parts[i]);
        live_nothing(l, 5 * LIMIT);
        let_go(l, &h);
        live_lasts(l, LIMIT);
        live_answers(c, 408, "");
        live_logs(l, "\"slot_wait_time\":\"10.000\"");
        live_is_closed(c);
        is_all(l, h.origin);
    }
}

/* A failure gives it on as a head does. */
static void
test_first_of_the_line_is_next(void **state)
{
    struct live *l = live_start(state, "proxy_header_timeout 2s;", LINE);
    struct holder h = hold(l);
    struct live_end *second = wait_in_queue(l, "GET", "\r\n");
    struct live_end *third = wait_in_queue(l, "GET", "\r\n");
    live_lasts(l, LIMIT);
    live_answers(h.client, 504, "");
    live_logs(l, "\"status\":504");
    struct live_end *o = live_is_asked(l, false, "GET", "\r\n");
    assert_false(live_is_dialled(l));
    live_send(o, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    struct live_end *another = live_is_asked(l, false, "GET", "\r\n");
    live_send(o, "ok");
    live_answers(second, 200, "");
    live_logs(l, "\"status\":200");
    live_close(o);
    live_send(another, OK);
    live_answers(third, 200, "");
    live_logs(l, "\"status\":200");
    live_close(h.client);
    live_close(second);
    live_close(third);
    is_all(l, another);
}

/* Leaving the queue */

/* Whether it has closed or ended its side weir cannot see: it may wait for the
 * answer. */
static void
test_leaving_the_line(void **state)
{
    for (unsigned closes = 0; closes < 2; closes++) {
        struct live *l = live_start(state, LINGER, LINE);
        struct holder h = hold(l);
        struct live_end *gone = wait_in_queue(l, "GET", "\r\n");
        struct live_end *stays = wait_in_queue(l, "GET", "\r\n");
        if (closes) {
            live_close(gone);
        } else {
            live_shut(gone);
        }
        live_lasts(l, LIMIT);
        live_logs(l, "\"cause\":\"client closed the connection\"");
        live_close(gone);
        let_go(l, &h);
        is_served(l, stays, h.origin);
        is_all(l, h.origin);
    }
}

/* weir has no room for all that it sent before. */
static void
leave_behind_bytes(
    void **state, const char *method, const char *rest, bool shuts)
{
    struct live *l =
        live_start(state, LINGER "client_header_buffer_size 4k;", LINE);
    struct holder h = hold(l);
    struct live_end *gone = wait_in_queue(l, method, rest);
    struct live_end *stays = wait_in_queue(l, "GET", "\r\n");
    assert_in_range(live_fill(gone, MUCH), 1, MUCH - 1);
    live_nothing(l, 5 * LIMIT + 100);
    if (shuts) {
        live_shut(gone);
    } else {
        live_close(gone);
    }
    if (shuts) {
        live_nothing(l, LIMIT - 1);
        live_pass(l, LOOKS + 1);
    }
    live_pass(l, LOOKS);
    live_logs(l, "\"cause\":\"client closed the connection\"");
    live_close(gone);
    let_go(l, &h);
    is_served(l, stays, h.origin);
    is_all(l, h.origin);
}

static void
test_leaving_the_line_behind_bytes(void **state)
{
    for (unsigned shuts = 0; shuts < 2; shuts++) {
        leave_behind_bytes(state, "GET", "\r\n", shuts);
        leave_behind_bytes(state, "PUT", PUT_LENGTH, shuts);
    }
}

static void
test_a_body_at_fault_leaves_the_line(void **state)
{
    struct live *l = live_start(state, "client_max_body_size 5;", LINE);
    struct holder h = hold(l);
    struct live_end *c =
        wait_in_queue(l, "PUT", "Transfer-Encoding: chunked\r\n\r\n");
    live_send(c, "8\r\n12345678\r\n");
    live_answers(c, 413, "");
    live_logs(l, "\"status\":413");
    live_close(c);
    let_go(l, &h);
    is_all(l, h.origin);
}

/* Leaving with the slot: the origin reads no more of a body that fills all. */

static struct holder
upload(struct live *l, bool is_tls)
{
    struct holder h = { .client = live_asks(l, is_tls, "PUT", PUT_LENGTH) };
    h.origin = live_is_asked(l, is_tls, "PUT", PUT_LENGTH);
    if (is_tls) {
        static char piece[16384];
        while (!live_is_full(h.client)) {
            live_send_n(h.client, piece, sizeof piece);
        }
    } else {
        assert_in_range(live_fill(h.client, MUCH), 1, MUCH - 1);
    }
    return h;
}

static void
is_anothers(struct live *l, struct holder *gone, struct live_end *stays)
{
    live_logs(l, "\"cause\":\"client closed the connection\"");
    live_is_cut(gone->origin);
    struct live_end *o = live_is_asked(l, false, "GET", "\r\n");
    live_send(o, OK);
    live_answers(stays, 200, "");
    live_logs(l, "\"status\":200");
    live_close(gone->client);
    live_close(stays);
    is_all(l, o);
}

/* Whatever patience there is with one that has ended its side. */
static void
test_closing_an_upload(void **state)
{
    for (unsigned is_tls = 0; is_tls < 2; is_tls++) {
        struct live *l = live_start(
            state, "lingering_time 1h; proxy_send_timeout 1h;", LINE);
        struct holder gone = upload(l, is_tls);
        struct live_end *stays = wait_in_queue(l, "GET", "\r\n");
        live_nothing(l, 10 * LIMIT);
        live_close(gone.client);
        live_pass(l, LOOKS);
        is_anothers(l, &gone, stays);
    }
}

static void
test_ending_an_upload(void **state)
{
    struct live *l = live_start(state, LINGER "proxy_send_timeout 1h;", LINE);
    struct holder gone = upload(l, false);
    struct live_end *stays = wait_in_queue(l, "GET", "\r\n");
    live_nothing(l, 10 * LIMIT);
    live_shut(gone.client);
    live_nothing(l, LIMIT - 1);
    live_pass(l, LOOKS + 1);
    is_anothers(l, &gone, stays);
}

/* With TLS nobody reads when it has said that it will not write. */
static void
test_ending_an_upload_with_tls(void **state)
{
    struct live *l =
        live_start(state, "lingering_time 1h; proxy_send_timeout 1h;", LINE);
    struct holder gone = upload(l, true);
    struct live_end *stays = wait_in_queue(l, "GET", "\r\n");
    AZ(shutdown(gone.client->fd, SHUT_WR));
    live_pass(l, LOOKS);
    is_anothers(l, &gone, stays);
}

/* It may yet read: all of its body arrives, and then the answer. */
static void
test_one_that_ended_its_side_is_served(void **state)
{
    static const char length[] = "Content-Length: 400000\r\n\r\n";
    struct live *l = live_start(state, LINGER "proxy_send_timeout 1h;", "");
    struct live_end *c = live_asks(l, false, "PUT", length);
    struct live_end *o = live_is_asked(l, false, "PUT", length);
    size_t got = 0;
    assert_int_equal(live_fill(c, 400000), 400000);
    live_shut(c);
    live_nothing(l, LIMIT - 1);
    for (size_t n = 1; n != 0; got += n) {
        n = live_waste(o, SIZE_MAX);
    }
    assert_int_equal(got, 400000);
    live_nothing(l, LIMIT - 1);
    live_send(o, OK);
    live_answers(c, 200, "");
    live_logs(l, "\"status\":200");
    live_close(c);
    is_all(l, o);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(test_no_longer_than_that),
        LIVE_TEST(test_waiting_counts_for_nothing_else),
        LIVE_TEST(test_time_for_a_body_begins_with_the_slot),
        LIVE_TEST(test_first_of_the_line_is_next),
        LIVE_TEST(test_leaving_the_line),
        LIVE_TEST(test_leaving_the_line_behind_bytes),
        LIVE_TEST(test_a_body_at_fault_leaves_the_line),
        LIVE_TEST(test_closing_an_upload),
        LIVE_TEST(test_ending_an_upload),
        LIVE_TEST(test_ending_an_upload_with_tls),
        LIVE_TEST(test_one_that_ended_its_side_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
