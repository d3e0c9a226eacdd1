/* The field list: add, find, remove, nominate, trail. */

#include "http/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "arena_fixture.h"

/* "name=value" of all fields, in order. */
static void
assert_fields(const struct head *h, const char *want)
{
    struct str got = STR("");
    for (unsigned i = 0; i < h->n; i++) {
        got = arena_printf(arena, "%.*s%.*s=%.*s;", STR_ARG(got),
            STR_ARG(h->fields[i].name), STR_ARG(h->fields[i].value));
    }
    assert_string_equal(got.n != 0 ? got.p : "", want);
    for (unsigned id = 1; id < FIELD_COUNT; id++) {
        const struct field *first = NULL;
        for (unsigned i = h->n; i-- > 0;) {
            first = h->fields[i].id == id ? &h->fields[i] : first;
        }
        assert_ptr_equal(head_next(h, (enum field_id)id, NULL), first);
        assert_int_equal(head_has(h, (enum field_id)id), first != NULL);
    }
}

static void
add(struct head *h, const char *name, const char *value)
{
    head_add(h, str_of(name), str_of(value));
}

static void
test_fields_are_added_and_found(void **state)
{
    (void)state;
    struct head h;
    head_init(&h, arena);
    assert_fields(&h, "");
    assert_null(head_get(&h, FIELD_HOST).p);
    add(&h, "Accept", "a");
    add(&h, "X-One", "1");
    add(&h, "accept", "b");
    assert_fields(&h, "Accept=a;X-One=1;accept=b;");
    head_add_first(&h, STR("Host"), STR("h"));
    head_add_first(&h, STR("ACCEPT"), STR("0"));
    head_add_first(&h, STR("Via"), STR("v"));
    assert_fields(&h, "Via=v;ACCEPT=0;Host=h;Accept=a;X-One=1;accept=b;");
    assert_true(str_eq(head_get(&h, FIELD_ACCEPT), STR("0")));
    assert_true(str_eq(head_find(&h, STR("x_one")), STR("1")));
    assert_null(head_find(&h, STR("x")).p);
}

static void
test_many_fields(void **state)
{
    (void)state;
    struct head h;
    head_init(&h, arena);
    for (unsigned i = 0; i < 300; i++) {
        head_add(&h, i % 3 == 0 ? STR("Cookie") : STR("X"), STR("v"));
        head_add_first(&h, STR("Y"), STR("w"));
    }
    assert_int_equal(h.n, 600);
    unsigned n = 0;
    for (const struct field *f = head_next(&h, FIELD_COOKIE, NULL); f != NULL;
         f = head_next(&h, FIELD_COOKIE, f)) {
        n++;
    }
    assert_int_equal(n, 100);
    assert_int_equal(head_remove(&h, STR("Cookie")), 100);
    assert_int_equal(head_remove(&h, STR("y")), 300);
    assert_int_equal(h.n, 200);
    assert_false(head_has(&h, FIELD_COOKIE));
}

static void
test_fields_are_removed(void **state)
{
    (void)state;
    struct head h;
    head_init(&h, arena);
    add(&h, "Authorization", "a");
    add(&h, "X-Auth-Token", "b");
    add(&h, "authorization", "c");
    add(&h, "Host", "h");
    add(&h, "x_auth_token", "d");
    add(&h, "X-AUTH_TOKEN", "e");
    add(&h, "X-Auth-Tokens", "f");
    assert_int_equal(head_remove(&h, STR("x-auth-token")), 3);
    assert_int_equal(head_remove(&h, STR("AUTHORIZATION")), 2);
    assert_int_equal(head_remove(&h, STR("Cookie")), 0);
    assert_int_equal(head_remove(&h, STR("x-none")), 0);
    assert_fields(&h, "Host=h;X-Auth-Tokens=f;");
    head_set(&h, STR("Host"), STR("i"));
    assert_fields(&h, "X-Auth-Tokens=f;Host=i;");
    head_set(&h, STR("X_Auth_Tokens"), STR("g"));
    assert_fields(&h, "Host=i;X_Auth_Tokens=g;");
}

/* A known name in the underscore spelling goes with it, and alone. */
static void
test_underscore_spellings_are_removed(void **state)
{
    (void)state;
    struct head h;
    head_init(&h, arena);
    add(&h, "Proxy_Authorization", "a");
    add(&h, "User-Agent", "u");
    assert_int_equal(head_remove(&h, STR("Proxy-Authorization")), 1);
    add(&h, "Proxy-Authorization", "b");
    assert_int_equal(head_remove(&h, STR("proxy_authorization")), 1);
    assert_fields(&h, "User-Agent=u;");
    head_init(&h, arena);
    head_add_first(&h, STR("user_agent"), STR("a"));
    assert_int_equal(head_remove(&h, STR("User-Agent")), 1);
    assert_fields(&h, "");
}

static void
test_prefixes_are_removed(void **state)
{
    (void)state;
    struct head h;
    head_init(&h, arena);
    add(&h, "Proxy-Authorization", "a");
    add(&h, "Host", "h");
    add(&h, "proxy_x", "b");
    add(&h, "Proxy", "c");
    assert_int_equal(head_remove_prefix(&h, STR("Proxy-")), 2);
    assert_fields(&h, "Host=h;Proxy=c;");
}

static void
test_digests_are_removed(void **state)
{
    struct head h;
    (void)state;
    head_init(&h, arena);
    head_add(&h, STR("Content-Digest"), STR("1"));
    head_add(&h, STR("repr_digest"), STR("2"));
    head_add(&h, STR("ETag"), STR("3"));
    head_add(&h, STR("Digest"), STR("4"));
    head_add(&h, STR("content-md5"), STR("5"));
    assert_true(head_add_trailer(&h, STR("Digest"), STR("6")));
    assert_true(head_add_trailer(&h, STR("X-Sum"), STR("7")));
    head_remove_digests(&h);
    assert_fields(&h, "ETag=3;");
    assert_int_equal(h.n_trailers, 1);
    assert_true(str_eq(h.trailers[0].name, STR("X-Sum")));
}

static void
test_lists_are_searched(void **state)
{
    (void)state;
    struct head h;
    head_init(&h, arena);
    add(&h, "TE", "gzip;q=1, deflate");
    add(&h, "TE", " , Trailers ;q=0.5");
    assert_true(head_list_has(&h, FIELD_TE, STR("trailers")));
    assert_true(head_list_has(&h, FIELD_TE, STR("gzip")));
    assert_true(head_list_has(&h, FIELD_TE, STR("deflate")));
    assert_false(head_list_has(&h, FIELD_TE, STR("q=1")));
    assert_false(head_list_has(&h, FIELD_TE, STR("trailer")));
    assert_false(head_list_has(&h, FIELD_CONNECTION, STR("gzip")));
}

static void
test_hop_by_hop_fields_go(void **state)
{
    (void)state;
    struct head h;
    head_init(&h, arena);
    add(&h, "Connection", "close, X-One");
    add(&h, "X-Two", "2");
    add(&h, "x-one", "1");
    add(&h, "x_one", "stays: it is another name to nominate");
    add(&h, "Keep-Alive", "timeout=5");
    add(&h, "Proxy-Connection", "keep-alive");
    add(&h, "connection", "authorization");
    add(&h, "Authorization", "a");
    add(&h, "TE", "trailers");
    add(&h, "Trailer", "X-Sum");
    add(&h, "Transfer-Encoding", "chunked");
    add(&h, "Upgrade", "h2c");
    add(&h, "HTTP2-Settings", "x");
    add(&h, "Content-Length", "1");
    head_remove_hop_by_hop(&h);
    assert_fields(&h,
        "X-Two=2;x_one=stays: it is another name to nominate;Trailer=X-Sum;"
        "Content-Length=1;");
    add(&h, "Authorization", "weir's own");
    assert_true(head_has(&h, FIELD_AUTHORIZATION));
}

static void
test_trailers_that_may_not_be(void **state)
{
    static const char *const names[] = { "Content-Length", "content_length",
        "Transfer-Encoding", "Host", "Authorization", "Proxy-Anything",
        "proxy_authorization", "Cookie", "Set-Cookie", "Content-Encoding",
        "Content-Type", "Content-Range", "Trailer", "TE", "Connection",
        "Upgrade", "If-Match", "Cache-Control", "Expect", "X-HTTP-Method",
        "X_HTTP_Method_Override", "X-Original-URL", "X-Forwarded-For" };
    (void)state;
    struct head h;
    head_init(&h, arena);
    for (size_t i = 0; i < LEN(names); i++) {
        assert_false(head_add_trailer(&h, str_of(names[i]), STR("v")));
    }
    assert_true(head_add_trailer(&h, STR("X-Checksum"), STR("v")));
    assert_true(head_add_trailer(&h, STR("Digest"), STR("v")));
    assert_true(head_add_trailer(&h, STR("grpc-status"), STR("0")));
    assert_int_equal(h.n_trailers, 3);
}

/* A client may not bring behind its body what was taken from its head. */
static void
test_removed_names_may_not_trail(void **state)
{
    (void)state;
    struct head h;
    head_init(&h, arena);
    assert_true(head_add_trailer(&h, STR("x_auth_token"), STR("a")));
    assert_true(head_add_trailer(&h, STR("X-Sum"), STR("a")));
    assert_int_equal(head_remove(&h, STR("X-Auth-Token")), 1);
    assert_int_equal(h.n_trailers, 1);
    head_set(&h, STR("X-Other"), STR("weir's"));
    head_remove_prefix(&h, STR("x-weir-"));
    assert_false(head_add_trailer(&h, STR("x-auth_token"), STR("b")));
    assert_false(head_add_trailer(&h, STR("x-other"), STR("b")));
    assert_false(head_add_trailer(&h, STR("X-Weir-Id"), STR("b")));
    for (unsigned i = 0; i < 20; i++) {
        assert_true(head_add_trailer(&h, STR("X-Weird"), STR("b")));
    }
    assert_int_equal(h.n_trailers, 21);
    assert_true(str_eq(h.trailers[0].name, STR("X-Sum")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_are_added_and_found),
        cmocka_unit_test(test_many_fields),
        cmocka_unit_test(test_fields_are_removed),
        cmocka_unit_test(test_underscore_spellings_are_removed),
        cmocka_unit_test(test_prefixes_are_removed),
        cmocka_unit_test(test_digests_are_removed),
        cmocka_unit_test(test_lists_are_searched),
        cmocka_unit_test(test_hop_by_hop_fields_go),
        cmocka_unit_test(test_trailers_that_may_not_be),
        cmocka_unit_test(test_removed_names_may_not_trail),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
