/* Heads that are accepted, and how they are read. */

#include "http/h1_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "arena_fixture.h"

#define HOST "Host: a.example\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST

static void
request(const char *text, struct head *h)
{
    struct h1_error err = { 0 };
    head_init(h, arena);
    if (h1_parse_request(str_of(text), 443, h, &err) != 0) {
        fail_msg("refused \"%s\": %s", text, err.text);
    }
}

static void
response(const char *text, enum method method, struct head *h)
{
    struct h1_error err = { 0 };
    head_init(h, arena);
    if (h1_parse_response(str_of(text), method, h, &err) != 0) {
        fail_msg("refused \"%s\": %s", text, err.text);
    }
}

static void
test_a_request_is_read(void **state)
{
    (void)state;
    struct head h;
    request("POST /a/b?c=%20&d HTTP/1.1\r\n"
            "host:A.Example:8443\r\n"
            "X-Empty:\r\n"
            "X-Space: \t b\tc \t\r\n"
            "ACCEPT: text/html\r\n"
            "x-utf8: \xc3\xbc\r\n"
            "accept: */*\r\n"
            "Content-Length: 12\r\n\r\n",
        &h);
    assert_int_equal(h.method_id, METHOD_POST);
    assert_text(h.method, "POST");
    assert_int_equal(h.form, TARGET_ORIGIN);
    assert_text(h.path, "/a/b?c=%20&d");
    assert_text(h.authority.host, "a.example");
    assert_int_equal(h.authority.port, 8443);
    assert_int_equal(h.minor, 1);
    assert_int_equal(h.n, 7);
    assert_int_equal(h.body, BODY_LENGTH);
    assert_int_equal(h.length, 12);
    assert_true(h.keep_alive);
    assert_text(head_get(&h, FIELD_HOST), "A.Example:8443");
    assert_text(head_get(&h, FIELD_ACCEPT), "text/html");
    assert_text(head_find(&h, STR("x_space")), "b\tc");
    assert_text(head_find(&h, STR("X-UTF8")), "\xc3\xbc");
    assert_non_null(head_find(&h, STR("x-empty")).p);
    assert_null(head_find(&h, STR("x-none")).p);
    assert_null(head_get(&h, FIELD_COOKIE).p);
    assert_text(h.fields[1].name, "X-Empty");
    assert_text(h.fields[1].value, "");
}

static void
test_methods_are_known_by_case(void **state)
{
    static const struct {
        const char *name;
        enum method method;
        bool is_idempotent;
    } cases[] = {
        { "GET", METHOD_GET, true },
        { "HEAD", METHOD_HEAD, true },
        { "POST", METHOD_POST, false },
        { "PUT", METHOD_PUT, true },
        { "DELETE", METHOD_DELETE, true },
        { "CONNECT", METHOD_CONNECT, false },
        { "OPTIONS", METHOD_OPTIONS, true },
        { "TRACE", METHOD_TRACE, true },
        { "PATCH", METHOD_PATCH, false },
        { "PROPFIND", METHOD_OTHER, false },
        { "get", METHOD_OTHER, false },
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        enum method m = method_lookup(str_of(cases[i].name));
        assert_int_equal(m, cases[i].method);
        assert_int_equal(method_is_idempotent(m), cases[i].is_idempotent);
    }
}

static void
test_targets_are_read(void **state)
{
    static const struct {
        const char *in, *host, *path, *scheme;
        unsigned port;
        enum target_form form;
    } cases[] = {
        { "GET / HTTP/1.1\r\nHost: h\r\n", "h", "/", "", 443, TARGET_ORIGIN },
        { "GET //h/x HTTP/1.1\r\nHost: h:80\r\n", "h", "//h/x", "", 80,
            TARGET_ORIGIN },
        { "GET /http://x/ HTTP/1.1\r\nHost: h\r\n", "h", "/http://x/", "", 443,
            TARGET_ORIGIN },
        { "GET http://h/a?b HTTP/1.1\r\nHost: h\r\n", "h", "/a?b", "http", 80,
            TARGET_ABSOLUTE },
        { "GET HTTP://H:80/a HTTP/1.1\r\nHost: h\r\n", "h", "/a", "http", 80,
            TARGET_ABSOLUTE },
        { "GET http://h HTTP/1.1\r\nHost: h:80\r\n", "h", "/", "http", 80,
            TARGET_ABSOLUTE },
        { "GET http://h?a/b@c HTTP/1.1\r\nHost: H.\r\n", "h", "/?a/b@c", "http",
            80, TARGET_ABSOLUTE },
        { "GET https://h:8443/ HTTP/1.1\r\nHost: h:8443\r\n", "h", "/", "https",
            8443, TARGET_ABSOLUTE },
        { "GET https://h/ HTTP/1.1\r\nHost: h\r\n", "h", "/", "https", 443,
            TARGET_ABSOLUTE },
        { "GET http://[::1]:8/ HTTP/1.1\r\nHost: [0::1]:8\r\n", "::1", "/",
            "http", 8, TARGET_ABSOLUTE },
        { "GET http://h/ HTTP/1.0\r\n", "h", "/", "http", 80, TARGET_ABSOLUTE },
        { "GET / HTTP/1.0\r\n", "", "/", "", 0, TARGET_ORIGIN },
        { "OPTIONS * HTTP/1.1\r\nHost: h\r\n", "h", "*", "", 443,
            TARGET_ASTERISK },
        { "OPTIONS http://h HTTP/1.1\r\nHost: h\r\n", "h", "*", "http", 80,
            TARGET_ABSOLUTE },
        { "OPTIONS http://h/ HTTP/1.1\r\nHost: h\r\n", "h", "/", "http", 80,
            TARGET_ABSOLUTE },
        { "CONNECT h:22 HTTP/1.1\r\nHost: h:22\r\n", "h", "", "", 22,
            TARGET_AUTHORITY },
        { "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n", "h", "", "", 443,
            TARGET_AUTHORITY },
        { "CONNECT h:443 HTTP/1.0\r\n", "h", "", "", 443, TARGET_AUTHORITY },
        { "CONNECT h:443 HTTP/1.1\r\nHost: proxy:3128\r\n", "h", "", "", 443,
            TARGET_AUTHORITY },
        { "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n", "::1", "", "",
            443, TARGET_AUTHORITY },
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct head h;
        request(arena_printf(arena, "%s\r\n", cases[i].in).p, &h);
        assert_text(h.authority.host, cases[i].host);
        assert_text(h.path, cases[i].path);
        assert_text(h.scheme, cases[i].scheme);
        assert_int_equal(h.authority.port, cases[i].port);
        assert_int_equal(h.form, cases[i].form);
        assert_int_equal(
            h.authority.kind == HOST_NONE, cases[i].host[0] == '\0');
    }
}

static void
test_request_framing_is_read(void **state)
{
    (void)state;
    struct head h;
    request(GET "\r\n", &h);
    assert_int_equal(h.body, BODY_NONE);
    request(GET "Content-Length: 0\r\n\r\n", &h);
    assert_int_equal(h.body, BODY_NONE);
    request(GET "Content-Length: 999999999999999999\r\n\r\n", &h);
    assert_int_equal(h.body, BODY_LENGTH);
    assert_true(h.length == 999999999999999999u);
    request(GET "transfer-encoding: CHUNKED\r\n\r\n", &h);
    assert_int_equal(h.body, BODY_CHUNKED);
    request("CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n"
            "Content-Length: 0\r\n\r\n",
        &h);
    assert_int_equal(h.body, BODY_NONE);
}

static void
test_connection_is_read(void **state)
{
    static const struct {
        const char *version, *fields;
        bool keep_alive;
        enum upgrade upgrade;
    } cases[] = {
        { "1.1", "", true, UPGRADE_NONE },
        { "1.1", "Connection: close\r\n", false, UPGRADE_NONE },
        { "1.1", "Connection: a, ,CLOSE ,b\r\n", false, UPGRADE_NONE },
        { "1.1", "Connection: keep-alive\r\nConnection: close\r\n", false,
            UPGRADE_NONE },
        { "1.1", "Proxy-Connection: close\r\n", true, UPGRADE_NONE },
        { "1.0", "", false, UPGRADE_NONE },
        { "1.0", "Connection: Keep-Alive\r\n", true, UPGRADE_NONE },
        { "1.0", "Connection: keep-alive, close\r\n", false, UPGRADE_NONE },
        { "1.0", "Proxy-Connection: keep-alive\r\n", false, UPGRADE_NONE },
        { "1.1", "Connection: Upgrade\r\nUpgrade: WebSocket\r\n", true,
            UPGRADE_WEBSOCKET },
        { "1.1", "Upgrade: websocket\r\n", true, UPGRADE_NONE },
        { "1.1", "Connection: upgrade\r\n", true, UPGRADE_NONE },
        { "1.1", "Connection: upgrade\r\nUpgrade: h2c\r\n", true,
            UPGRADE_OTHER },
        { "1.1", "Connection: upgrade\r\nUpgrade: websocket, h2c\r\n", true,
            UPGRADE_OTHER },
        { "1.1",
            "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n",
            true, UPGRADE_OTHER },
        { "1.0", "Connection: upgrade\r\nUpgrade: websocket\r\n", false,
            UPGRADE_NONE },
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct head h;
        request(arena_printf(arena, "GET / HTTP/%s\r\n" HOST "%s\r\n",
                    cases[i].version, cases[i].fields)
                    .p,
            &h);
        assert_int_equal(h.keep_alive, cases[i].keep_alive);
        assert_int_equal(h.upgrade, cases[i].upgrade);
    }
}

static void
test_expect_and_te_are_read(void **state)
{
    (void)state;
    struct head h;
    request(GET "Expect: 100-Continue\r\nTE: gzip;q=0.5, Trailers\r\n\r\n", &h);
    assert_true(h.expects_continue);
    assert_true(h.accepts_trailers);
    request("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", &h);
    assert_false(h.expects_continue);
    request(GET "Expect: 200-ok\r\nTE: gzip\r\n\r\n", &h);
    assert_false(h.expects_continue);
    assert_false(h.accepts_trailers);
}

static void
test_a_response_is_read(void **state)
{
    (void)state;
    struct head h;
    response("HTTP/1.1 404 Not\tFound \xe9\r\nServer: x\r\n"
             "Set-Cookie: a\r\nset-cookie: b\r\n\r\n",
        METHOD_GET, &h);
    assert_int_equal(h.status, 404);
    assert_text(h.reason, "Not\tFound \xe9");
    assert_int_equal(h.n, 3);
    const struct field *f = head_next(&h, FIELD_SET_COOKIE, NULL);
    assert_text(f->value, "a");
    f = head_next(&h, FIELD_SET_COOKIE, f);
    assert_text(f->value, "b");
    assert_null(head_next(&h, FIELD_SET_COOKIE, f));
    response("HTTP/1.1 200 \r\n\r\n", METHOD_GET, &h);
    assert_text(h.reason, "");
    response("HTTP/1.0 999\r\n\r\n", METHOD_GET, &h);
    assert_int_equal(h.status, 999);
    assert_int_equal(h.minor, 0);
}

/* RFC 9112 6.3. */
static void
test_response_framing_is_read(void **state)
{
    static const char length[] = "Content-Length: 5\r\n";
    static const char chunked[] = "Transfer-Encoding: chunked\r\n";
    static const struct {
        unsigned status;
        enum method method;
        const char *fields;
        enum body_kind body;
        bool keep_alive;
    } cases[] = {
        { 200, METHOD_GET, length, BODY_LENGTH, true },
        { 200, METHOD_GET, "Content-Length: 0\r\n", BODY_LENGTH, true },
        { 200, METHOD_GET, chunked, BODY_CHUNKED, true },
        { 200, METHOD_GET, "", BODY_UNTIL_CLOSE, false },
        { 200, METHOD_GET, "Connection: keep-alive\r\n", BODY_UNTIL_CLOSE,
            false },
        { 200, METHOD_HEAD, length, BODY_NONE, true },
        { 200, METHOD_HEAD, chunked, BODY_NONE, true },
        { 200, METHOD_HEAD, "", BODY_NONE, true },
        { 304, METHOD_GET, length, BODY_NONE, true },
        { 204, METHOD_GET, "", BODY_NONE, true },
        { 204, METHOD_GET, "Content-Length: 0\r\n", BODY_NONE, true },
        { 204, METHOD_GET, length, BODY_NONE, false },
        { 204, METHOD_GET, chunked, BODY_NONE, false },
        { 103, METHOD_GET, length, BODY_NONE, false },
        { 100, METHOD_GET, "", BODY_NONE, true },
        { 101, METHOD_GET, "", BODY_NONE, true },
        { 200, METHOD_CONNECT, length, BODY_NONE, true },
        { 299, METHOD_CONNECT, chunked, BODY_NONE, true },
        { 403, METHOD_CONNECT, length, BODY_LENGTH, true },
        { 200, METHOD_GET, "Content-Length: 5\r\nConnection: close\r\n",
            BODY_LENGTH, false },
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct head h;
        response(arena_printf(arena, "HTTP/1.1 %u x\r\n%s\r\n", cases[i].status,
                     cases[i].fields)
                     .p,
            cases[i].method, &h);
        assert_int_equal(h.body, cases[i].body);
        assert_int_equal(h.keep_alive, cases[i].keep_alive);
        if (h.body == BODY_LENGTH && cases[i].fields == length) {
            assert_int_equal(h.length, 5);
        }
    }
}

/* The end is found wherever reads are cut, and pipelined bytes stay. */
static void
test_a_head_ends_where_it_ends(void **state)
{
    (void)state;
    struct str head = STR(GET "A: b\r\n\r\n");
    struct str in = STR(GET "A: b\r\n\r\n\r\nnext\n");
    for (size_t cut = 0; cut < head.n; cut++) {
        struct h1_error err;
        size_t scanned = 0, n = 0;
        assert_int_equal(
            h1_head_end(str_n(in.p, cut), &scanned, &n, &err), H1_MORE);
        assert_int_equal(h1_head_end(in, &scanned, &n, &err), H1_OK);
        assert_int_equal(n, head.n);
    }
    struct h1_error err;
    size_t scanned = 0, n = 0;
    for (size_t cut = 0; cut < head.n; cut++) {
        assert_int_equal(
            h1_head_end(str_n(in.p, cut), &scanned, &n, &err), H1_MORE);
        assert_true(scanned <= cut && scanned + 1 >= cut);
    }
    assert_int_equal(h1_head_end(head, &scanned, &n, &err), H1_OK);
    assert_int_equal(n, head.n);
}

static void
test_field_sections_are_read(void **state)
{
    (void)state;
    struct field f[2];
    struct h1_error err;
    unsigned n;
    assert_int_equal(
        h1_parse_fields(STR("\r\n"), H1_REQUEST, f, 2, &n, &err), 0);
    assert_int_equal(n, 0);
    assert_int_equal(h1_parse_fields(STR("A: b\r\nC: d\r\n\r\n"), H1_REQUEST, f,
                         2, &n, &err),
        0);
    assert_int_equal(n, 2);
    assert_text(f[1].name, "C");
    assert_text(f[1].value, "d");
    assert_int_equal(h1_parse_fields(STR("A: b\r\nC: d\r\nE:\r\n\r\n"),
                         H1_REQUEST, f, 2, &n, &err),
        -1);
    assert_int_equal(err.kind, H1_E_FIELD_COUNT);
    assert_int_equal(
        h1_parse_fields(STR("A: b\r\n"), H1_REQUEST, f, 2, &n, &err), -1);
    assert_int_equal(
        h1_parse_fields(STR("A : b\r\n\r\n"), H1_REQUEST, f, 2, &n, &err), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_is_read),
        cmocka_unit_test(test_methods_are_known_by_case),
        cmocka_unit_test(test_targets_are_read),
        cmocka_unit_test(test_request_framing_is_read),
        cmocka_unit_test(test_connection_is_read),
        cmocka_unit_test(test_expect_and_te_are_read),
        cmocka_unit_test(test_a_response_is_read),
        cmocka_unit_test(test_response_framing_is_read),
        cmocka_unit_test(test_a_head_ends_where_it_ends),
        cmocka_unit_test(test_field_sections_are_read),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
