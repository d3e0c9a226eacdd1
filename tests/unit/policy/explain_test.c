/*
 * The sentences that decisions are told in, and ports.
 */

#include "policy/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "ask.h"
#include "policy_conf.h"

static void
ports(void **state)
{
    bind_class(state, "internet on;", "");
    decide_ask(state, "GET", "a.test", "/");
    decide_port(&decided, 443, true);
    expect_verdict("allow 9 internet");
    decide_port(&decided, 8443, false);
    expect_verdict("deny 9 ports");
    assert_int_equal(decided.port, 8443);
    assert_false(decided.may_leave);
    bind_class(state, "denied_hosts *;", "");
    decide_ask(state, "GET", "a.test", "/");
    decide_port(&decided, 8443, false);
    expect_verdict("deny 2 denied_hosts"); /* the first cause stays */
}

static void
explains(void **state, const char *method, const char *host, const char *want)
{
    struct policy_conf *pc = *state;
    decide_ask(state, method, host, "/");
    char got[512];
    snprintf(got, sizeof got, "%.*s",
        STR_ARG(decision_explain(&decided, pc->arena)));
    assert_string_equal(got, want);
    if (decided.outcome != DECIDE_ALLOW && strstr(want, "policy") != NULL) {
        assert_true(
            str_starts(str_of(want), decision_reason(&decided, pc->arena)));
    }
}

static void
sentences(void **state)
{
    struct policy_conf *pc = bind_class(state,
        "allowed_hosts *.test; denied_hosts bad.test; host h.test { }"
        "host no.test { deny *.test; } host m.test { methods PUT DELETE; }"
        "host r.test { return 403; } host text.test { return 403 no; }"
        "host later.test { return 503; } host ~ ^(a|aa)+-?\\.test { }",
        "");
    explains(state, "GET", "bad.test",
        "bad.test is blocked by egress policy: denied_hosts has \"bad.test\"; "
        "retrying will not help");
    explains(state, "GET", "a.example",
        "a.example is blocked by egress policy: it is not in allowed_hosts; "
        "retrying will not help");
    explains(state, "GET", "h.test", "h.test is served by host \"h.test\"");
    explains(state, "GET", "no.test",
        "no.test is blocked by egress policy: host \"no.test\" denies "
        "\"*.test\"; retrying will not help");
    explains(state, "GET", "m.test",
        "the method is blocked by egress policy: host \"m.test\" of m.test "
        "takes only PUT, DELETE; retrying will not help");
    explains(state, "GET", "r.test",
        "r.test is blocked by egress policy: host \"r.test\" returns 403; "
        "retrying will not help");
    explains(state, "GET", "text.test",
        "text.test is answered by host \"text.test\" and not forwarded");
    explains(state, "GET", "later.test",
        "later.test is answered by egress policy: host \"later.test\" returns "
        "503");
    explains(state, "GET", LONG "!.test",
        LONG "!.test is blocked by egress policy: a regular expression could "
             "not be run on it; retrying will not help");
    explains(state, "GET", "x.test",
        "x.test is forwarded: allowed_hosts has \"*.test\"");
    decide_port(&decided, 22, false);
    assert_true(str_eq(decision_explain(&decided, pc->arena),
        STR("port 22 of x.test is blocked by egress policy: it is not in "
            "ports; retrying will not help")));

    bind_class(state, "internet on;", "");
    explains(state, "GET", "x.test", "x.test is forwarded: internet is on");
    bind_class(state, "outbound h;", "handler h { location /x { } }");
    explains(state, "GET", "x.test",
        "x.test is blocked by egress policy: handler \"h\" would serve it, "
        "but nothing allows it to leave; retrying will not help");
    bind_class(state, "", "");
    explains(state, NULL, "x.test",
        "x.test is blocked by egress policy: nothing allows it; retrying will "
        "not help");
    bind_class(state, "host a.test { location / { deny all; } }", "");
    explains(state, "GET", "a.test",
        "a.test is blocked by egress policy: location \"/\" denies \"all\"; "
        "retrying will not help");
    decided = (struct decision){ .rule = 0 };
    expect_verdict("deny 0 none");
    assert_true(str_eq(
        decision_explain(&decided, pc->arena), STR("nothing is decided yet")));
}

static unsigned
status_of(void **state, const char *method, const char *host, const char *path)
{
    decide_ask(state, method, host, path);
    return decision_status(&decided);
}

static void
statuses(void **state)
{
    bind_class(state,
        "allowed_hosts *.test; host m.test { methods PUT; location / { } }"
        "host r.test { return 410; }",
        "");
    assert_int_equal(status_of(state, "GET", "x.test", "/"), 0);
    assert_int_equal(status_of(state, "GET", "x.example", "/"), 403);
    assert_int_equal(status_of(state, "GET", "m.test", "/"), 405);
    assert_int_equal(status_of(state, "PUT", "m.test", "/"), 0);
    assert_int_equal(status_of(state, "PUT", "m.test", "/%00"), 400);
    assert_int_equal(status_of(state, "GET", "r.test", "/"), 410);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ports),
        TEST(sentences),
        TEST(statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
