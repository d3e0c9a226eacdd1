/*
 * What the config may say of secrets, who may use which, and where each may
 * go.
 */

#include "policy/policy_secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../conf/tmp_dir.h"
#include "conf/type.h"
#include "policy/block.h"
#include "policy/class.h"
#include "proxy/hook.h"
#include "sandbox/sandbox_conf.h"

/* The part of a module: what opens egress, and what uses a secret. */
struct user {
    struct value *value;
    bool proxy_pass, is_seen;
};

static const struct policy_secret *used; /* by the last $secret_… */

static bool
prepare(struct bind *b, const struct token *at, struct str name, void **arg)
{
    used = policy_secret_find(bind_conf(b), bind_scope(b), name);
    *arg = NULL;
    return used != NULL ? policy_secret_mark_use(b, used, at)
                        : conf_error(b, at, "unknown secret");
}

static bool
get(void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    (void)ctx, (void)a, (void)name, (void)arg, (void)out;
    return false;
}

static bool
set_proxy_pass(struct bind *b, const struct directive *d, void *field)
{
    (void)d, (void)field;
    block_mark_proxy_pass(bind_scope(b));
    return true;
}

static const struct cmd user_cmds[] = {
    CMD_OPENS("egress", CONF_MAIN, 0, 0, CONF_EGRESS),
    CMD("use", CONF_WHERE, 1, 1, struct user, value, struct value *,
        set_secret_value),
    CMD("show", CONF_WHERE, 1, 1, struct user, value, struct value *,
        set_value),
    CMD("proxy_pass", CONF_WHERE, 0, 0, struct user, proxy_pass, bool,
        set_proxy_pass),
    CMD_FLAG("seen", CONF_WHERE, struct user, is_seen),
    { 0 },
};

static const struct var_def user_vars[] = {
    { .name = "secret_",
        .flags = VAR_PREFIX | VAR_SECRET,
        .get = get,
        .prepare = prepare },
    { 0 },
};

static const struct conf_part user_part = { .name = "user",
    .cmds = user_cmds,
    .vars = user_vars,
    .size = sizeof(struct user) };

extern const struct module host_match_module;

static const struct conf_part *const parts[] = { &class_part, &sandbox_part,
    &block_part, &policy_secret_part, &host_match_module.conf, &user_part };

struct fixture {
    struct tmp_dir dir;
    struct conf *conf;
    char err[1024];
};

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    tmp_dir_make(&f->dir);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->conf != NULL) {
        conf_free(f->conf);
    }
    tmp_dir_remove(&f->dir);
    free(f);
    return 0;
}

static struct conf *
bind_with(struct fixture *f, const char *text)
{
    tmp_dir_write(&f->dir, "weir.conf", str_of(text));
    if (f->conf != NULL) {
        conf_free(f->conf);
    }
    f->conf = conf_bind(parts, LEN(parts), f->dir.path, "weir.conf", STR_NONE,
        true, f->err, sizeof f->err);
    return f->conf;
}

static struct conf *
binds(void **state, const char *text)
{
    struct fixture *f = *state;
    if (bind_with(f, text) == NULL) {
        fail_msg("%s", f->err);
    }
    return f->conf;
}

/* The text is refused with "WHAT in DIR/weir.conf:LINE". */
static void
refuses(void **state, const char *text, const char *what, unsigned line)
{
    struct fixture *f = *state;
    char expected[1024];
    assert_null(bind_with(f, text));
    snprintf(expected, sizeof expected, "%s in %sweir.conf:%u", what,
        f->dir.path, line);
    assert_string_equal(f->err, expected);
}

static const struct policy_secret *
nth(const struct conf *c, unsigned i)
{
    const struct policy_secret *d = policy_secrets(c);
    while (i-- != 0) {
        d = d->next;
    }
    return d;
}

static void
no_secrets(void **state)
{
    assert_null(policy_secrets(binds(state, "")));
    assert_null(policy_secrets(binds(state, "egress { }")));
}

static void
sources(void **state)
{
    struct fixture *f = *state;
    struct conf *c = binds(state,
        "egress { secret a env:A_1; secret B file:x/y; secret c2 file:/z;"
        "secret d dir:/run/d/ per_sandbox; secret e dir:sub "
        "placeholder=PLACE-00; }");
    assert_int_equal(nth(c, 0)->spec.source, SECRET_ENV);
    assert_string_equal(nth(c, 0)->spec.from.p, "A_1");
    assert_false(nth(c, 0)->spec.per_sandbox);
    assert_int_equal(nth(c, 1)->spec.source, SECRET_FILE);
    assert_string_equal(nth(c, 1)->spec.from.p, tmp_dir_path(&f->dir, "x/y"));
    assert_string_equal(nth(c, 2)->spec.from.p, "/z");
    assert_int_equal(nth(c, 3)->spec.source, SECRET_DIR);
    assert_string_equal(nth(c, 3)->spec.from.p, "/run/d");
    assert_true(nth(c, 3)->spec.per_sandbox);
    assert_string_equal(nth(c, 4)->spec.from.p, tmp_dir_path(&f->dir, "sub"));
    assert_true(nth(c, 4)->spec.per_sandbox);
    assert_string_equal(nth(c, 4)->placeholder.p, "PLACE-00");
    assert_int_equal(nth(c, 0)->placeholder.n, 0);
    assert_null(nth(c, 0)->hosts);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(nth(c, i)->spec.index, i);
    }
    assert_null(nth(c, 4)->next);
}

static void
bad_sources(void **state)
{
    static const char *const bad[] = { "env:", "env:A-B", "env:A:B",
        "file:", "file:a/", "dir:", "env", "file", "vault:x", "''", "apis",
        "api:x", "ghp_0123456789" };
    for (size_t i = 0; i < LEN(bad); i++) {
        char text[128];
        snprintf(text, sizeof text, "egress {\nsecret a %s; }", bad[i]);
        refuses(state, text,
            "the source of secret \"a\" must be env:VAR, file:PATH or dir:PATH",
            2);
    }
    refuses(state, "egress { secret a\napi; }",
        "secret \"a\" needs the control API, which is not in this version", 2);
}

static void
names(void **state)
{
    refuses(state, "egress { secret a-b env:A; }",
        "invalid secret name \"a-b\", it may have letters, digits and \"_\"",
        1);
    refuses(state, "egress { secret '' env:A; }",
        "invalid secret name \"\", it may have letters, digits and \"_\"", 1);
    refuses(state, "egress { secret a env:A;\nsecret a env:B; }",
        "duplicate secret \"a\"", 2);
    refuses(state,
        "egress { sandbox_class k { secret a env:A;\nsecret a env:B; } }",
        "duplicate secret \"a\"", 2);
    refuses(state, "secret a env:A;",
        "\"secret\" directive is not allowed here", 1);
    refuses(state, "egress { host a.b { secret a env:A; } }",
        "\"secret\" directive is not allowed here", 1);
    binds(state, "egress { secret a env:A; sandbox_class k { secret a env:A; }"
                 "sandbox_class l { secret a env:A; } }");
}

static void
parameters(void **state)
{
    const char *invalid = "invalid parameter of secret \"a\"";
    refuses(state, "egress { secret a env:A what; }", invalid, 1);
    refuses(state,
        "egress { secret a env:A placeholder=12345678\n"
        "placeholder=12345678; }",
        "duplicate \"placeholder=\"", 2);
    refuses(state, "egress { secret a env:A per_sandbox; }",
        "\"per_sandbox\" needs a dir: source", 1);
    refuses(state, "egress { secret a file:A per_sandbox; }",
        "\"per_sandbox\" needs a dir: source", 1);
    refuses(state, "egress { secret a env:A hosts=a hosts=b; }",
        "duplicate \"hosts=\"", 1);
}

static void
bad_placeholders(void **state)
{
    static const char *const bad[] = { "", "1234567", "12345678 ", "1234\t5678",
        "1234\x01"
        "5678",
        "1234\x7f"
        "5678",
        "1234\xc3\xa9"
        "5678" };
    for (size_t i = 0; i < LEN(bad); i++) {
        char text[128];
        snprintf(text, sizeof text,
            "egress {\nsecret a env:A 'placeholder=%s'; }", bad[i]);
        refuses(state, text,
            "\"placeholder=\" of secret \"a\" must be 8 bytes of visible "
            "ASCII or more",
            2);
    }
}

static void
bad_hosts(void **state)
{
    static const struct {
        const char *hosts, *host, *why;
    } bad[] = {
        { "", "", "an empty host pattern" },
        { "a.b,", "", "an empty host pattern" },
        { "a.b,,c.d", "", "an empty host pattern" },
        { "*", "*", "\"*\" may stand as the whole first label only" },
        { "a.*", "a.*", "\"*\" may stand as the whole first label only" },
        { "*a.b", "*a.b", "\"*\" may stand as the whole first label only" },
        { "*.*.b", "*.*.b", "\"*\" may stand as the whole first label only" },
        { "*.", "*.", "\"*\" may stand as the whole first label only" },
        { "10.0.0.0/8", "10.0.0.0/8", "a range of addresses" },
        { ".a.b", ".a.b", "a host pattern may not begin with a dot here" },
        { "~a", "~a", "no regular expression may stand in this list" },
        { "a.b:443", "a.b:443", "no port may stand in a host pattern" },
    };
    for (size_t i = 0; i < LEN(bad); i++) {
        char text[128], expected[256];
        snprintf(text, sizeof text, "egress { secret a env:A 'hosts=%s'; }",
            bad[i].hosts);
        snprintf(expected, sizeof expected,
            "invalid host \"%s\" in \"hosts=\" of secret \"a\": %s",
            bad[i].host, bad[i].why);
        refuses(state, text, expected, 1);
    }
}

static bool
goes(const struct policy_secret *d, const struct block *b, const char *host)
{
    struct addr a;
    bool is_literal = addr_parse(str_of(host), &a);
    return policy_secret_may_go(d, b, str_of(host), is_literal ? &a : NULL);
}

static void
hosts_bind(void **state)
{
    struct conf *c = binds(state,
        "egress { secret a env:A hosts=GitHub.com,*.x.example,10.0.0.1,::1;"
        "host *.q.example { use $secret_a; } }");
    const struct policy_secret *d = nth(c, 0);
    struct scope *egress = conf_scope(c, CONF_EGRESS);
    const struct block *b = block_of(egress->children);
    const struct block *blocks[] = { b, NULL };
    for (size_t i = 0; i < LEN(blocks); i++) {
        assert_true(goes(d, blocks[i], "github.com"));
        assert_true(goes(d, blocks[i], "a.x.example"));
        assert_true(goes(d, blocks[i], "b.a.x.example"));
        assert_true(goes(d, blocks[i], "10.0.0.1"));
        assert_true(goes(d, blocks[i], "::1"));
        assert_false(goes(d, blocks[i], "x.example"));
        assert_false(goes(d, blocks[i], "ax.example"));
        assert_false(goes(d, blocks[i], "api.github.com"));
        assert_false(goes(d, blocks[i], "github.com.evil.example"));
        assert_false(goes(d, blocks[i], "10.0.0.2"));
    }
}

static void
block_names_bind(void **state)
{
    struct conf *c = binds(state,
        "egress { secret a env:A; host a.example b.example 10.0.0.1 "
        "{ location / { use $secret_a; } } "
        "host *.c.example { } host ~ d { } handler h { }"
        "host e.example { proxy_pass; } }");
    const struct policy_secret *d = nth(c, 0);
    const struct scope *s = conf_scope(c, CONF_EGRESS)->children;
    assert_true(goes(d, block_of(s), "a.example"));
    assert_true(goes(d, block_of(s), "b.example"));
    assert_true(goes(d, block_of(s), "10.0.0.1"));
    assert_false(goes(d, block_of(s), "c.example"));
    /* never by a block that could not use it, whoever asks */
    s = s->next;
    assert_false(goes(d, block_of(s), "x.c.example"));
    s = s->next;
    assert_false(goes(d, block_of(s), "d"));
    s = s->next;
    assert_false(goes(d, block_of(s), "a.example"));
    s = s->next;
    assert_false(goes(d, block_of(s), "e.example"));
    assert_false(goes(d, NULL, "a.example"));
}

static void
uses(void **state)
{
    struct conf *c =
        binds(state, "egress { secret a env:A; secret b env:B; host x.example {"
                     "location / { use \"$secret_a and ${secret_b}\"; } }"
                     "host y.example { } }");
    const struct scope *x = conf_scope(c, CONF_EGRESS)->children;
    assert_true(block_of(x)->uses_secret);
    assert_false(block_of(x->next)->uses_secret);
    assert_ptr_equal(used, nth(c, 1));
    refuses(state, "egress { secret a env:A;\nuse $secret_a; }",
        "secret \"a\" may stand in a host block, a handler or a location only",
        2);
    refuses(state, "egress { host x.example { use $secret_a; } }",
        "unknown secret", 1);
    refuses(state,
        "egress { secret a env:A; host x.example { show $secret_a; } }",
        "a secret may not stand in \"$secret_a\"", 1);
}

static void
uses_that_need_hosts(void **state)
{
    static const struct {
        const char *block, *where;
    } cases[] = {
        { "host *.x.example {\nuse $secret_a; }",
            "a host block with a wildcard or a regex" },
        { "host x.example x.* {\nuse $secret_a; }",
            "a host block with a wildcard or a regex" },
        { "host .x.example {\nuse $secret_a; }",
            "a host block with a wildcard or a regex" },
        { "host ~ x {\nuse $secret_a; }",
            "a host block with a wildcard or a regex" },
        { "host *.x.example { location / {\nuse $secret_a; } }",
            "a host block with a wildcard or a regex" },
        { "handler h {\nuse $secret_a; }", "a handler" },
        { "handler h { location / {\nuse $secret_a; } }", "a handler" },
        { "host x.example {\nuse $secret_a; proxy_pass; }",
            "a block with proxy_pass" },
        { "host x.example {\nuse $secret_a; location / { proxy_pass; } }",
            "a block with proxy_pass" },
    };
    for (size_t i = 0; i < LEN(cases); i++) {
        char text[256], expected[256];
        snprintf(
            text, sizeof text, "egress { secret a env:A; %s }", cases[i].block);
        snprintf(expected, sizeof expected,
            "secret \"a\" needs \"hosts=\" to be used in %s", cases[i].where);
        refuses(state, text, expected, 2);
        snprintf(text, sizeof text,
            "egress { secret a env:A hosts=q.example;"
            "sandbox_class k { } %s }",
            cases[i].block);
        binds(state, text);
    }
}

static void
shared_use_needs_classes(void **state)
{
    const char *two = "sandbox_class k { } sandbox_class l { } ";
    const char *blocks[] = { "host x.example {\nuse $secret_a; }",
        "host x.example { location / {\nuse $secret_a; } }",
        "handler h {\nuse $secret_a; }" };
    char text[256];
    for (size_t i = 0; i < LEN(blocks); i++) {
        snprintf(text, sizeof text,
            "egress { secret a env:A hosts=x.example; %s %s }", two, blocks[i]);
        refuses(state, text,
            "a shared block with secret \"a\" must say \"classes\" when there "
            "are two classes or more",
            2);
    }
    binds(state, "egress { secret a env:A; sandbox_class k { }"
                 "host x.example { use $secret_a; } }");
    binds(state, "egress { secret a env:A; sandbox_class k { } sandbox_class l "
                 "{ } host x.example { classes k; use $secret_a; }"
                 "host y.example { classes any; use $secret_a; } }");
    binds(state, "egress { secret a env:A; sandbox_class k { "
                 "host x.example { use $secret_a; } } sandbox_class l { } }");
}

static void
class_hides_egress(void **state)
{
    struct conf *c = binds(state,
        "egress { secret a env:A; sandbox_class k { secret a env:K; "
        "secret own env:O; host x.example { location / { use $secret_a; } } }"
        "sandbox_class l { } }");
    const struct scope *egress = conf_scope(c, CONF_EGRESS);
    const struct scope *k = egress->children;
    assert_ptr_equal(used, nth(c, 1));
    assert_string_equal(used->spec.from.p, "K");
    assert_ptr_equal(used->scope, k);
    assert_ptr_equal(
        policy_secret_find(c, k->children->children, STR("a")), used);
    assert_ptr_equal(policy_secret_find(c, k, STR("a")), used);
    assert_ptr_equal(policy_secret_find(c, egress, STR("a")), nth(c, 0));
    assert_ptr_equal(policy_secret_find(c, k->next, STR("a")), nth(c, 0));
    assert_ptr_equal(policy_secret_find(c, k, STR("own")), nth(c, 2));
    assert_null(policy_secret_find(c, egress, STR("own")));
    assert_null(policy_secret_find(c, k->next, STR("own")));
    refuses(state,
        "egress { sandbox_class k { secret own env:O; }\n"
        "host x.example { use $secret_own; } }",
        "unknown secret", 2);
}

static bool
is_seen(const struct scope *s)
{
    return ((const struct user *)scope_part(s, LEN(parts) - 1))->is_seen;
}

static void
what_is_looked_for(void **state)
{
    struct conf *c = binds(state,
        "egress { secret a env:A; secret b env:B; secret c env:C; secret d "
        "env:D; host a.example { seen on; use $secret_a; location /x { seen "
        "off; use $secret_b; } } host c.example { location /x { use $secret_c; "
        "} location /y { seen on; } } host d.example { use $secret_d; } "
        "host e.example { seen on; } }");
    policy_secret_look_for(c, is_seen);
    assert_true(nth(c, 0)->spec.is_looked_for);
    assert_true(
        nth(c, 1)->spec.is_looked_for); /* it may be echoed by the host */
    assert_true(nth(c, 2)->spec.is_looked_for);
    assert_false(nth(c, 3)->spec.is_looked_for);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

/* Warned of with "WHAT in DIR/weir.conf:LINE", or of nothing. */
static void
warns(void **state, const char *text, const char *what, unsigned line)
{
    struct fixture *f = *state;
    char expected[1024];
    struct str warning;
    bool is_warned = conf_warning(binds(state, text), 0, &warning);
    assert_int_equal(is_warned, what != NULL);
    if (is_warned) {
        snprintf(expected, sizeof expected, "%s in %sweir.conf:%u", what,
            f->dir.path, line);
        assert_string_equal(warning.p, expected);
    }
}

#define S "egress { secret s file:f hosts=a.test,*.b.test;\n"

static void
bound_to_odd_hosts(void **state)
{
    struct fixture *f = *state;
    char expected[512];
    snprintf(expected, sizeof expected,
        "secret \"s\" is bound to none of the hosts of this block, so it is "
        "never sent: name them in its \"hosts=\", which is in %sweir.conf:1",
        f->dir.path);
    warns(state, S "host c.test {\nuse $secret_s; } }", expected, 3);
    warns(state, S "host *.a.test { location / { use $secret_s; } } }",
        expected, 2);
    warns(state, S "host c.test a.test { use $secret_s; } }", NULL, 0);
    warns(state, S "host *.test { use $secret_s; } }", NULL, 0);
    warns(state, S "host ~c { use $secret_s; } }", NULL, 0);
    warns(state, S "handler h { use $secret_s; } }", NULL, 0);
    warns(state, "egress {\nsecret s file:f hosts=a.test,*.com; }",
        "secret \"s\" may go to hosts of strangers, for \"*.com\" is all that "
        "anyone registers there: name its hosts",
        2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(no_secrets),
        T(sources),
        T(bad_sources),
        T(names),
        T(parameters),
        T(bad_placeholders),
        T(bad_hosts),
        T(hosts_bind),
        T(block_names_bind),
        T(uses),
        T(uses_that_need_hosts),
        T(shared_use_needs_classes),
        T(class_hides_egress),
        T(what_is_looked_for),
        T(bound_to_odd_hosts),
    };
    return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
