/*
 * SPEC 5: each of the ten rules, who may leave by them, what a CONNECT and
 * what a request are told.
 */

#include "policy/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "ask.h"
#include "policy_conf.h"
#include "policy/block.h"

static void
rule_1_malformed(void **state)
{
    struct policy_conf *pc =
        bind_class(state, "internet on; denied_hosts *;", "");
    struct decide_query q = { .policy = policy_sandbox(pc, 0)->policy,
        .host = STR("a.test"),
        .malformed = "two Host fields" };
    decide(&q, &decided);
    expect_verdict("bad 1 request");
    assert_string_equal(decided.detail, "two Host fields");
    struct str s = decision_explain(&decided, pc->arena);
    assert_true(str_eq(s, STR("the request is malformed: two Host fields; "
                              "sending it again unchanged will not help")));
}

static void
rule_2_denied_hosts(void **state)
{
    bind_class(state,
        "allowed_hosts *; internet on; denied_hosts *.bad.test 10.0.0.0/8;"
        "host x.bad.test { return 200; }",
        "");
    expect_both(state, "a.bad.test", "deny 2 denied_hosts");
    assert_true(str_eq(decided.pattern, STR("*.bad.test")));
    expect_both(state, "x.bad.test", "deny 2 denied_hosts");
    expect_both(state, "10.1.1.1", "deny 2 denied_hosts");
    expect_both(state, "bad.test", "allow 8 allowed_hosts");
    policy_binds(state,
        "sandbox box { class k; denied_hosts own.test; }"
        "sandbox_class k { internet on; denied_hosts k.test; }");
    expect_both(state, "own.test", "deny 2 denied_hosts");
    expect_both(state, "k.test", "deny 2 denied_hosts");
    expect_both(state, "a.test", "allow 9 internet");
}

static void
rule_3_not_allowed(void **state)
{
    bind_class(state,
        "internet on; allowed_hosts a.test 10.0.0.1;"
        "host b.test { return 200; allow all; }",
        "");
    expect_both(state, "b.test", "deny 3 allowed_hosts");
    expect_both(state, "c.test", "deny 3 allowed_hosts");
    expect_both(state, "a.test", "allow 8 allowed_hosts");
    expect_both(state, "10.0.0.1", "allow 8 allowed_hosts");
    expect_both(state, "10.0.0.2", "deny 3 allowed_hosts");
    bind_class(state, "internet on; allowed_hosts;", "");
    expect_both(state, "a.test", "deny 3 allowed_hosts");
}

/* Rules 4 and 6 are set at run time: here by hand. */
static struct policy *
own_policy(void **state)
{
    struct policy_conf *pc = *state;
    struct sandbox *sb = policy_sandbox(pc, 0);
    struct policy *p = policy_new(sb->policy);
    policy_unref(sb->policy);
    sb->policy = p;
    return p;
}

static void
rule_4_outbound_by_host(void **state)
{
    bind_class(state, "host *.test { return 200; }",
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
    p->outbound_by_host = set; /* and its reference */
    /* set by name: that alone lets it leave, to proxy_pass too */
    expect_both(state, "x.a.test", "allow 4 outbound_by_host");
    assert_ptr_equal(decided.block, h);
    assert_ptr_equal(decided.where, decided.block->scope);
    assert_true(str_eq(decided.pattern, STR("*.a.test")));
    expect_both(state, "no.test", "deny 4 outbound_by_host");
    expect_both(state, "pass.test", "allow 4 outbound_by_host");
    expect_get(state, "y.test", "return 5 host");
}

static void
rule_5_host(void **state)
{
    bind_class(state, "host own.test { } host both.test { }",
        "host both.test { return 403; } host shared.test { }"
        "host own.example { allow all; }");
    expect_both(state, "own.test", "allow 5 host");
    assert_true(str_eq(decided.block->name, STR("own.test")));
    assert_ptr_equal(decided.where, decided.block->scope);
    assert_null(decided.location);
    expect_both(state, "both.test", "allow 5 host"); /* the class's own first */
    expect_both(state, "own.example", "allow 5 host");
    /* nothing lets it leave: rule 10 */
    expect_both(state, "shared.test", "deny 10 default");
    expect_both(state, "none.test", "deny 10 default");
    assert_null(decided.block);
    assert_null(decided.where);
}

static void
rule_6_outbound(void **state)
{
    bind_class(state, "internet on; outbound no; handler no { deny all; }",
        "host a.test { } handler h { }");
    struct policy *p = own_policy(state);
    p->outbound = block_of(policy_egress(state, 3));
    expect_both(state, "x.test", "allow 6 outbound");
    assert_ptr_equal(decided.block, p->outbound);
    expect_both(state, "a.test", "allow 5 host");
    p->internet = false;
    expect_both(state, "x.test", "deny 10 default");
}

static void
rule_7_class_outbound(void **state)
{
    bind_class(
        state, "internet on; outbound h;", "handler h { deny evil.test; }");
    expect_both(state, "x.test", "allow 7 outbound");
    expect_both(state, "evil.test", "deny 7 outbound");
    assert_true(str_eq(decided.pattern, STR("evil.test")));
    bind_class(state, "outbound h;", "handler h { allow a.test; deny all; }");
    expect_both(state, "a.test", "allow 7 outbound");
    expect_both(state, "x.test", "deny 7 outbound");
    bind_class(state, "allowed_hosts *.test; outbound h;", "handler h { }");
    expect_both(state, "x.test", "allow 7 outbound");
    bind_class(state, "outbound h;", "handler h { }");
    expect_both(state, "x.test", "deny 10 default");
    bind_class(state, "outbound h; handler h { }", "");
    expect_both(state, "x.test", "allow 7 outbound");
}

static void
rules_8_to_10(void **state)
{
    bind_class(state, "allowed_hosts *.test;", "");
    expect_both(state, "a.test", "allow 8 allowed_hosts");
    assert_true(str_eq(decided.pattern, STR("*.test")));
    assert_null(decided.where);
    bind_class(state, "internet on;", "");
    expect_both(state, "a.test", "allow 9 internet");
    bind_class(state, "", "");
    expect_both(state, "a.test", "deny 10 default");
    /* the nearest says whether it is on */
    policy_binds(state, "sandbox box { class k; internet on; }"
                        "sandbox_class k { internet off; }");
    expect_both(state, "a.test", "allow 9 internet");
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
    bind_class(state, "", shared);
    expect_both(state, "a.test", "deny 10 default");
    expect_both(state, "allow.test", "allow 5 host");
    expect_both(state, "other.test", "deny 10 default");
    expect_both(state, "no.test", "deny 5 host");
    expect_both(state, "pallow.test", "allow 5 host");
    bind_class(state, "internet on;", shared);
    expect_both(state, "a.test", "allow 5 host");
    expect_both(
        state, "pass.test", "deny 10 default"); /* never by internet alone */
    expect_both(state, "deep.test", "deny 10 default");
    expect_both(state, "no.test", "deny 5 host");
    expect_both(state, "pallow.test", "allow 5 host");
    bind_class(state, "allowed_hosts *.test;", shared);
    expect_both(state, "a.test", "allow 5 host");
    expect_both(state, "pass.test", "allow 5 host");
    expect_both(state, "other.test", "allow 5 host");
    expect_both(state, "no.test", "deny 5 host");
    bind_class(state, shared, "");
    expect_both(state, "a.test", "allow 5 host"); /* inside the class */
    expect_both(state, "pass.test", "allow 5 host");
    expect_both(state, "other.test", "allow 5 host");
    expect_both(state, "no.test", "deny 5 host");
}

static void
returns_need_no_permission(void **state)
{
    const struct value *text;
    struct str s;
    bind_class(state, "",
        "host a.test { return 451 gone; deny all; methods PUT; }"
        "host b.test { location /r { return 403; } }"
        "host c.test { return 200; location / { return 404; } }");
    expect_get(state, "a.test", "return 5 host");
    assert_int_equal(decision_return(&decided, &text), 451);
    assert_true(value_is_literal(text, &s));
    assert_true(str_eq(s, STR("gone")));
    /* the CONNECT goes on so that the request inside is answered */
    expect_connect(state, "a.test", "allow 5 host");
    assert_false(decided.may_leave);
    assert_int_equal(decided.reason, REASON_BLOCK_RETURN);
    expect_connect(state, "b.test", "allow 5 host");
    assert_false(decided.may_leave);
    decide_ask(state, "GET", "b.test", "/r");
    expect_verdict("return 5 location");
    assert_ptr_equal(decided.where, decided.location->scope);
    assert_int_equal(decision_return(&decided, &text), 403);
    assert_null(text);
    decide_ask(state, "GET", "b.test", "/");
    expect_verdict("deny 10 default");
    /* a block's own goes before its locations', as in nginx */
    expect_get(state, "c.test", "return 5 host");
    assert_int_equal(decision_return(&decided, &text), 200);
    assert_ptr_equal(decided.where, decided.block->scope);
}

static void
regexes(void **state)
{
    bind_class(state, "internet on; host ~ ^(a|aa)+$ { }",
        "host ~ (?<tenant>[a-z]+)\\.vcs { }"
        "host r.test { location ~ ^/(a|aa)+$ { } }");
    expect_get(state, "acme.vcs", "allow 5 host");
    assert_true(decided.has_captures);
    assert_true(str_eq(decided.captures.capture[1], STR("acme")));
    expect_both(state, LONG "-", "deny 5 host");
    assert_int_equal(decided.reason, REASON_REGEX);
    expect_get(state, "aaa", "allow 5 host");
    assert_true(decided.has_captures);
    expect_get(state, "r.test", "allow 5 host");
    assert_false(decided.has_captures);
    decide_ask(state, "GET", "r.test", "/" LONG "!");
    expect_verdict("deny 5 host");
    assert_int_equal(decided.reason, REASON_REGEX);
}

static void
expect_named(void **state, const char *host, bool is_named)
{
    decide_ask(state, "GET", host, "/");
    assert_int_equal(decided.outcome, DECIDE_ALLOW);
    assert_int_equal(decided.is_named, is_named);
    decide_ask(state, NULL, host, NULL);
    assert_int_equal(decided.outcome, DECIDE_ALLOW);
    assert_int_equal(decided.is_named, is_named);
}

/* By an entry of its own name, and not by a pattern or for want of one. */
static void
allowed_by_name(void **state)
{
    bind_class(state, "internet on;",
        "host b.test *.block.test { } host ~x { }"
        "host all.rule.test { allow all; } host h.test { }"
        "host *.w.test { allow one.w.test *.two.w.test; }");
    expect_named(state, "any.test", false);
    expect_named(state, "b.test", true);
    expect_named(state, "c.block.test", false);
    expect_named(state, "x.test", false);
    expect_named(state, "one.w.test", true);
    expect_named(state, "a.two.w.test", false);
    bind_class(state, "allowed_hosts a.test *.p.test *.b.p.test c.p.test;", "");
    expect_named(state, "a.test", true);
    expect_named(state, "a.p.test", false);
    expect_named(state, "c.p.test", true);
}

/* SPEC 5: NAT64 and its like are judged as the IPv4 that they carry. */
static void
addresses_in_addresses(void **state)
{
    bind_class(state, "internet on; denied_hosts 10.0.0.0/8 64:ff9b::c000:201;",
        "host 192.0.2.9 { return 403; } host 192.0.2.8 { deny 192.0.2.8; }");
    expect_both(state, "64:ff9b::a01:203", "deny 2 denied_hosts");
    expect_both(state, "2002:a01:203::1", "deny 2 denied_hosts");
    expect_both(state, "64:ff9b::c000:201", "deny 2 denied_hosts");
    expect_both(state, "192.0.2.1", "allow 9 internet");
    expect_get(state, "64:ff9b::c000:209", "return 5 host");
    expect_get(state, "64:ff9b::c000:208", "deny 5 host");
    expect_both(state, "64:ff9b::808:808", "allow 9 internet");
    expect_both(state, "2a00::5efe:a01:203", "deny 2 denied_hosts");
    expect_both(state, "64:ff9b:1:0:a:102:308:808", "deny 2 denied_hosts");
    expect_get(state, "2a00::5efe:c000:209", "allow 9 internet");
    bind_class(state, "allowed_hosts 192.0.2.0/24;", "");
    expect_both(state, "2a00::5efe:c000:201", "deny 3 allowed_hosts");
    expect_both(state, "::ffff:0:c000:201", "deny 3 allowed_hosts");
    expect_both(state, "64:ff9b::c000:201", "allow 8 allowed_hosts");
    expect_both(state, "64:ff9b::808:808", "deny 3 allowed_hosts");
    bind_class(state, "",
        "handler h { deny 192.0.2.0/24; allow all; }"
        "handler g { allow 192.0.2.0/24; }"
        "handler f { allow 64:ff9b::/96; }");
    struct policy *p = own_policy(state);
    p->outbound = block_of(policy_egress(state, 2));
    expect_both(state, "64:ff9b::c000:201", "deny 6 outbound");
    assert_true(str_eq(decided.pattern, STR("192.0.2.0/24")));
    expect_both(state, "64:ff9b::808:808", "allow 6 outbound");
    expect_both(state, "2a00::5efe:c000:201", "deny 6 outbound");
    p->outbound = block_of(policy_egress(state, 3));
    expect_both(state, "2a00::5efe:c000:201", "deny 10 default");
    expect_both(state, "64:ff9b::c000:201", "allow 6 outbound");
    expect_both(state, "64:ff9b::808:808", "deny 10 default");
    p->outbound = block_of(policy_egress(state, 4));
    expect_both(state, "64:ff9b::808:808", "allow 6 outbound");
}

static void
shared_by_class(void **state)
{
    policy_binds(state, "sandbox box { class k; }"
                        "sandbox_class k { } sandbox_class l { }"
                        "host k.test { classes k; allow all; }"
                        "host l.test { classes l; allow all; }"
                        "host any.test { classes any; allow all; }");
    expect_both(state, "k.test", "allow 5 host");
    expect_both(state, "l.test", "deny 10 default");
    assert_null(decided.block);
    expect_both(state, "any.test", "allow 5 host");
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
    expect_both(state, "github.com", "allow 5 host");
    expect_both(state, "api.github.com", "allow 5 host");
    expect_both(state, "gist.github.com", "deny 2 denied_hosts");
    expect_both(state, "raw.github.com", "allow 8 allowed_hosts");
    expect_both(state, "a.npmjs.org", "allow 8 allowed_hosts");
    expect_both(state, "npmjs.org", "deny 3 allowed_hosts");
    expect_both(state, "acme.vcs.example", "allow 5 host");
    expect_both(state, "my.kv", "allow 5 host");
    expect_both(state, "example.com", "deny 3 allowed_hosts");
    decide_ask(state, "GET", "github.com", "/admin/users");
    expect_verdict("return 5 location");
}

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
        TEST(regexes),
        TEST(addresses_in_addresses),
        TEST(allowed_by_name),
        TEST(shared_by_class),
        TEST(configuration_of_the_spec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
