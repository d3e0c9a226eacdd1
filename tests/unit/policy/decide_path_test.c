/*
 * What a decision makes of paths and methods: locations, ambiguous paths, the
 * access rules that hold in them.
 */

#include "policy/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "ask.h"
#include "policy_conf.h"

static void
locations(void **state)
{
    bind_class(state, "allowed_hosts *;",
        "host a.test { location /admin/ { return 403; }"
        " location /deny/ { deny all; } location = /exact { methods PUT; }"
        " location ~ \\.php$ { deny all; } }");
    expect_path(state, "/", "allow 5 host");
    assert_null(decided.location);
    expect_path(state, "/admin/x", "return 5 location");
    expect_path(state, "/admin", "allow 5 host");
    expect_path(state, "/deny/x", "deny 5 location");
    assert_true(str_eq(decided.pattern, STR("all")));
    expect_path(state, "/x.php", "deny 5 location");
    expect_path(state, "/exact", "method 5 methods");
    expect_path(state, "/exact/", "allow 5 host");
    expect_path(state, "*", "allow 5 host");
    expect_connect(state, "a.test", "allow 5 host");
    assert_true(decided.may_leave);
}

static void
canonical_paths(void **state)
{
    bind_class(state, "allowed_hosts *;",
        "host a.test { location /admin/ { return 403; } }");
    expect_path(state, "/x/..//%61dmin/%7e", "return 5 location");
    assert_true(str_eq(decided.path, STR("/admin/~")));
    expect_path(state, "/./x/%7E", "allow 5 host");
    assert_true(str_eq(decided.path, STR("/x/~")));
}

/* What could mean another path to somebody else. */
static void
ambiguous_paths(void **state)
{
    static const char *const bad[] = { "/a%00b", "/a\\b", "/..;/x", "/a/..;/b",
        "/../x", "/a/../../x", "/%2e%2e/x", "/%zz", "/admin%2Fx",
        "/x%2F../%2F/../admin/", "/a%2F..%2Fadmin/", "/admin%5Cx",
        "/%5Cadmin%2Fx", "/x%2F..%2F..%2F..", "", "x" };
    bind_class(state, "allowed_hosts *;",
        "host a.test { location /admin/ { deny "
        "all; } location /files/ { } }"
        "host b.test { }");
    for (size_t i = 0; i < LEN(bad); i++) {
        decide_ask(state, "GET", "a.test", bad[i]);
        if (decided.outcome != DECIDE_BAD) {
            fail_msg("%s: %s", bad[i], "not refused");
        }
        expect_verdict("bad 5 location");
        assert_non_null(decided.detail);
        /* without locations a path passes byte for byte */
        decide_ask(state, "GET", "b.test", bad[i]);
        expect_verdict("allow 5 host");
        assert_ptr_equal(decided.path.p, bad[i]);
        assert_int_equal(decided.path.n, strlen(bad[i]));
    }
    expect_path(state, "/files/a%2fb", "allow 5 location");
    assert_true(str_eq(decided.path, STR("/files/a%2Fb")));
    expect_path(state, "/files/a%5cb", "allow 5 location");
    expect_path(state, "/x%2Fb", "allow 5 host");
    /* both must be decoded for it to lead there */
    expect_path(state, "/files%2F..%5Cadmin%2Fx", "bad 5 location");
}

/* The nearest rules hold: a location's replace those of its block. */
static void
access_in_locations(void **state)
{
    bind_class(state, "",
        "host a.test { deny all; location /open/ { allow all; }"
        " location /same/ { } }"
        "host b.test { allow all; location /x/ { allow c.test; } }"
        "host c.test { deny all; location /x/ { deny c.test; }"
        " location /y { return 404; } }"
        "host e.test { deny all; location /x/ { return 404; allow all; } }"
        "host f.test { deny all; location /x/ { deny all; } }");
    expect_path(state, "/open/", "allow 5 location");
    expect_path(state, "/same/", "deny 5 location");
    expect_path(state, "/", "deny 5 host");
    expect_connect(state, "a.test", "allow 5 host"); /* some of it may */
    assert_true(decided.may_leave);
    decide_ask(state, "GET", "b.test", "/");
    expect_verdict("allow 5 host");
    decide_ask(state, "GET", "b.test", "/x/");
    expect_verdict("deny 10 default");
    expect_connect(state, "c.test", "allow 5 host");
    assert_false(decided.may_leave);
    expect_connect(state, "e.test", "allow 5 host");
    assert_false(decided.may_leave);
    expect_connect(state, "f.test", "deny 5 host");
}

static void
methods(void **state)
{
    struct policy_conf *pc = bind_class(state, "allowed_hosts *; outbound ro;",
        "handler ro { methods GET HEAD; allow all; }"
        "host a.test { methods GET; location /put/ { methods PUT; }"
        " location /same/ { } }");
    expect_get(state, "x.test", "allow 7 outbound");
    decide_ask(state, "HEAD", "x.test", "/");
    expect_verdict("allow 7 outbound");
    decide_ask(state, "POST", "x.test", "/");
    expect_verdict("method 7 methods");
    assert_true(str_eq(decision_allow(&decided, pc->arena), STR("GET, HEAD")));
    decide_ask(state, "get", "x.test", "/");
    expect_verdict("method 7 methods");
    expect_connect(state, "x.test", "allow 7 outbound");
    expect_path(state, "/put/", "method 5 methods");
    assert_true(str_eq(decision_allow(&decided, pc->arena), STR("PUT")));
    expect_path(state, "/same/", "allow 5 location");
    decide_ask(state, "HEAD", "a.test", "/same/"); /* as it is written */
    expect_verdict("method 5 methods");
    assert_true(str_eq(decision_allow(&decided, pc->arena), STR("GET")));
    /* who may not leave is not told of methods */
    bind_class(state, "", "host a.test { methods PUT; }");
    expect_path(state, "/", "deny 10 default");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(locations),
        TEST(canonical_paths),
        TEST(ambiguous_paths),
        TEST(access_in_locations),
        TEST(methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
