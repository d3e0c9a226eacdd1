/*
 * SPEC 5: each of the ten rules, who may leave by them, what a CONNECT and
 * what a request are told, locations, methods, and the sentences.
 */

#include "sandbox/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "policy_conf.h"
#include "sandbox/block.h"

static struct decision d; /* the last one */
static struct addr literal;

static void
ask(void **state, const char *method, const char *host, const char *path)
{
    struct policy_conf *pc = *state; /* first in the fixture */
    struct decide_query q = { .sandbox = sandbox_set_nth(pc->set, 0),
        .host = str_of(host),
        .is_request = method != NULL,
        .method = str_of(method),
        .path = str_of(path),
        .arena = pc->arena };
    if (addr_parse(q.host, &literal)) {
        q.literal = &literal;
    }
    decide(&q, &d);
    assert_ptr_equal(d.sandbox, q.sandbox);
    assert_true(str_eq(d.host, q.host));
}

static const char *
outcome(void)
{
    static const char *const names[] = { [DECIDE_DENY] = "deny",
        [DECIDE_ALLOW] = "allow",
        [DECIDE_RETURN] = "return",
        [DECIDE_METHOD] = "method",
        [DECIDE_BAD] = "bad" };
    return names[d.outcome];
}

/* "allow 5 host": outcome, rule, name. */
static void
verdict(const char *want)
{
    char got[64];
    snprintf(
        got, sizeof got, "%s %u %s", outcome(), d.rule, decision_rule_name(&d));
    assert_string_equal(got, want);
}

static void
get(void **state, const char *host, const char *want)
{
    ask(state, "GET", host, "/");
    verdict(want);
    assert_int_equal(d.may_leave, d.outcome == DECIDE_ALLOW);
}

static void
connects(void **state, const char *host, const char *want)
{
    ask(state, NULL, host, NULL);
    verdict(want);
}

static void
both(void **state, const char *host, const char *want)
{
    get(state, host, want);
    connects(state, host, want);
    assert_int_equal(d.may_leave, d.outcome == DECIDE_ALLOW);
}

static void
path(void **state, const char *target, const char *want)
{
    ask(state, "GET", "a.test", target);
    verdict(want);
}

#define BOX " sandbox box { class k; }"

static struct policy_conf *
binds(void **state, const char *class, const char *shared)
{
    struct policy_conf *pc = *state;
    struct str text = arena_printf(
        pc->arena, "sandbox_class k { %s }" BOX " %s", class, shared);
    return policy_binds(state, text.p);
}

static void
rule_1_malformed(void **state)
{
    struct policy_conf *pc = binds(state, "internet on; denied_hosts *;", "");
    struct decide_query q = { .sandbox = sandbox_set_nth(pc->set, 0),
        .host = STR("a.test"),
        .malformed = "two Host fields" };
    decide(&q, &d);
    verdict("bad 1 request");
    assert_string_equal(d.detail, "two Host fields");
    struct str s = decision_explain(&d, pc->arena);
    assert_true(str_eq(s, STR("the request is malformed: two Host fields; "
                              "sending it again unchanged will not help")));
}

static void
rule_2_denied_hosts(void **state)
{
    binds(state,
        "allowed_hosts *; internet on; denied_hosts *.bad.test 10.0.0.0/8;"
        "host x.bad.test { return 200; }",
        "");
    both(state, "a.bad.test", "deny 2 denied_hosts");
    assert_true(str_eq(d.pattern, STR("*.bad.test")));
    both(state, "x.bad.test", "deny 2 denied_hosts");
    both(state, "10.1.1.1", "deny 2 denied_hosts");
    both(state, "bad.test", "allow 8 allowed_hosts");
    policy_binds(state,
        "sandbox box { class k; denied_hosts own.test; }"
        "sandbox_class k { internet on; denied_hosts k.test; }");
    both(state, "own.test", "deny 2 denied_hosts");
    both(state, "k.test", "deny 2 denied_hosts");
    both(state, "a.test", "allow 9 internet");
}

static void
rule_3_not_allowed(void **state)
{
    binds(state,
        "internet on; allowed_hosts a.test 10.0.0.1;"
        "host b.test { return 200; allow all; }",
        "");
    both(state, "b.test", "deny 3 allowed_hosts");
    both(state, "c.test", "deny 3 allowed_hosts");
    both(state, "a.test", "allow 8 allowed_hosts");
    both(state, "10.0.0.1", "allow 8 allowed_hosts");
    both(state, "10.0.0.2", "deny 3 allowed_hosts");
    binds(state, "internet on; allowed_hosts;", "");
    both(state, "a.test", "deny 3 allowed_hosts");
}

/* Rules 4 and 6 are set at run time: here by hand. */
static struct policy *
own_policy(void **state)
{
    struct policy_conf *pc = *state;
    struct sandbox *sb = sandbox_set_nth(pc->set, 0);
    struct policy *p = arena_alloc(pc->arena, sizeof *p);
    *p = *sb->policy;
    sb->policy = p;
    return p;
}

static void
rule_4_outbound_by_host(void **state)
{
    binds(state, "host *.test { return 200; }",
        "handler h { } handler no { deny all; } handler pass { proxy_pass; }");
    struct pattern_set *set = pattern_set_new(PATTERN_LIST);
    struct pattern_error err;
    void *h = block_of(policy_egress(state, 2));
    assert_true(pattern_set_add(set, STR("*.a.test"), h, &err));
    assert_true(pattern_set_add(
        set, STR("no.test"), block_of(policy_egress(state, 3)), &err));
    assert_true(pattern_set_add(
        set, STR("pass.test"), block_of(policy_egress(state, 4)), &err));
    pattern_set_compile(set);
    struct policy *p = own_policy(state);
    p->outbound_by_host = set;
    /* set by name: that alone lets it leave, to proxy_pass too */
    both(state, "x.a.test", "allow 4 outbound_by_host");
    assert_ptr_equal(d.block, h);
    assert_ptr_equal(d.where, d.block->scope);
    assert_true(str_eq(d.pattern, STR("*.a.test")));
    both(state, "no.test", "deny 4 outbound_by_host");
    both(state, "pass.test", "allow 4 outbound_by_host");
    get(state, "y.test", "return 5 host");
    pattern_set_free(set);
}

static void
rule_5_host(void **state)
{
    binds(state, "host own.test { } host both.test { }",
        "host both.test { return 403; } host shared.test { }"
        "host own.example { allow all; }");
    both(state, "own.test", "allow 5 host");
    assert_true(str_eq(d.block->name, STR("own.test")));
    assert_ptr_equal(d.where, d.block->scope);
    assert_null(d.location);
    both(state, "both.test", "allow 5 host"); /* the class's own first */
    both(state, "own.example", "allow 5 host");
    /* nothing lets it leave: rule 10 */
    both(state, "shared.test", "deny 10 default");
    both(state, "none.test", "deny 10 default");
    assert_null(d.block);
    assert_null(d.where);
}

static void
rule_6_outbound(void **state)
{
    binds(state, "internet on; outbound no; handler no { deny all; }",
        "host a.test { } handler h { }");
    struct policy *p = own_policy(state);
    p->outbound = block_of(policy_egress(state, 3));
    both(state, "x.test", "allow 6 outbound");
    assert_ptr_equal(d.block, p->outbound);
    both(state, "a.test", "allow 5 host");
    p->internet = false;
    both(state, "x.test", "deny 10 default");
}

static void
rule_7_class_outbound(void **state)
{
    binds(state, "internet on; outbound h;", "handler h { deny evil.test; }");
    both(state, "x.test", "allow 7 outbound");
    both(state, "evil.test", "deny 7 outbound");
    assert_true(str_eq(d.pattern, STR("evil.test")));
    binds(state, "allowed_hosts *.test; outbound h;", "handler h { }");
    both(state, "x.test", "allow 7 outbound");
    binds(state, "outbound h;", "handler h { }");
    both(state, "x.test", "deny 10 default");
    binds(state, "outbound h; handler h { }", "");
    both(state, "x.test", "allow 7 outbound");
}

static void
rules_8_to_10(void **state)
{
    binds(state, "allowed_hosts *.test;", "");
    both(state, "a.test", "allow 8 allowed_hosts");
    assert_true(str_eq(d.pattern, STR("*.test")));
    assert_null(d.where);
    binds(state, "internet on;", "");
    both(state, "a.test", "allow 9 internet");
    binds(state, "", "");
    both(state, "a.test", "deny 10 default");
    /* the nearest says whether it is on */
    policy_binds(state, "sandbox box { class k; internet on; }"
                        "sandbox_class k { internet off; }");
    both(state, "a.test", "allow 9 internet");
}

/* Rules 4 to 7 choose how, not whether. */
static void
who_may_leave(void **state)
{
    static const char shared[] =
        "host a.test { }"
        "host pass.test { proxy_pass; }"
        "host deep.test { location /x { proxy_pass; } }"
        "host allow.test { allow allow.test; }"
        "host other.test { allow x.test; }"
        "host no.test { deny all; }"
        "host pallow.test { proxy_pass; allow all; }";
    binds(state, "", shared);
    both(state, "a.test", "deny 10 default");
    both(state, "allow.test", "allow 5 host");
    both(state, "other.test", "deny 10 default");
    both(state, "no.test", "deny 5 host");
    both(state, "pallow.test", "allow 5 host");
    binds(state, "internet on;", shared);
    both(state, "a.test", "allow 5 host");
    both(state, "pass.test", "deny 10 default"); /* never by internet alone */
    both(state, "deep.test", "deny 10 default");
    both(state, "no.test", "deny 5 host");
    both(state, "pallow.test", "allow 5 host");
    binds(state, "allowed_hosts *.test;", shared);
    both(state, "a.test", "allow 5 host");
    both(state, "pass.test", "allow 5 host");
    both(state, "other.test", "allow 5 host");
    both(state, "no.test", "deny 5 host");
    binds(state, shared, "");
    both(state, "a.test", "allow 5 host"); /* inside the class */
    both(state, "pass.test", "allow 5 host");
    both(state, "other.test", "allow 5 host");
    both(state, "no.test", "deny 5 host");
}

static void
returns_need_no_permission(void **state)
{
    const struct value *text;
    struct str s;
    binds(state, "",
        "host a.test { return 451 gone; deny all; methods PUT; }"
        "host b.test { location /r { return 403; } }"
        "host c.test { return 200; location / { return 404; } }");
    get(state, "a.test", "return 5 host");
    assert_int_equal(decision_return(&d, &text), 451);
    assert_true(value_is_literal(text, &s));
    assert_true(str_eq(s, STR("gone")));
    /* the CONNECT goes on so that the request inside is answered */
    connects(state, "a.test", "allow 5 host");
    assert_false(d.may_leave);
    assert_int_equal(d.reason, REASON_BLOCK_RETURN);
    connects(state, "b.test", "allow 5 host");
    assert_false(d.may_leave);
    ask(state, "GET", "b.test", "/r");
    verdict("return 5 location");
    assert_ptr_equal(d.where, d.location->scope);
    assert_int_equal(decision_return(&d, &text), 403);
    assert_null(text);
    ask(state, "GET", "b.test", "/");
    verdict("deny 10 default");
    /* a block's own goes before its locations', as in nginx */
    get(state, "c.test", "return 5 host");
    assert_int_equal(decision_return(&d, &text), 200);
    assert_ptr_equal(d.where, d.block->scope);
}

static void
locations(void **state)
{
    binds(state, "allowed_hosts *;",
        "host a.test { location /admin/ { return 403; }"
        " location /deny/ { deny all; } location = /exact { methods PUT; }"
        " location ~ \\.php$ { deny all; } }");
    path(state, "/", "allow 5 host");
    assert_null(d.location);
    path(state, "/admin/x", "return 5 location");
    path(state, "/x/..//%61dmin/%7e", "return 5 location");
    assert_true(str_eq(d.path, STR("/admin/~")));
    path(state, "/admin", "allow 5 host");
    path(state, "/deny/x", "deny 5 location");
    assert_true(str_eq(d.pattern, STR("all")));
    path(state, "/x.php", "deny 5 location");
    path(state, "/exact", "method 5 methods");
    path(state, "/exact/", "allow 5 host");
    path(state, "*", "allow 5 host");
    connects(state, "a.test", "allow 5 host");
    assert_true(d.may_leave);
}

/* What could mean another path to somebody else. */
static void
ambiguous_paths(void **state)
{
    static const char *const bad[] = { "/a%00b", "/a\\b", "/..;/x", "/a/..;/b",
        "/../x", "/a/../../x", "/%2e%2e/x", "/%zz", "/admin%2Fx",
        "/x%2F../%2F"
        "/../admin/",
        "/a%2F..%2Fadmin/", "/admin%5Cx", "/%5Cadmin%2Fx", "/x%2F..%2F..%2F..",
        "", "x" };
    binds(state, "allowed_hosts *;",
        "host a.test { location /admin/ { deny "
        "all; } location /files/ { } }"
        "host b.test { }");
    for (size_t i = 0; i < LEN(bad); i++) {
        ask(state, "GET", "a.test", bad[i]);
        if (d.outcome != DECIDE_BAD) {
            fail_msg("%s: %s", bad[i], outcome());
        }
        verdict("bad 5 location");
        assert_non_null(d.detail);
        /* without locations a path passes byte for byte */
        ask(state, "GET", "b.test", bad[i]);
        verdict("allow 5 host");
        assert_ptr_equal(d.path.p, bad[i]);
        assert_int_equal(d.path.n, strlen(bad[i]));
    }
    path(state, "/files/a%2fb", "allow 5 location");
    assert_true(str_eq(d.path, STR("/files/a%2Fb")));
    path(state, "/files/a%5cb", "allow 5 location");
    path(state, "/x%2Fb", "allow 5 host");
    /* both must be decoded for it to lead there */
    path(state, "/files%2F..%5Cadmin%2Fx", "bad 5 location");
}

/* The nearest rules hold: a location's replace those of its block. */
static void
access_in_locations(void **state)
{
    binds(state, "",
        "host a.test { deny all; location /open/ { allow all; }"
        " location /same/ { } }"
        "host b.test { allow all; location /x/ { allow c.test; } }"
        "host c.test { deny all; location /x/ { deny c.test; }"
        " location /y { return 404; } }"
        "host e.test { deny all; location /x/ { return 404; allow all; } }"
        "host f.test { deny all; location /x/ { deny all; } }");
    path(state, "/open/", "allow 5 location");
    path(state, "/same/", "deny 5 location");
    path(state, "/", "deny 5 host");
    connects(state, "a.test", "allow 5 host"); /* some of it may */
    assert_true(d.may_leave);
    ask(state, "GET", "b.test", "/");
    verdict("allow 5 host");
    ask(state, "GET", "b.test", "/x/");
    verdict("deny 10 default");
    connects(state, "c.test", "allow 5 host");
    assert_false(d.may_leave);
    connects(state, "e.test", "allow 5 host");
    assert_false(d.may_leave);
    connects(state, "f.test", "deny 5 host");
}

static void
methods(void **state)
{
    struct policy_conf *pc = binds(state, "allowed_hosts *; outbound ro;",
        "handler ro { methods GET HEAD; allow all; }"
        "host a.test { methods GET; location /put/ { methods PUT; }"
        " location /same/ { } }");
    get(state, "x.test", "allow 7 outbound");
    ask(state, "HEAD", "x.test", "/");
    verdict("allow 7 outbound");
    ask(state, "POST", "x.test", "/");
    verdict("method 7 methods");
    assert_true(str_eq(decision_allow(&d, pc->arena), STR("GET, HEAD")));
    ask(state, "get", "x.test", "/");
    verdict("method 7 methods");
    connects(state, "x.test", "allow 7 outbound");
    path(state, "/put/", "method 5 methods");
    assert_true(str_eq(decision_allow(&d, pc->arena), STR("PUT")));
    path(state, "/same/", "allow 5 location");
    ask(state, "HEAD", "a.test", "/same/"); /* as it is written */
    verdict("method 5 methods");
    assert_true(str_eq(decision_allow(&d, pc->arena), STR("GET")));
    /* who may not leave is not told of methods */
    binds(state, "", "host a.test { methods PUT; }");
    path(state, "/", "deny 10 default");
}

#define LONG                                                                   \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void
regexes(void **state)
{
    binds(state, "internet on; host ~ ^(a|aa)+$ { }",
        "host ~ (?<tenant>[a-z]+)\\.vcs { }"
        "host r.test { location ~ ^/(a|aa)+$ { } }");
    get(state, "acme.vcs", "allow 5 host");
    assert_true(d.has_captures);
    assert_true(str_eq(d.captures.capture[1], STR("acme")));
    both(state, LONG "-", "deny 5 host");
    assert_int_equal(d.reason, REASON_REGEX);
    get(state, "aaa", "allow 5 host");
    assert_true(d.has_captures);
    get(state, "r.test", "allow 5 host");
    assert_false(d.has_captures);
    ask(state, "GET", "r.test", "/" LONG "!");
    verdict("deny 5 host");
    assert_int_equal(d.reason, REASON_REGEX);
}

/* SPEC 5: NAT64 and its like are judged as the IPv4 that they carry. */
static void
addresses_in_addresses(void **state)
{
    binds(state, "internet on; denied_hosts 10.0.0.0/8 64:ff9b::c000:201;",
        "host 192.0.2.9 { return 403; } host 192.0.2.8 { deny 192.0.2.8; }");
    both(state, "64:ff9b::a01:203", "deny 2 denied_hosts");
    both(state, "2002:a01:203::1", "deny 2 denied_hosts");
    both(state, "64:ff9b::c000:201", "deny 2 denied_hosts");
    both(state, "192.0.2.1", "allow 9 internet");
    get(state, "64:ff9b::c000:209", "return 5 host");
    get(state, "64:ff9b::c000:208", "deny 5 host");
    both(state, "64:ff9b::808:808", "allow 9 internet");
    binds(state, "allowed_hosts 192.0.2.0/24;", "");
    both(state, "64:ff9b::c000:201", "allow 8 allowed_hosts");
    both(state, "64:ff9b::808:808", "deny 3 allowed_hosts");
    binds(state, "",
        "handler h { deny 192.0.2.0/24; allow all; }"
        "handler g { allow 192.0.2.0/24; }");
    struct policy *p = own_policy(state);
    p->outbound = block_of(policy_egress(state, 2));
    both(state, "64:ff9b::c000:201", "deny 6 outbound");
    assert_true(str_eq(d.pattern, STR("192.0.2.0/24")));
    both(state, "64:ff9b::808:808", "allow 6 outbound");
    p->outbound = block_of(policy_egress(state, 3));
    both(state, "64:ff9b::c000:201", "allow 6 outbound");
    both(state, "64:ff9b::808:808", "deny 10 default");
}

static void
shared_by_class(void **state)
{
    policy_binds(state, "sandbox box { class k; }"
                        "sandbox_class k { } sandbox_class l { }"
                        "host k.test { classes k; allow all; }"
                        "host l.test { classes l; allow all; }"
                        "host any.test { classes any; allow all; }");
    both(state, "k.test", "allow 5 host");
    both(state, "l.test", "deny 10 default");
    assert_null(d.block);
    both(state, "any.test", "allow 5 host");
}

static void
ports(void **state)
{
    binds(state, "internet on;", "");
    ask(state, "GET", "a.test", "/");
    decide_port(&d, 443, true);
    verdict("allow 9 internet");
    decide_port(&d, 8443, false);
    verdict("deny 9 ports");
    assert_int_equal(d.port, 8443);
    assert_false(d.may_leave);
    binds(state, "denied_hosts *;", "");
    ask(state, "GET", "a.test", "/");
    decide_port(&d, 8443, false);
    verdict("deny 2 denied_hosts"); /* the first cause stays */
}

static void
explains(void **state, const char *method, const char *host, const char *want)
{
    struct policy_conf *pc = *state;
    ask(state, method, host, "/");
    char got[512];
    snprintf(got, sizeof got, "%.*s", STR_ARG(decision_explain(&d, pc->arena)));
    assert_string_equal(got, want);
}

static void
sentences(void **state)
{
    struct policy_conf *pc = binds(state,
        "allowed_hosts *.test; denied_hosts bad.test; host h.test { }"
        "host no.test { deny *.test; } host m.test { methods PUT DELETE; }"
        "host r.test { return 403; } host ~ ^(a|aa)+-?\\.test { }",
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
        "r.test is answered by host \"r.test\" and not forwarded");
    explains(state, "GET", LONG "!.test",
        LONG "!.test is blocked by egress policy: a regular expression could "
             "not be run on it; retrying will not help");
    explains(state, "GET", "x.test",
        "x.test is forwarded: allowed_hosts has \"*.test\"");
    decide_port(&d, 22, false);
    assert_true(str_eq(decision_explain(&d, pc->arena),
        STR("port 22 of x.test is blocked by egress policy: it is not in "
            "ports; retrying will not help")));

    binds(state, "internet on;", "");
    explains(state, "GET", "x.test", "x.test is forwarded: internet is on");
    binds(state, "outbound h;", "handler h { location /x { } }");
    explains(state, "GET", "x.test",
        "x.test is blocked by egress policy: handler \"h\" would serve it, "
        "but nothing allows it to leave; retrying will not help");
    binds(state, "", "");
    explains(state, NULL, "x.test",
        "x.test is blocked by egress policy: nothing allows it; retrying will "
        "not help");
    binds(state, "host a.test { location / { deny all; } }", "");
    explains(state, "GET", "a.test",
        "a.test is blocked by egress policy: location \"/\" denies \"all\"; "
        "retrying will not help");
    d = (struct decision){ .rule = 0 };
    verdict("deny 0 none");
    assert_true(
        str_eq(decision_explain(&d, pc->arena), STR("nothing is decided yet")));
}

/* SPEC 15, as far as this room has its directives. */
static void
configuration_of_the_spec(void **state)
{
    policy_file(state, "demo.token", STR("demo\n"));
    policy_binds(state,
        "handler allow_hosts { allow $param_allowed_hostnames; deny all; }"
        "handler no_http { return 403; }"
        "handler read_only { methods GET HEAD; allow all; }"
        "sandbox_class agent { internet off;"
        " allowed_hosts github.com *.github.com *.npmjs.org llm.example"
        " *.vcs.example my.kv pinned.example;"
        " denied_hosts gist.github.com; header_slots 6; }"
        "sandbox demo { class agent; token file:demo.token;"
        " address 10.1.0.7; }"
        "host github.com api.github.com {"
        " location /admin/ { return 403; } }"
        "host ~ (?<tenant>[a-z0-9-]+)\\.vcs\\.example { value $tenant; }"
        "host llm.example { }"
        "host my.kv { proxy_pass; }"
        "host pinned.example { }");
    both(state, "github.com", "allow 5 host");
    both(state, "api.github.com", "allow 5 host");
    both(state, "gist.github.com", "deny 2 denied_hosts");
    both(state, "raw.github.com", "allow 8 allowed_hosts");
    both(state, "registry.npmjs.org", "allow 8 allowed_hosts");
    both(state, "npmjs.org", "deny 3 allowed_hosts");
    both(state, "acme.vcs.example", "allow 5 host");
    both(state, "my.kv", "allow 5 host");
    both(state, "example.com", "deny 3 allowed_hosts");
    ask(state, "GET", "github.com", "/admin/users");
    verdict("return 5 location");
}

#define TEST(f)                                                                \
    cmocka_unit_test_setup_teardown(f, policy_set_up, policy_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rule_1_malformed),
        TEST(rule_2_denied_hosts),
        TEST(rule_3_not_allowed),
        TEST(rule_4_outbound_by_host),
        TEST(rule_5_host),
        TEST(rule_6_outbound),
        TEST(rule_7_class_outbound),
        TEST(rules_8_to_10),
        TEST(who_may_leave),
        TEST(returns_need_no_permission),
        TEST(locations),
        TEST(ambiguous_paths),
        TEST(access_in_locations),
        TEST(methods),
        TEST(regexes),
        TEST(addresses_in_addresses),
        TEST(shared_by_class),
        TEST(ports),
        TEST(sentences),
        TEST(configuration_of_the_spec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
