/*
 * What becomes of a tunnel: what the module says of it, and that core passes
 * none through whose block needs requests to be seen, whoever says so.
 */

#include "module_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

extern const struct module tls_intercept_module;

static enum tunnel
pass_all(const struct conn *c, const struct decision *d)
{
    (void)c, (void)d;
    return TUNNEL_PASS;
}

static enum tunnel
say_nothing(const struct conn *c, const struct decision *d)
{
    (void)c, (void)d;
    return TUNNEL_NEXT;
}

static const struct module passes = { .conf = { .name = "passes" },
    .tunnel = pass_all };
static const struct module silent = { .conf = { .name = "silent" },
    .tunnel = say_nothing };
static const struct module mute = { .conf = { .name = "mute" } };

/* As of a CONNECT. */
static struct decision
decision_of(struct fixture *f, const char *host)
{
    struct decision d;
    struct decide_query q = { .policy = f->conn.sandbox->policy,
        .host = str_of(host) };
    decide(&q, &d);
    return d;
}

static enum tunnel
ask(struct fixture *f, const struct module *m, const char *host)
{
    const struct module *const list[] = { &mute, &silent, m };
    struct decision d = decision_of(f, host);
    hooks_init(list, LEN(list));
    enum tunnel t = hooks_tunnel(&f->conn, &d);
    hooks_init(modules, modules_count);
    return t;
}

static void
what_the_module_says(void **state)
{
    struct fixture *f = module_start(state,
        "host plain.test { } host pass.test { intercept off; }"
        "host shut.test { intercept off; deny all; }"
        "host away.test { return 404; }");
    const struct module *m = &tls_intercept_module;
    assert_int_equal(ask(f, m, "plain.test"), TUNNEL_OPEN);
    assert_int_equal(ask(f, m, "none.test"), TUNNEL_OPEN);
    assert_int_equal(ask(f, m, "away.test"), TUNNEL_OPEN);
    assert_int_equal(ask(f, m, "pass.test"), TUNNEL_PASS);
    assert_int_equal(ask(f, m, "shut.test"), TUNNEL_REFUSE);
    f = module_start(state,
        "deny_inside on; host shut.test { intercept off; deny all; }"
        "host pass.test { intercept off; }");
    assert_int_equal(ask(f, m, "shut.test"), TUNNEL_OPEN);
    assert_int_equal(ask(f, m, "pass.test"), TUNNEL_PASS);
}

/* A module that would pass all of them through has no say there. */
static void
what_core_does_not_pass(void **state)
{
    static const char *const blocks[] = {
        "bearer $secret_token;",
        "location /a { }",
        "location /a { bearer $secret_token; }",
        "location /a { return 403; }",
        "methods GET;",
        "return 204;",
        "proxy_pass http://127.0.0.1:1;",
        "deny all;",
    };
    char text[256];
    for (size_t i = 0; i < LEN(blocks); i++) {
        snprintf(text, sizeof text, "host a.test { %s }", blocks[i]);
        struct fixture *f = module_start(state, text);
        assert_int_equal(ask(f, &passes, "a.test"), TUNNEL_REFUSE);
        assert_int_equal(ask(f, &passes, "b.test"), TUNNEL_PASS);
        assert_int_equal(ask(f, &mute, "a.test"), TUNNEL_NEXT);
    }
}

/* Beside them such a block is refused when it is loaded. */
static void
what_the_check_refuses(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *block, *what;
    } bad[] = {
        { "location /a { }", "a location" },
        { "methods GET;", "methods" },
        { "return 204;", "return" },
        { "proxy_pass http://127.0.0.1:1;", "proxy_pass" },
        { "bearer $secret_token;", "a secret" },
    };
    char text[256], expected[256];
    for (size_t i = 0; i < LEN(bad); i++) {
        snprintf(text, sizeof text,
            "secret token file:none; host a.test { intercept off; %s }",
            bad[i].block);
        assert_null(module_bind(f, text));
        snprintf(expected, sizeof expected,
            "%s cannot be used with \"intercept off\"", bad[i].what);
        assert_non_null(strstr(f->err, expected));
    }
}

#define T(fn)                                                                  \
    cmocka_unit_test_setup_teardown(fn, module_set_up, module_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_the_module_says),
        T(what_core_does_not_pass),
        T(what_the_check_refuses),
    };
    return cmocka_run_group_tests_name("tls_intercept", tests, NULL, NULL);
}
