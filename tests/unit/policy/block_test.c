/*
 * Host blocks, handlers, locations: how they are bound, what is refused, and
 * which of them a host or a path chooses.
 */

#include "policy/block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "base/buf.h"
#include "net/guard.h"
#include "policy_conf.h"

static struct block *
block_nth(void **state, unsigned n)
{
    struct block *b = block_of(policy_egress(state, n));
    assert_non_null(b);
    return b;
}

static void
hosts_and_handlers(void **state)
{
    policy_binds(state, "sandbox_class k { host in.test { } }"
                        "host A.test *.b.test { location /x { } }"
                        "handler h { }");
    const struct block *b = block_nth(state, 1);
    assert_int_equal(b->magic, BLOCK_MAGIC);
    assert_true(str_eq(b->name, STR("a.test")));
    assert_int_equal(pattern_set_count(b->names), 2);
    assert_null(b->class);
    assert_null(b->outer);
    assert_non_null(b->locations);
    const struct scope *location = policy_child(b->scope, 0);
    const struct block *l = block_of(location);
    assert_ptr_equal(l->outer, b);
    assert_ptr_equal(block_outermost(location), b);
    assert_ptr_equal(block_outermost(b->scope), b);
    b = block_nth(state, 2);
    assert_true(str_eq(b->name, STR("h")));
    assert_null(b->names);
    assert_null(b->locations);
    const struct scope *class = policy_egress(state, 0);
    assert_null(block_of(class));
    assert_null(block_outermost(class));
    assert_ptr_equal(block_of(policy_child(class, 0))->class, class->owner);
}

static void
bad_hosts(void **state)
{
    policy_refuses(state, "host a.test\na:1 { }",
        "invalid host \"a:1\": no port may stand in a host pattern", 2);
    policy_refuses(state, "\nhost '' { }", "invalid host \"\": it is empty", 2);
    policy_refuses(state, "host ~ { }",
        "invalid host \"~\": no regular expression follows", 1);
    policy_refuses(
        state, "host a.test\nA.TEST { }", "duplicate host \"A.TEST\"", 2);
    policy_refuses(state, "host {}",
        "invalid number of arguments in \"host\" directive", 1);
    policy_refuses(state, "location / { }",
        "\"location\" directive is not allowed here", 1);
}

static void
host_named_twice(void **state)
{
    char what[512];
    snprintf(what, sizeof what,
        "duplicate host \"A.test\", the first is in %sweir.conf:1",
        policy_dir(state));
    policy_refuses(state, "host a.test { }\nhost b.test\nA.test { }", what, 3);
    snprintf(what, sizeof what,
        "duplicate host \"x+\", the first is in %sweir.conf:1",
        policy_dir(state));
    policy_refuses(state, "host ~ x+ { }\nhost ~ x+ { }", what, 2);
    snprintf(what, sizeof what,
        "duplicate host \"b.test\", the first is in %sweir.conf:2",
        policy_dir(state));
    policy_refuses(state,
        "sandbox_class k {\nhost b.test { }\nhost b.test { } }", what, 3);
    /* a class's own goes before a shared one of that name */
    policy_binds(state, "host a.test { } sandbox_class k { host a.test { } }"
                        "sandbox_class l { host a.test { } }");
}

static void
captures_of_one_regex(void **state)
{
    policy_binds(state, "host a.test ~ (?<tenant>[a-z]+)\\.test"
                        " { value $tenant-$1; location / { value $tenant; } }");
    policy_binds(state, "host ~(x)\\.test { value $1; }");
    policy_refuses(state, "host ~(x)\\.test ~(y)\\.test {\nvalue $1; }",
        "unknown \"1\" variable", 2);
    policy_refuses(
        state, "host a.test {\nvalue $1; }", "unknown \"1\" variable", 2);
}

static void
bad_handlers(void **state)
{
    policy_refuses(
        state, "handler\n'a b' { }", "invalid handler name \"a b\"", 2);
    policy_refuses(
        state, "handler a { }\nhandler a { }", "duplicate handler \"a\"", 2);
    policy_refuses(state, "sandbox_class k { handler a { }\nhandler a { } }",
        "duplicate handler \"a\"", 2);
    policy_binds(state, "handler a { } sandbox_class k { handler a { } }");
    policy_refuses(state, "handler a b { }",
        "invalid number of arguments in \"handler\" directive", 1);
}

static void
expect_access(const struct block *b, const char *host, enum access access,
    const char *pattern)
{
    struct addr a;
    struct access_hit found;
    const struct addr *literal = addr_parse(str_of(host), &a) ? &a : NULL;
    enum access got = block_access(b, str_of(host), literal, &found);
    if (got != access || !str_eq(found.pattern, str_of(pattern))) {
        fail_msg("%s: %d by \"%.*s\"", host, got, STR_ARG(found.pattern));
    }
}

static void
access_in_file_order(void **state)
{
    policy_binds(state, "handler h { deny evil.test; allow *.test 10.0.0.0/8;"
                        " allow b.example; deny b.example 10.1.0.0/16; }"
                        "handler all { allow a.test; deny all; }"
                        "handler none { }");
    const struct block *b = block_nth(state, 0);
    expect_access(b, "evil.test", ACCESS_DENY, "evil.test");
    expect_access(b, "a.test", ACCESS_ALLOW, "*.test");
    expect_access(b, "b.example", ACCESS_ALLOW, "b.example");
    expect_access(b, "10.1.0.1", ACCESS_ALLOW, "10.0.0.0/8");
    expect_access(b, "c.example", ACCESS_NONE, "");
    b = block_nth(state, 1);
    expect_access(b, "a.test", ACCESS_ALLOW, "a.test");
    expect_access(b, "b.test", ACCESS_DENY, "all");
    expect_access(block_nth(state, 2), "a.test", ACCESS_NONE, "");
}

/* Of the rules before the one that the host comes to; those without a range
 * do not count. */
static void
ranges_for_resolved_addresses(void **state)
{
    static const struct {
        const char *host;
        unsigned n;
    } all[] = { { "a.test", 0 }, { "b.test", 1 }, { "c.test", 3 },
        { "d.test", 4 }, { "10.9.9.9", 1 }, { "192.0.2.1", 3 } };
    static const bool is_allow[] = { false, true, false, false };
    struct access_hit hit;
    policy_binds(state, "handler h { allow a.test; deny 10.1.0.0/16; deny x.y;"
                        " allow b.test 10.0.0.0/8; deny evil.test 10.0.0.1;"
                        " allow c.test; deny c.test 192.0.2.0/24; }"
                        "handler none { allow a.test; deny all; }");
    for (size_t i = 0; i < LEN(all); i++) {
        struct addr a;
        struct str host = str_of(all[i].host);
        const struct addr *literal = addr_parse(host, &a) ? &a : NULL;
        block_access(block_nth(state, 0), host, literal, &hit);
        assert_int_equal(hit.n_ranges, all[i].n);
    }
    for (unsigned i = 0; i < LEN(is_allow); i++) {
        assert_int_equal(hit.ranges[i].is_allow, is_allow[i]);
        assert_int_equal(hit.ranges[i].n, 1);
    }
    block_access(block_nth(state, 1), STR("d.test"), NULL, &hit);
    assert_int_equal(hit.n_ranges, 0);
}

/* Without params an allow lists nothing, a deny may list anything. */
static void
access_by_param(void **state)
{
    policy_binds(state, "handler a { allow $param_hosts; deny all; }"
                        "handler b { deny $param_hosts; allow all; }"
                        "handler c { allow $param_hosts a.test; }");
    expect_access(block_nth(state, 0), "a.test", ACCESS_DENY, "all");
    expect_access(block_nth(state, 1), "a.test", ACCESS_DENY, "$param");
    expect_access(block_nth(state, 2), "a.test", ACCESS_ALLOW, "a.test");
    expect_access(block_nth(state, 2), "b.test", ACCESS_NONE, "");
    policy_refuses(state, "handler a {\nallow $param_; }",
        "invalid host pattern \"$param_\": no variable may stand in a host "
        "pattern",
        2);
    policy_refuses(state, "handler a { allow\n$param_a-b; }",
        "invalid host pattern \"$param_a-b\": no variable may stand in a host "
        "pattern",
        2);
    policy_refuses(state, "handler a {\ndeny\n$host; }",
        "invalid host pattern \"$host\": no variable may stand in a host "
        "pattern",
        3);
    policy_refuses(
        state, "allow all;", "\"allow\" directive is not allowed here", 1);
}

/* What a location does not say: methods come from around, the rest not. */
static void
what_locations_inherit(void **state)
{
    policy_binds(state, "host a.test { methods GET; allow all; location /a { }"
                        " location /b { methods PUT; deny all; } }"
                        "host b.test { return 403 x; location / { } }");
    const struct scope *s = block_nth(state, 0)->scope;
    const struct block *l = block_of(policy_child(s, 0));
    assert_true(block_allows_method(l, STR("GET")));
    assert_false(block_allows_method(l, STR("PUT")));
    expect_access(l, "a.test", ACCESS_NONE, "");
    l = block_of(policy_child(s, 1));
    assert_true(block_allows_method(l, STR("PUT")));
    assert_false(block_allows_method(l, STR("GET")));
    expect_access(l, "a.test", ACCESS_DENY, "all");
    l = block_of(policy_child(block_nth(state, 1)->scope, 0));
    assert_int_equal(l->conf->return_code, 0);
    assert_null(l->conf->return_text);
}

static void
methods(void **state)
{
    policy_binds(state, "handler h { methods GET HEAD; methods X-Own; }"
                        "handler any { }");
    const struct block *b = block_nth(state, 0);
    assert_true(block_allows_method(b, STR("GET")));
    assert_true(block_allows_method(b, STR("HEAD")));
    assert_true(block_allows_method(b, STR("X-Own")));
    assert_false(block_allows_method(b, STR("get")));
    assert_false(block_allows_method(b, STR("POST")));
    assert_false(block_allows_method(b, STR("")));
    assert_true(block_allows_method(block_nth(state, 1), STR("POST")));
    policy_refuses(state, "handler h {\nmethods GET\n'G T'; }",
        "invalid method \"G T\"", 3);
    policy_refuses(
        state, "handler h { methods ''; }", "invalid method \"\"", 1);
    policy_refuses(
        state, "methods GET;", "\"methods\" directive is not allowed here", 1);
}

static void
returns(void **state)
{
    struct str text;
    policy_binds(state, "host a.test { return 451 'not here'; }"
                        "host b.test { location / { return 403; } }"
                        "host c.test { return 302 https://x.test/$host; }"
                        "host d.test { return 204; } host e.test { }");
    const struct block *b = block_nth(state, 0);
    assert_int_equal(b->conf->return_code, 451);
    assert_true(value_is_literal(b->conf->return_text, &text));
    assert_true(str_eq(text, STR("not here")));
    assert_true(b->has_return);
    assert_true(block_nth(state, 1)->has_return);
    assert_int_equal(block_nth(state, 1)->conf->return_code, 0);
    assert_int_equal(block_nth(state, 2)->conf->return_code, 302);
    assert_null(block_nth(state, 3)->conf->return_text);
    assert_false(block_nth(state, 4)->has_return);
}

static void
bad_returns(void **state)
{
    static const char codes[] = "0 99 100 199 305 306 444 600 999 -1 4o3 403x "
                                "0x200 http://x.test/";
    static const unsigned redirects[] = { 301, 302, 303, 307, 308 };
    struct policy_conf *pc = *state;
    struct str rest = str_of(codes), code;
    while (str_cut(&rest, ' ', &code)) {
        struct str conf =
            arena_printf(pc->arena, "host a {\nreturn\n%.*s; }", STR_ARG(code));
        struct str what = arena_printf(
            pc->arena, "invalid return code \"%.*s\"", STR_ARG(code));
        policy_refuses(state, conf.p, what.p, 3);
    }
    for (size_t i = 0; i < LEN(redirects); i++) {
        struct str conf =
            arena_printf(pc->arena, "host a {\nreturn %u; }", redirects[i]);
        struct str what =
            arena_printf(pc->arena, "\"return %u\" needs a URL", redirects[i]);
        policy_refuses(state, conf.p, what.p, 2);
    }
    policy_binds(state, "host a { return 300; } host b { return 304; }");
    policy_refuses(
        state, "host a { return 204\nx; }", "\"return 204\" has no text", 2);
    policy_refuses(
        state, "host a { return 304 x; }", "\"return 304\" has no text", 1);
    policy_refuses(state, "host a { return 200\n$secret_x; }",
        "a secret may not stand in \"$secret_x\"", 2);
    policy_refuses(state, "host a { return 200;\nreturn 200; }",
        "\"return\" directive is duplicate", 2);
    policy_refuses(
        state, "return 200;", "\"return\" directive is not allowed here", 1);
}

#define TWO_CLASSES "sandbox_class k { } sandbox_class l { }\n"

static void
classes(void **state)
{
    policy_binds(state, TWO_CLASSES "host a.test { classes k l; proxy_pass; }"
                                    "host b.test { classes any; proxy_pass; }"
                                    "host c.test { }"
                                    "handler h { classes l; }");
    assert_true(block_nth(state, 2)->has_proxy_pass);
    assert_false(block_nth(state, 4)->has_proxy_pass);
    policy_refuses(state, TWO_CLASSES "host a {\nclasses k\nm; }",
        "unknown class \"m\"", 4);
    policy_refuses(
        state, "handler a {\nclasses\nm; }", "unknown class \"m\"", 3);
    policy_refuses(state, TWO_CLASSES "host a { classes k\nany; }",
        "\"any\" stands alone in \"classes\"", 3);
    policy_refuses(state, "sandbox_class k { host a {\nclasses k; } }",
        "\"classes\" directive is not allowed inside a sandbox_class", 2);
    policy_refuses(state, "host a { location / { classes k; } }",
        "\"classes\" directive is not allowed here", 1);
}

static void
shared_proxy_pass_needs_classes(void **state)
{
    static const char what[] =
        "a shared block with \"proxy_pass\" must say \"classes\" when there "
        "are two classes or more";
    policy_refuses(state, TWO_CLASSES "host a { proxy_pass; }", what, 2);
    policy_refuses(state,
        TWO_CLASSES "\nhandler a { location / { proxy_pass; } }", what, 3);
    policy_binds(state, "sandbox_class k { } host a { proxy_pass; }");
    policy_binds(state, "sandbox_class k { host a { proxy_pass; } }"
                        "sandbox_class l { }");
    policy_binds(state, "host a { location / { proxy_pass; } }");
    assert_true(block_nth(state, 0)->has_proxy_pass);
}

static const char *
location(const struct block *b, const char *path)
{
    static char text[128];
    bool is_failed = true;
    const struct block *l = block_location(b, str_of(path), &is_failed);
    if (is_failed) {
        assert_null(l);
        return "failed";
    }
    if (l == NULL) {
        return "none";
    }
    snprintf(text, sizeof text, "%s%.*s",
        l->kind == LOCATION_EXACT   ? "="
        : l->kind == LOCATION_REGEX ? "~"
        : l->is_final               ? "^~"
                                    : "",
        STR_ARG(l->name));
    return text;
}

static void
locations_as_nginx_chooses(void **state)
{
    policy_binds(state,
        "host a { location = /a { } location /a { } location /a/b { }"
        " location ^~ /img/ { } location ~ \\.png$ { } location ~* \\.GIF$ { }"
        " location ~ /a/b/c { } location =/glued { } location ^~/g2 { }"
        " location ~^/g3$ { } location ~*^/g4$ { } }"
        "host b { location = /only { } } host c { location ~ x { } }"
        "handler none { }");
    const struct block *b = block_nth(state, 0);
    assert_string_equal(location(b, "/a"), "=/a");
    assert_string_equal(location(b, "/ab"), "/a");
    assert_string_equal(location(b, "/a/"), "/a");
    assert_string_equal(location(b, "/a/b"), "/a/b");
    assert_string_equal(location(b, "/a/b/d"), "/a/b");
    assert_string_equal(location(b, "/a/b/c"), "~/a/b/c");
    assert_string_equal(location(b, "/a/x.png"), "~\\.png$");
    assert_string_equal(location(b, "/a/x.PNG"), "/a");
    assert_string_equal(location(b, "/a/x.gif"), "~\\.GIF$");
    assert_string_equal(location(b, "/img/x.png"), "^~/img/");
    assert_string_equal(location(b, "/glued"), "=/glued");
    assert_string_equal(location(b, "/glued2"), "none");
    assert_string_equal(location(b, "/g2.png"), "^~/g2");
    assert_string_equal(location(b, "/g3"), "~^/g3$");
    assert_string_equal(location(b, "/G4"), "~^/g4$");
    assert_string_equal(location(b, "/"), "none");
    assert_string_equal(location(b, "*"), "none");
    b = block_nth(state, 1);
    assert_string_equal(location(b, "/only"), "=/only");
    assert_string_equal(location(b, "/only/"), "none");
    b = block_nth(state, 2);
    assert_string_equal(location(b, "/x"), "~x");
    assert_string_equal(location(b, "/y"), "none");
    assert_string_equal(location(block_nth(state, 3), "/"), "none");
}

static void
location_regex_that_fails_to_run(void **state)
{
    policy_binds(state, "host a { location / { } location ~ ^/(a|aa)+$ { }"
                        " location ^~ /aaa/ { } }");
    const struct block *b = block_nth(state, 0);
    assert_string_equal(location(b, "/b"), "/");
    assert_string_equal(
        location(b, "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"),
        "failed");
    assert_string_equal(location(b, "/aaa/"), "^~/aaa/");
}

static void
bad_locations(void **state)
{
    policy_refuses(state, "host a {\nlocation x { } }",
        "location \"x\" must begin with \"/\"", 2);
    policy_refuses(state, "host a { location =\nx { } }",
        "location \"x\" must begin with \"/\"", 2);
    policy_refuses(state, "host a { location '' { } }",
        "location \"\" must begin with \"/\"", 1);
    policy_refuses(state, "host a { location !\n/x { } }",
        "invalid location modifier \"!\"", 1);
    policy_refuses(state, "host a { location /a//b { } }",
        "location \"/a//b\" is not in canonical form, which is \"/a/b\"", 1);
    policy_refuses(state, "host a { location = /%41%2f { } }",
        "location \"/%41%2f\" is not in canonical form, which is \"/A%2F\"", 1);
    policy_refuses(state, "host a { location /.. { } }",
        "invalid location \"/..\": the path climbs above its root", 1);
    policy_refuses(state, "host a { location ~ ( { } }",
        "invalid location \"(\": missing closing parenthesis at offset 1", 1);
    policy_refuses(state, "host a { location ~ '' { } }",
        "invalid location \"\": it is empty", 1);
    policy_refuses(state, "host a { location ~ { } }",
        "invalid location \"\": it is empty", 1);
    policy_refuses(state, "host a { location / { }\nlocation ^~\n/ { } }",
        "duplicate location \"/\"", 3);
    policy_refuses(state, "host a { location = / { }\nlocation = / { } }",
        "duplicate location \"/\"", 2);
    policy_refuses(state, "host a { location ~ x { }\nlocation ~x { } }",
        "duplicate location \"x\"", 2);
    policy_refuses(state,
        "host a { location ~* x { } location ~ x { }\nlocation ~* x { } }",
        "duplicate location \"x\"", 2);
    policy_binds(state, "host a { location = / { } location / { } }");
    policy_refuses(state, "host a { location / {\nlocation /x { } } }",
        "\"location\" directive is not allowed here", 2);
}

#define MANY (RUNNING_ON_VALGRIND ? 1000u : 10000u)

/* As many locations and lines of allow. */
static void
many(void **state)
{
    struct buf b;
    char path[32], name[32], host[32];
    snprintf(path, sizeof path, "/p%u/x/y", MANY - 1);
    snprintf(name, sizeof name, "/p%u/", MANY - 1);
    snprintf(host, sizeof host, "h%u.test", MANY - 1);
    buf_init(&b, 4 << 20);
    AN(buf_add(&b, STR("host a {")));
    for (unsigned i = 0; i < MANY; i++) {
        AN(buf_addf(&b, "location /p%u/ { } allow h%u.test;", i, i));
    }
    AN(buf_add(&b, STR("}")) && buf_addc(&b, '\0'));
    policy_binds(state, b.p);
    const struct block *block = block_nth(state, 0);
    assert_string_equal(location(block, path), name);
    assert_string_equal(location(block, "/p7/x"), "/p7/");
    assert_string_equal(location(block, "/p10000/x"), "none");
    expect_access(block, host, ACCESS_ALLOW, host);
    expect_access(block, "h10000.test", ACCESS_NONE, "");
    assert_null(block->conf->access->next);
    buf_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hosts_and_handlers),
        TEST(bad_hosts),
        TEST(host_named_twice),
        TEST(captures_of_one_regex),
        TEST(bad_handlers),
        TEST(access_in_file_order),
        TEST(access_by_param),
        TEST(ranges_for_resolved_addresses),
        TEST(what_locations_inherit),
        TEST(methods),
        TEST(returns),
        TEST(bad_returns),
        TEST(classes),
        TEST(shared_proxy_pass_needs_classes),
        TEST(locations_as_nginx_chooses),
        TEST(location_regex_that_fails_to_run),
        TEST(bad_locations),
        TEST(many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
