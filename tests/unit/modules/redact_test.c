/*
 * What redaction asks of an exchange, which secrets it looks for, and which
 * bodies: the module's hooks on an exchange that no connection carries.
 */

#include "module.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "../seams.h"
#include "http/h1_parse.h"
#include "module_fixture.h"

extern const struct module credential_module, redact_module;

/* The clock is the test's. */
static struct timespec now = { .tv_sec = 1000 };

static int
gettime(clockid_t id, struct timespec *ts)
{
    (void)id;
    *ts = now;
    return 0;
}

static void
turn(long ms)
{
    now.tv_sec += ms / 1000;
    now.tv_nsec += ms % 1000 * 1000000;
    now.tv_sec += now.tv_nsec / 1000000000;
    now.tv_nsec %= 1000000000;
    clock_update();
}

#define SECRET "0123456789-abcdef-ghij"
#define STARS "**********************"

/* A request that left for a.x.test over TLS, with the secret. */
static struct fixture *
ask(void **state, const char *block, const char *fields)
{
    char text[2048];
    struct fixture *f = *state;
    tmp_dir_write(&f->dir, "strong", STR(SECRET));
    snprintf(text, sizeof text,
        "secret strong file:strong; host a.x.test { %s }", block);
    f = module_start(state, text);
    snprintf(
        text, sizeof text, "GET /p HTTP/1.1\nHost: a.x.test\n%s\n", fields);
    module_request(f, text);
    struct tx *tx = f->tx;
    tx->route.is_tls = true;
    assert_int_equal(
        credential_module.on_request(tx, &tx->xfer.request), V_NEXT);
    assert_int_equal(redact_module.on_request(tx, &tx->xfer.request), V_NEXT);
    coding_ask(tx);
    return f;
}

/* The response's head comes; whether it may be sent on. */
static bool
answer(struct fixture *f, const char *status, const char *fields)
{
    struct h1_error err = { 0 };
    struct tx *tx = f->tx;
    char *text = arena_alloc(tx->xfer.arena, 2048);
    int n = snprintf(text, 2048, "HTTP/1.1 %s\r\n%sX-Echo: %s\r\n\r\n", status,
        fields, SECRET);
    head_init(&tx->xfer.response, tx->xfer.arena);
    AZ(h1_parse_response(
        str_n(text, (size_t)n), METHOD_GET, &tx->xfer.response, &err));
    tx->t_connected = 1;
    return redact_module.on_response(tx, &tx->xfer.response) == V_NEXT &&
           coding_begin(tx);
}

static unsigned
stages(const struct fixture *f)
{
    return f->tx->xfer.down.n_stages;
}

static bool
is_masked(const struct fixture *f)
{
    struct str echo = head_find(&f->tx->xfer.response, STR("X-Echo"));
    assert_true(str_eq(echo, STR(SECRET)) || str_eq(echo, STR(STARS)));
    return str_eq(echo, STR(STARS));
}

static const char *
redaction(const struct fixture *f)
{
    struct str text;
    const struct var_def *v = redact_module.conf.vars;
    assert_true(v->get(f->tx, f->tx->xfer.arena, STR_NONE, NULL, &text));
    return arena_dup(f->tx->xfer.arena, text).p;
}

#define BEARER "bearer $secret_strong; "
#define LENGTH "Content-Length: 9\r\n"
#define RANGE "Range: bytes=0-9\nIf-Range: \"1\"\n"
#define CODINGS "Accept-Encoding: br, gzip\n"

static void
off(void **state)
{
    struct fixture *f = ask(state, "redact off; " BEARER, RANGE CODINGS);
    assert_only(f, "Range", "bytes=0-9");
    assert_only(f, "Accept-Encoding", "br, gzip");
    assert_true(answer(f, "206 X", LENGTH "Content-Encoding: br\r\n"));
    assert_int_equal(stages(f), 0);
    assert_false(is_masked(f));
    assert_string_equal(redaction(f), "-");
}

/* What is asked for, and what of the answers is looked through. */
static void
text(void **state)
{
    static const struct {
        const char *status, *fields;
        unsigned stages; /* three: between gunzip and gzip */
    } cases[] = {
        { "200 X", LENGTH "Content-Type: text/plain\r\n", 1 },
        { "200 X", LENGTH, 1 },
        { "200 X", LENGTH "Content-Type: image/png\r\n", 0 },
        { "200 X", LENGTH "Content-Encoding: gzip\r\n", 3 },
        { "200 X",
            LENGTH
            "Content-Encoding: gzip\r\nContent-Type: application/zip\r\n",
            0 },
        { "200 X", LENGTH "Content-Encoding: aws-chunked\r\n", 1 },
        { "200 X", LENGTH "Content-Encoding: br\r\n", 1 },
        { "206 X", LENGTH "Content-Type: text/plain\r\n", 1 },
        { "206 X", LENGTH "Content-Encoding: gzip\r\n", 1 },
        { "206 X", LENGTH "Content-Type: image/png\r\n", 0 },
        { "204 X", "", 0 },
        { "200 X", "Content-Length: 0\r\n", 0 },
    };
    for (size_t i = 0; i < LEN(cases); i++) {
        struct fixture *f = ask(state, BEARER "redact text;", RANGE CODINGS);
        assert_only(f, "Range", "bytes=0-9");
        assert_only(f, "If-Range", "\"1\"");
        assert_only(f, "Accept-Encoding", "gzip");
        assert_true(answer(f, cases[i].status, cases[i].fields));
        assert_int_equal(stages(f), cases[i].stages);
        assert_true(is_masked(f));
        assert_string_equal(redaction(f), "masked");
    }
}

static void
all(void **state)
{
    static const struct {
        const char *status, *fields;
        unsigned stages, refused;
    } cases[] = {
        { "200 X", LENGTH "Content-Type: text/plain\r\n", 1, 0 },
        { "200 X", LENGTH "Content-Type: image/png\r\n", 1, 0 },
        { "200 X", LENGTH "Content-Encoding: deflate\r\n", 3, 0 },
        { "200 X", LENGTH "Content-Encoding: none\r\n", 1, 0 },
        { "200 X", LENGTH "Content-Encoding: br\r\n", 0, 502 },
        { "206 X", LENGTH "Content-Type: image/png\r\n", 0, 502 },
    };
    for (size_t i = 0; i < LEN(cases); i++) {
        struct fixture *f = ask(state, BEARER "redact on;", RANGE CODINGS);
        assert_only(f, "Range", NULL);
        assert_only(f, "If-Range", NULL);
        assert_only(f, "Accept-Encoding", "gzip");
        bool is_sent = answer(f, cases[i].status, cases[i].fields);
        assert_int_equal(is_sent, cases[i].refused == 0);
        assert_int_equal(stages(f), cases[i].stages);
        if (is_sent) {
            assert_true(is_masked(f));
        } else {
            assert_int_equal(f->tx->xfer.response.status, cases[i].refused);
        }
    }
}

static const char said[] = "ETag: \"1\"\r\nAccept-Ranges: bytes\r\n"
                           "Content-MD5: x\r\nDigest: x\r\n";

static void
has(const struct fixture *f, const char *name, const char *value)
{
    assert_str(head_find(&f->tx->xfer.response, str_of(name)), value);
}

static void
what_the_head_says(void **state)
{
    char fields[256];
    snprintf(fields, sizeof fields, LENGTH "%s", said);
    struct fixture *f = ask(state, BEARER "redact text;", "");
    assert_true(answer(f, "200 X", fields));
    has(f, "ETag", "\"1\"");
    has(f, "Accept-Ranges", "bytes");
    has(f, "Content-MD5", "x");
    has(f, "Digest", "x");
    has(f, "Content-Length", "9");
    f = ask(state, BEARER "redact on;", "");
    assert_true(answer(f, "200 X", fields));
    has(f, "ETag", "\"1\"");
    has(f, "Accept-Ranges", "");
    has(f, "Digest", "x");
    has(f, "Content-Length", "9");
}

/* By the block, whatever is bound to the host; and by the connection. */
static void
entitlement(void **state)
{
    static const struct {
        const char *block;
        bool is_masked;
    } cases[] = {
        { BEARER "redact on;", true },
        { "redact on; location /other { " BEARER "}", true },
        { "redact off; location /other { redact on; " BEARER "}", false },
        { "redact on;", false },
        { "redact on; bearer $secret_token;", false }, /* weak */
        { "redact on; } host b.x.test { " BEARER, false },
    };
    for (size_t i = 0; i < LEN(cases); i++) {
        struct fixture *f = ask(state, cases[i].block, CODINGS);
        assert_only(
            f, "Accept-Encoding", cases[i].is_masked ? "gzip" : "br, gzip");
        assert_true(answer(f, "200 X", LENGTH));
        assert_int_equal(is_masked(f), cases[i].is_masked);
        assert_int_equal(stages(f), cases[i].is_masked);
    }
}

/* A service of one's own that turns out to be on another host. */
static void
plain_service(void **state)
{
    struct fixture *f = ask(state, "redact on; location /x { " BEARER "}", "");
    struct tx *tx = f->tx;
    tx->route = (struct route){ .is_own_service = true };
    assert_true(addr_parse(STR("127.0.0.1"), &tx->peer_addr));
    assert_true(answer(f, "200 X", LENGTH));
    assert_true(is_masked(f));
    f = ask(state, "redact on; location /x { " BEARER "}", "");
    tx = f->tx;
    tx->route = (struct route){ .is_own_service = true };
    assert_true(addr_parse(STR("10.0.0.1"), &tx->peer_addr));
    assert_true(answer(f, "200 X", LENGTH));
    assert_false(is_masked(f));
    assert_int_equal(stages(f), 0);
}

static void
comes(struct fixture *f, const char *text)
{
    struct pump *p = &f->tx->xfer.down;
    size_t n = bufq_write(pump_in(p), str_of(text));
    assert_int_equal(n, strlen(text));
    pump_filled(p, n);
    pump_run(p);
}

/* What the client takes now. */
static void
arrives(struct fixture *f, const char *text)
{
    struct pump *p = &f->tx->xfer.down;
    char got[256];
    size_t n = bufq_copy(pump_out(p), got, sizeof got);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(got, text, n);
    bufq_consume(pump_out(p), n);
    pump_took(p, n);
}

/* It took all, and the origin is waited for: until when. */
static void
waits(struct fixture *f, long ms)
{
    double left = pump_wait(&f->tx->xfer.down) - clock_mono();
    assert_true(left > (double)ms / 1000 - 1e-6);
    assert_true(left < (double)ms / 1000 + 1e-6);
}

static struct fixture *
begin_body(void **state, const char *block)
{
    struct fixture *f = ask(state, block, "");
    assert_true(answer(f, "200 X", "Transfer-Encoding: chunked\r\n"));
    turn(0);
    return f;
}

/* The end of the hold ends no match. */
static void
let_go(void **state)
{
    struct fixture *f = begin_body(state, BEARER "redact text;");
    comes(f, "x " SECRET " 0123456");
    arrives(f, "x " STARS " ");
    waits(f, 100);
    turn(60);
    pump_run(&f->tx->xfer.down);
    arrives(f, "");
    waits(f, 40);
    turn(40);
    pump_run(&f->tx->xfer.down);
    arrives(f, "0123456");
    assert_true(pump_wait(&f->tx->xfer.down) >= TASK_NEVER);
    comes(f, "789-abcdef-ghij!");
    arrives(f, "***************!");
    comes(f, SECRET " ");
    arrives(f, STARS " ");
    comes(f, "01");
    pump_end(&f->tx->xfer.down);
    pump_run(&f->tx->xfer.down);
    arrives(f, "01");
    assert_true(pump_is_done(&f->tx->xfer.down));
}

static void
a_second_of_one_run(void **state)
{
    struct fixture *f =
        begin_body(state, BEARER "redact text; redact_hold 1s;");
    for (int i = 0; i < 10; i++) {
        char digit[2] = { (char)('0' + i), '\0' };
        comes(f, digit);
        arrives(f, "");
        waits(f, 1000 - i * 100);
        turn(100);
    }
    comes(f, "-");
    arrives(f, "0123456789-");
    comes(f, "a"); /* of the same run nothing is held any more */
    arrives(f, "a");
    comes(f, "! 01");
    arrives(f, "! ");
    waits(f, 1000);
}

/* The sandbox that leaves bytes unread does not turn the clock. */
static void
a_reader_that_stalls(void **state)
{
    struct fixture *f = begin_body(state, BEARER "redact text;");
    comes(f, "x 0123456");
    assert_true(pump_wait(&f->tx->xfer.down) >= TASK_NEVER);
    turn(100000);
    pump_run(&f->tx->xfer.down);
    arrives(f, "x ");
    turn(100000); /* what it took lies in the connection's queue: no wait */
    pump_run(&f->tx->xfer.down);
    arrives(f, "");
    waits(f, 100);
    turn(100);
    pump_run(&f->tx->xfer.down);
    arrives(f, "0123456");
}

static void
another_time(void **state)
{
    struct fixture *f =
        begin_body(state, BEARER "redact text; redact_hold 20ms;");
    comes(f, "0123456");
    waits(f, 20);
    f = begin_body(state, BEARER "redact text; redact_hold 0;");
    comes(f, "0123456");
    arrives(f, "0123456");
}

/* A record of a few bytes is not made while the source has more; where it has
 * none after all they leave at once. */
static void
a_small_rest(void **state)
{
    static char text[PUMP_LIMIT];
    struct fixture *f = begin_body(state, BEARER "redact text;");
    struct pump *p = &f->tx->xfer.down;
    size_t n = 3 * CHUNK_SIZE;
    memset(text, ' ', sizeof text);
    bufq_append(pump_in(p), str_n(text, n + 3));
    pump_filled(p, n + 3);
    assert_true(pump_stop_if_full(p));
    pump_run(p);
    assert_int_equal(pump_out(p)->len, n);
    bufq_consume(pump_out(p), n);
    pump_took(p, n);
    waits(f, 0);
    assert_false(pump_stop_if_full(p));
    pump_run(p);
    arrives(f, "   ");
    assert_true(pump_wait(p) >= TASK_NEVER);
}

#define T(FN)                                                                  \
    cmocka_unit_test_setup_teardown(FN, module_set_up, module_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(off),
        T(text),
        T(all),
        T(what_the_head_says),
        T(entitlement),
        T(plain_service),
        T(let_go),
        T(a_second_of_one_run),
        T(a_reader_that_stalls),
        T(another_time),
        T(a_small_rest),
    };
    seam_clock(gettime);
    return cmocka_run_group_tests_name("redact", tests, NULL, NULL);
}
