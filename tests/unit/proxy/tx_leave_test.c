/*
 * Whoever leaves, at each step of an exchange: its slot and its connections
 * are given back at once, it is logged once, and what there is to say is said.
 * And a worker that ends at once, at each step.
 */

#include "live_end.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/str.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"
#define UPGRADE "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"
#define EGRESS                                                                 \
    "lingering_time 0; host blind.test { intercept off; }"                     \
    "resolve blind.test 10.9.0.1; resolve deaf.test 10.9.0.2;"                 \
    "host deaf.test { intercept off; }"

/* An exchange that has come so far. */
struct stage {
    struct live *live;
    struct live_end *client, *origin, *other;
};

static void
begin(struct stage *s, bool is_tls, const char *method, const char *rest)
{
    s->client = live_asks(s->live, is_tls, method, rest);
    s->origin = live_is_asked(s->live, is_tls, method, rest);
}

static void
ask_for(struct stage *s, const char *name)
{
    char text[200];
    snprintf(text, sizeof text, "GET http://%s/ HTTP/1.1\r\nHost: %s\r\n\r\n",
        name, name);
    s->client = live_client(s->live);
    live_send(s->client, text);
}

static void
to_resolve(struct stage *s)
{
    ask_for(s, "lost.test");
}

static void
to_connect(struct stage *s)
{
    ask_for(s, "silent.test");
}

static void
to_handshake(struct stage *s)
{
    s->client = live_asks(s->live, true, "GET", "\r\n");
    s->origin = live_origin(s->live);
}

static void
to_half_a_handshake(struct stage *s)
{
    to_handshake(s);
    live_tls_origin(s->origin);
    live_flush(s->origin, live_answer_hello(s->origin) / 2);
}

static void
to_head(struct stage *s)
{
    begin(s, false, "GET", "\r\n");
}

static void
to_head_with_tls(struct stage *s)
{
    begin(s, true, "GET", "\r\n");
}

static void
to_half_a_head(struct stage *s)
{
    begin(s, true, "GET", "\r\n");
    live_send(s->origin, "HTTP/1.1 200 OK\r\nConte");
}

static void
to_an_interim_head(struct stage *s)
{
    begin(s, true, "GET", "\r\n");
    live_send(s->origin, "HTTP/1.1 103 Early Hints\r\n\r\n");
    live_gets_head(s->client, 103, "");
}

static void
to_half_a_request(struct stage *s)
{
    begin(s, true, "POST", CHUNKED);
    live_send(s->client, "9\r\nhalf");
    live_gets(s->origin, "4\r\nhalf\r\n");
}

static void
to_a_response(struct stage *s, const char *head)
{
    begin(s, true, "GET", "\r\n");
    live_send(s->origin, head);
    live_gets_head(s->client, 200, "");
}

static void
to_no_body(struct stage *s)
{
    to_a_response(s, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
}

static void
to_half_a_body(struct stage *s)
{
    to_a_response(s, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    live_gets(s->client, "half");
}

static void
to_half_a_chunked_body(struct stage *s)
{
    to_a_response(s, "HTTP/1.1 200 OK\r\n" CHUNKED "9\r\nhalf");
    live_gets(s->client, "4\r\nhalf\r\n");
}

/* Both bodies are under way. */
static void
to_half_of_both(struct stage *s)
{
    to_half_a_request(s);
    live_send(s->origin, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    live_gets_head(s->client, 200, "");
    live_gets(s->client, "half");
}

static void
to_a_websocket(struct stage *s)
{
    begin(s, true, "GET", UPGRADE);
    live_send(s->origin, "HTTP/1.1 101 Switching Protocols\r\n" UPGRADE);
    live_gets_head(s->client, 101, "");
}

static void
say_hello(struct stage *s, const char *authority, const char *name)
{
    s->client = live_connected(s->live, authority);
    live_tls_client(s->client, name);
    live_flush(s->client, SIZE_MAX);
    live_end_tls(s->client);
}

static void
to_a_blind_connect(struct stage *s)
{
    say_hello(s, "deaf.test:443", "deaf.test");
}

static void
to_a_blind_tunnel(struct stage *s)
{
    say_hello(s, "blind.test:443", "blind.test");
    s->origin = live_origin(s->live);
    assert_int_not_equal(live_waste(s->origin, SIZE_MAX), 0);
}

static const struct {
    void (*to)(struct stage *s);
    const char *gone; /* logged when the client leaves; NULL: nothing
                         happens, since it may yet read */
    unsigned status;  /* what it is told when the origin leaves; 0: nothing */
    const char *lost; /* logged then; NULL: nothing happens */
} stages[] = {
    { to_resolve, "\"status\":499", 0, NULL },
    { to_connect, "\"status\":499", 0, NULL },
    { to_handshake, "\"status\":499", 502, "\"status\":502" },
    { to_half_a_handshake, "\"status\":499", 502, "\"status\":502" },
    { to_head, "\"status\":499", 502, "\"status\":502" },
    { to_head_with_tls, "\"status\":499", 502, "\"status\":502" },
    { to_half_a_head, "\"status\":499", 502, "\"status\":502" },
    { to_an_interim_head, "\"status\":499", 502, "\"status\":502" },
    { to_half_a_request, "\"status\":499", 502, "\"status\":502" },
    { to_no_body, "\"cause\":\"client closed the connection\"", 0,
        "\"cause\":\"upstream closed in its body\"" },
    { to_half_a_body, "\"cause\":\"client closed the connection\"", 0,
        "\"cause\":\"upstream closed in its body\"" },
    { to_half_a_chunked_body, "\"cause\":\"client closed the connection\"", 0,
        "\"cause\":\"upstream closed in its body\"" },
    { to_half_of_both, "\"cause\":\"client broke off in its body\"", 0,
        "\"cause\":\"upstream closed in its body\"" },
    { to_a_websocket, "\"cause\":\"client broke off\"", 0,
        "\"cause\":\"origin broke off\"" },
    { to_a_blind_connect, NULL, 0, NULL },
    { to_a_blind_tunnel, NULL, 0, NULL },
};

static struct stage
stage(void **state, unsigned i)
{
    struct stage s = { .live = live_start(state, EGRESS, "") };
    stages[i].to(&s);
    return s;
}

static void
test_the_client_leaves(void **state)
{
    for (unsigned i = 0; i < LEN(stages); i++) {
        if (stages[i].gone == NULL) {
            continue;
        }
        struct stage s = stage(state, i);
        live_close(s.client);
        live_logs(s.live, stages[i].gone);
        if (s.origin != NULL) {
            live_is_cut(s.origin);
        } else {
            live_pass(s.live, 10000); /* the resolver goes on for so long */
        }
        live_is_back(s.live);
    }
}

static void
test_the_origin_leaves(void **state)
{
    for (unsigned i = 0; i < LEN(stages); i++) {
        if (stages[i].lost == NULL) {
            continue;
        }
        struct stage s = stage(state, i);
        live_close(s.origin);
        if (stages[i].status != 0) {
            live_answers(s.client, stages[i].status, "");
        }
        live_logs(s.live, stages[i].lost);
        live_close(s.client);
        live_is_back(s.live);
    }
}

/* What lies there unread makes the end a reset. */
static void
test_a_reset_in_a_blind_tunnel(void **state)
{
    for (unsigned is_origin = 0; is_origin < 2; is_origin++) {
        struct stage s = { .live = live_start(state, EGRESS, "") };
        to_a_blind_tunnel(&s);
        struct live_end *gone = is_origin ? s.origin : s.client;
        struct live_end *other = is_origin ? s.client : s.origin;
        live_send(other, "\x14\x03\x03\x01\x01");
        live_close(gone);
        live_logs(s.live, is_origin ? "\"cause\":\"origin broke off\""
                                    : "\"cause\":\"client broke off\"");
        live_is_cut(other);
        live_is_back(s.live);
    }
}

/* The next live_start() does that. */
static void
test_the_worker_ends(void **state)
{
    for (unsigned i = 0; i < LEN(stages); i++) {
        stage(state, i);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(test_the_client_leaves),
        LIVE_TEST_BYTES(test_the_client_leaves),
        LIVE_TEST(test_the_origin_leaves),
        LIVE_TEST_BYTES(test_the_origin_leaves),
        LIVE_TEST(test_a_reset_in_a_blind_tunnel),
        LIVE_TEST_BYTES(test_a_reset_in_a_blind_tunnel),
        LIVE_TEST(test_the_worker_ends),
        LIVE_TEST_BYTES(test_the_worker_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
