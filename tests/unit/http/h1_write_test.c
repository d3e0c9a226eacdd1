/* Heads as bytes: exact output, one framing, nothing that splits a head. */

#include "http/h1_write.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "http/h1_parse.h"

static struct arena *arena;
static struct bufq out;

static int
setup(void **state)
{
    (void)state;
    arena = arena_new(4096);
    bufq_init(&out, 65536);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    bufq_fini(&out);
    bufq_trim();
    arena_free(arena);
    return 0;
}

/* What the queue holds, which is emptied. */
static struct str
take(void)
{
    char *p = arena_alloc(arena, out.len + 1);
    size_t n = bufq_copy(&out, p, out.len);
    assert_int_equal(n, out.len);
    p[n] = '\0';
    bufq_consume(&out, n);
    return str_n(p, n);
}

static struct head
request(const char *text)
{
    struct head h;
    struct h1_error err = { 0 };
    head_init(&h, arena);
    struct str bytes = arena_dup(arena, str_of(text));
    assert_int_equal(h1_parse_request(bytes, 80, &h, &err), 0);
    return h;
}

static struct head
response(const char *text, enum method method)
{
    struct head h;
    struct h1_error err = { 0 };
    head_init(&h, arena);
    struct str bytes = arena_dup(arena, str_of(text));
    assert_int_equal(h1_parse_response(bytes, method, &h, &err), 0);
    return h;
}

#define START "GET /x HTTP/1.1\r\n"

static void
test_a_request_passes_byte_for_byte(void **state)
{
    (void)state;
    struct h1_framing f = { .kind = BODY_NONE };
    const char *in = START "Host: a\r\nuser-agent: b  c\r\nX:y\r\n"
                           "Z:  \t1 \r\nE:\r\nF: \r\nAccept: *\r\n\r\n";
    struct head h = request(in);
    h1_write_request(&h, h.path, &f, &out);
    assert_string_equal(take().p,
        START "Host: a\r\nuser-agent: b  c\r\nX: y\r\nZ: 1\r\nE: \r\nF: \r\n"
              "Accept: *\r\n\r\n");
}

static void
test_changed_fields_are_written_changed(void **state)
{
    (void)state;
    struct h1_framing f = { .kind = BODY_NONE };
    struct head h = request(START "A: 1\r\nHost: a\r\nB: 2\r\nC: 333\r\n"
                                  "D: 4\r\n\r\n");
    head_remove(&h, STR("Host"));
    head_add_first(&h, STR("Host"), STR("other"));
    head_add(&h, STR("Authorization"), STR("Bearer x"));
    h.fields[2].value = STR("two"); /* B */
    h.fields[3].value.n = 2;        /* C, cut */
    h1_write_request(&h, STR("/y?z"), &f, &out);
    assert_string_equal(take().p,
        "GET /y?z HTTP/1.1\r\nHost: other\r\nA: 1\r\nB: two\r\nC: 33\r\n"
        "D: 4\r\nAuthorization: Bearer x\r\n\r\n");
}

/* Whatever framing the head came with, the caller's alone leaves. */
static void
test_one_framing_leaves(void **state)
{
    static const struct {
        struct h1_framing f;
        const char *want;
    } cases[] = {
        { { .kind = BODY_NONE }, "" },
        { { .kind = BODY_LENGTH, .length = 18446744073709551615u },
            "Content-Length: 18446744073709551615\r\n" },
        { { .kind = BODY_LENGTH, .length = 0 }, "Content-Length: 0\r\n" },
        { { .kind = BODY_CHUNKED }, "Transfer-Encoding: chunked\r\n" },
        { { .kind = BODY_CHUNKED, .close = true },
            "Transfer-Encoding: chunked\r\nConnection: close\r\n" },
        { { .kind = BODY_NONE, .keep_alive = true },
            "Connection: keep-alive\r\n" },
        { { .kind = BODY_NONE, .te_trailers = true },
            "Connection: TE\r\nTE: trailers\r\n" },
        { { .kind = BODY_NONE, .upgrade = { "websocket", 9 } },
            "Connection: upgrade\r\nUpgrade: websocket\r\n" },
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct head h = request(
            START "Host: a\r\nConnection: x\r\nTransfer-Encoding: chunked\r\n"
                  "Keep-Alive: 1\r\nProxy-Connection: x\r\nTE: trailers\r\n"
                  "Upgrade: h2c\r\nB: c\r\n\r\n");
        h1_write_request(&h, STR("/x"), &cases[i].f, &out);
        struct str want = arena_printf(
            arena, START "Host: a\r\nB: c\r\n%s\r\n", cases[i].want);
        assert_string_equal(take().p, want.p);
    }
}

static void
test_an_empty_request_body_is_told(void **state)
{
    (void)state;
    struct h1_framing f = { .kind = BODY_NONE };
    struct head h =
        request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    h1_write_request(&h, h.path, &f, &out);
    assert_string_equal(
        take().p, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
}

static void
test_a_response_is_written(void **state)
{
    (void)state;
    struct h1_framing f = { .kind = BODY_CHUNKED };
    struct head h = response("HTTP/1.0 200 Very \xe9 OK\r\nServer: x\r\n"
                             "Set-Cookie: a\r\nSet-Cookie: b\r\n\r\n",
        METHOD_GET);
    h1_write_response(&h, &f, &out);
    assert_string_equal(take().p,
        "HTTP/1.1 200 Very \xe9 OK\r\nServer: x\r\nSet-Cookie: a\r\n"
        "Set-Cookie: b\r\nTransfer-Encoding: chunked\r\n\r\n");
    h = response("HTTP/1.1 299\r\n\r\n", METHOD_GET);
    f = (struct h1_framing){ .kind = BODY_UNTIL_CLOSE, .close = true };
    h1_write_response(&h, &f, &out);
    assert_string_equal(take().p, "HTTP/1.1 299 \r\nConnection: close\r\n\r\n");
}

/* RFC 9110 8.6. */
static void
test_lengths_of_absent_bodies(void **state)
{
    static const struct {
        unsigned status;
        enum method method;
        const char *want;
    } cases[] = {
        { 200, METHOD_HEAD, "Content-Length: 7\r\n" },
        { 304, METHOD_GET, "Content-Length: 7\r\n" },
        { 204, METHOD_GET, "" },
        { 103, METHOD_GET, "" },
    };
    (void)state;
    struct h1_framing f = { .kind = BODY_NONE };
    for (size_t i = 0; i < LEN(cases); i++) {
        struct str in = arena_printf(arena,
            "HTTP/1.1 %u x\r\nContent-Length: 7\r\n\r\n", cases[i].status);
        struct head h = response(in.p, cases[i].method);
        h1_write_response(&h, &f, &out);
        struct str want = arena_printf(
            arena, "HTTP/1.1 %u x\r\n%s\r\n", cases[i].status, cases[i].want);
        assert_string_equal(take().p, want.p);
    }
    struct head own;
    head_init(&own, arena);
    own.status = 403;
    own.reason = STR("Forbidden");
    own.body = BODY_LENGTH;
    own.length = 12;
    h1_write_response(&own, &f, &out);
    assert_string_equal(
        take().p, "HTTP/1.1 403 Forbidden\r\nContent-Length: 12\r\n\r\n");
}

static void
test_the_last_chunk_and_trailers(void **state)
{
    (void)state;
    struct head h;
    head_init(&h, arena);
    h1_write_last_chunk(&h, &out);
    assert_string_equal(take().p, "0\r\n\r\n");
    assert_true(head_add_trailer(&h, STR("X-Sum"), STR("1")));
    assert_true(head_add_trailer(&h, STR("grpc-status"), STR("0")));
    h1_write_last_chunk(&h, &out);
    assert_string_equal(take().p, "0\r\nX-Sum: 1\r\ngrpc-status: 0\r\n\r\n");
}

/* Large heads, and queues with little room, come out whole all the same. */
static void
test_heads_of_any_size_in_any_queue(void **state)
{
    (void)state;
    struct h1_framing f = { .kind = BODY_NONE };
    for (size_t n = 1; n < 60000; n = n * 3 + 7) {
        char *value = arena_alloc(arena, n);
        memset(value, 'v', n);
        struct head h = response("HTTP/1.1 204 x\r\nA: b\r\n\r\n", METHOD_GET);
        head_add(&h, STR("Long"), str_n(value, n));
        for (size_t before = 0; before < 20000; before += 9999) {
            struct bufq q;
            bufq_init(&q, 16000);
            for (size_t i = 0; i < before; i++) {
                bufq_append(&q, STR("-"));
            }
            h1_write_response(&h, &f, &q);
            size_t want = strlen("HTTP/1.1 204 x\r\nA: b\r\nLong: \r\n\r\n");
            assert_int_equal(q.len, before + want + n);
            bufq_consume(&q, before);
            char *p = arena_alloc(arena, q.len);
            bufq_copy(&q, p, q.len);
            assert_memory_equal(p, "HTTP/1.1 204 x\r\nA: b\r\nLong: v", 29);
            assert_memory_equal(p + q.len - 5, "v\r\n\r\n", 5);
            bufq_fini(&q);
        }
    }
}

/* Whether fn() ends the process. */
static bool
panics(void (*fn)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 2);
        fn();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static struct str bad_name, bad_value, bad_target, bad_reason, bad_upgrade;

static void
write_bad(void)
{
    struct h1_framing f = { .kind = BODY_NONE, .upgrade = bad_upgrade };
    struct head h = request(START "Host: a\r\n\r\n");
    head_add(&h, bad_name, bad_value);
    h1_write_request(&h, bad_target, &f, &out);
    h.status = 200;
    h.reason = bad_reason;
    h1_write_response(&h, &f, &out);
}

static void
test_nothing_that_splits_a_head_leaves(void **state)
{
    static const char bytes[] = { '\r', '\n', '\0', 0x7f, 0x0b };
    (void)state;
    bad_name = STR("A");
    bad_value = STR("b\t\xff c");
    bad_target = STR("/");
    bad_reason = STR("c");
    bad_upgrade = STR("d");
    assert_false(panics(write_bad));
    struct str *places[] = { &bad_name, &bad_value, &bad_target, &bad_reason,
        &bad_upgrade };
    for (size_t i = 0; i < LEN(places); i++) {
        struct str good = *places[i];
        for (size_t k = 0; k < sizeof bytes; k++) {
            char text[3] = { 'x', bytes[k], 'y' };
            *places[i] = str_n(text, sizeof text);
            assert_true(panics(write_bad));
        }
        *places[i] = good;
    }
    bad_target = STR("/a b");
    assert_true(panics(write_bad));
    bad_target = STR("/");
    bad_name = STR("");
    assert_true(panics(write_bad));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_passes_byte_for_byte),
        cmocka_unit_test(test_changed_fields_are_written_changed),
        cmocka_unit_test(test_one_framing_leaves),
        cmocka_unit_test(test_an_empty_request_body_is_told),
        cmocka_unit_test(test_a_response_is_written),
        cmocka_unit_test(test_lengths_of_absent_bodies),
        cmocka_unit_test(test_the_last_chunk_and_trailers),
        cmocka_unit_test(test_heads_of_any_size_in_any_queue),
        cmocka_unit_test(test_nothing_that_splits_a_head_leaves),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
