/*
 * Strings with variables: what compiles, what is refused, what is rendered.
 */

#include "conf/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/regex.h"
#include "conf/type.h"
#include "tmp_dir.h"

struct values {
    struct value *value, *secret;
};

static bool
get_ctx(void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    (void)a, (void)arg;
    *out = str_of(ctx);
    return name.n != 0;
}

static bool
get_name(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    (void)ctx;
    *out = arena_printf(a, "<%.*s%s>", STR_ARG(name), (const char *)arg);
    return true;
}

static bool
get_none(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    (void)ctx, (void)a, (void)name, (void)arg;
    *out = STR_NONE;
    return true;
}

static bool
get_fails(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    (void)ctx, (void)a, (void)name, (void)arg, (void)out;
    return false;
}

static bool
get_capture(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    (void)ctx;
    *out =
        arena_printf(a, "[%.*s=%u]", STR_ARG(name), (unsigned)(uintptr_t)arg);
    return true;
}

static bool
prepare_name(
    struct bind *b, const struct token *at, struct str name, void **arg)
{
    if (str_eq(name, STR("no"))) {
        return conf_error(b, at, "no \"%.*s\"", STR_ARG(name));
    }
    *arg = (void *)(uintptr_t) "!";
    return true;
}

static const struct var_def vars_a[] = {
    { .name = "ctx", .get = get_ctx },
    { .name = "p_",
        .flags = VAR_PREFIX,
        .get = get_name,
        .prepare = prepare_name },
    { .name = "secret_",
        .flags = VAR_PREFIX | VAR_SECRET,
        .get = get_name,
        .prepare = prepare_name },
    { 0 },
};

static const struct var_def vars_b[] = {
    { .name = "p_long_", .flags = VAR_PREFIX, .get = get_none },
    { .name = "p_exact", .get = get_ctx },
    { .name = "none", .get = get_none },
    { .name = "fails", .get = get_fails },
    { .name = "a capture", .flags = VAR_CAPTURE, .get = get_capture },
    { 0 },
};

static bool
set_host(struct bind *b, const struct directive *d, void *field)
{
    char err[128];
    (void)field;
    struct regex *re = regex_new(d->args[0].text, 0, err, sizeof err);
    if (re == NULL) {
        return conf_error(b, &d->args[0], "%s", err);
    }
    arena_on_free(bind_conf(b)->arena, (void (*)(void *))regex_free, re);
    bind_scope(b)->captures = re;
    return true;
}

#define PLACES (CONF_EGRESS | CONF_HOST | CONF_LOCATION)

static const struct cmd cmds[] = {
    CMD_OPENS("egress", CONF_MAIN, 0, 0, CONF_EGRESS),
    { .name = "host",
        .contexts = CONF_EGRESS,
        .min_args = 1,
        .max_args = 1,
        .flags = CMD_BLOCK,
        .block = CONF_HOST,
        .set = set_host },
    CMD_OPENS("location", CONF_HOST, 0, 0, CONF_LOCATION),
    CMD_VALUE("value", PLACES, struct values, value),
    CMD("secret", PLACES, 1, 1, struct values, secret, struct value *,
        set_secret_value),
    { 0 },
};

static const struct conf_part part_a = {
    .name = "a", .cmds = cmds, .vars = vars_a, .size = sizeof(struct values)
};
static const struct conf_part part_b = { .name = "b", .vars = vars_b };
static const struct conf_part *const parts[] = { &part_a, &part_b };

struct fixture {
    struct tmp_dir dir;
    struct conf *conf;
    struct arena *arena;
    char err[512], expected[512];
};

static int
set_up(void **state)
{
    struct fixture *f = xcalloc(sizeof *f);
    tmp_dir_make(&f->dir);
    f->arena = arena_new(4096);
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
    arena_free(f->arena);
    tmp_dir_remove(&f->dir);
    xfree(f);
    return 0;
}

/* Binds the directives of an egress block. */
static struct scope *
bind_egress(struct fixture *f, const char *text)
{
    struct str whole = arena_printf(f->arena, "egress { %s }", text);
    tmp_dir_write(&f->dir, "w", whole);
    if (f->conf != NULL) {
        conf_free(f->conf);
    }
    f->err[0] = '\0';
    f->conf = conf_bind(parts, LEN(parts), f->dir.path, "w", STR_NONE, false,
        f->err, sizeof f->err);
    return f->conf != NULL ? conf_scope(f->conf, CONF_EGRESS) : NULL;
}

static struct value *
compile(struct fixture *f, const char *text)
{
    struct scope *s =
        bind_egress(f, arena_printf(f->arena, "value %s;", text).p);
    if (s == NULL) {
        fail_msg("%s", f->err);
    }
    return ((struct values *)scope_part(s, 0))->value;
}

static const char *
eval(struct fixture *f, const struct value *v)
{
    struct str out;
    char ctx[] = "ctx";
    return value_eval(v, ctx, f->arena, &out) ? arena_dup(f->arena, out).p
                                              : "failed";
}

static void
renders(void **state, const char *text, const char *expected)
{
    assert_string_equal(eval(*state, compile(*state, text)), expected);
}

static void
refuses(void **state, const char *directive, const char *what)
{
    struct fixture *f = *state;
    assert_null(bind_egress(f, directive));
    snprintf(f->expected, sizeof f->expected, "%s in %sw:1", what, f->dir.path);
    assert_string_equal(f->err, f->expected);
}

static void
rendering(void **state)
{
    renders(state, "plain", "plain");
    renders(state, "''", "");
    renders(state, "$ctx", "ctx");
    renders(state, "a${ctx}b", "actxb");
    renders(state, "\"$ctx.$ctx-$none|\"", "ctx.ctx-|");
    renders(state, "$p_x", "<x!>");
    renders(state, "$p_X_1.y", "<X_1!>.y");
    renders(state, "$none", "");
    renders(state, "$none$none", "");
    renders(state, "a$fails", "failed");
}

static void
nearest_name(void **state)
{
    renders(state, "$p_exact", "ctx");
    renders(state, "$p_exact2", "<exact2!>");
    renders(state, "$p_long_x", "");
    renders(state, "$p_long_", "<long_!>");
}

static void
refusals(void **state)
{
    refuses(state, "value $nothing;", "unknown \"nothing\" variable");
    refuses(state, "value $p_;", "unknown \"p_\" variable");
    refuses(state, "value $p_no;", "no \"no\"");
    refuses(state, "value $;", "invalid variable name in \"$\"");
    refuses(state, "value a$$;", "invalid variable name in \"a$$\"");
    refuses(state, "value '$ctx $';", "invalid variable name in \"$ctx $\"");
    refuses(state, "value '${}';", "invalid variable name in \"${}\"");
    refuses(state, "value '${ctx';", "invalid variable name in \"${ctx\"");
    refuses(state, "value '${c tx}';", "invalid variable name in \"${c tx}\"");
    refuses(state, "value '$-';", "invalid variable name in \"$-\"");
    refuses(state, "value $1;", "unknown \"1\" variable");
}

static void
secrets(void **state)
{
    struct fixture *f = *state;
    refuses(
        state, "value x$secret_a;", "a secret may not stand in \"x$secret_a\"");
    struct scope *s = bind_egress(f, "secret 'Bearer $secret_a'; value x;");
    assert_non_null(s);
    struct values *v = scope_part(s, 0);
    assert_string_equal(eval(f, v->secret), "Bearer <a!>");
    assert_true(value_has_secret(v->secret));
    assert_false(value_has_secret(v->value));
}

static void
literals_and_vars(void **state)
{
    struct fixture *f = *state;
    const struct var_def *def;
    struct str text;
    void *arg;
    assert_true(value_is_literal(compile(f, "a"), &text));
    assert_string_equal(arena_dup(f->arena, text).p, "a");
    assert_true(value_is_literal(compile(f, "''"), &text));
    assert_int_equal(text.n, 0);
    struct value *v = compile(f, "a$p_x-$ctx");
    assert_false(value_is_literal(v, &text));
    assert_true(value_var(v, 0, &def, &text, &arg));
    assert_ptr_equal(def, &vars_a[1]);
    assert_true(str_eq(text, STR("x")));
    assert_string_equal(arg, "!");
    assert_true(value_var(v, 1, &def, &text, &arg));
    assert_ptr_equal(def, &vars_a[0]);
    assert_true(str_eq(text, STR("ctx")));
    assert_false(value_var(v, 2, &def, &text, &arg));
}

static void
captures(void **state)
{
    struct fixture *f = *state;
    struct scope *s =
        bind_egress(f, "value $ctx; host (?<tenant>[a-z]+)\\.(?<ctx>x) { "
                       "value $tenant.$ctx.$1${2}0.$10$p_x; "
                       "location { value $tenant; } }");
    assert_non_null(s);
    struct values *v = scope_part(s, 0);
    assert_string_equal(eval(f, v->value), "ctx");
    v = scope_part(s->children, 0);
    assert_string_equal(
        eval(f, v->value), "[tenant=1].[ctx=2].[1=1][2=2]0.[1=1]0<x!>");
    v = scope_part(s->children->children, 0);
    assert_string_equal(eval(f, v->value), "[tenant=1]");
    refuses(state, "host (?<tenant>x) { value $other; }",
        "unknown \"other\" variable");
    refuses(state, "host (?<tenant>x) { } value $tenant;",
        "unknown \"tenant\" variable");
}

static void
too_many_pieces(void **state)
{
    struct fixture *f = *state;
    char text[600] = "value ";
    for (int i = 0; i < 62; i++) {
        strncat(text, "$ctx", sizeof text - strlen(text) - 1);
    }
    strncat(text, ";", sizeof text - strlen(text) - 1);
    assert_non_null(bind_egress(f, text));
    text[strlen(text) - 1] = '\0';
    strncat(text, "$ctx$ctx$ctx;", sizeof text - strlen(text) - 1);
    assert_null(bind_egress(f, text));
    assert_non_null(strstr(f->err, "too many variables in "));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(rendering),
        T(nearest_name),
        T(refusals),
        T(secrets),
        T(literals_and_vars),
        T(captures),
        T(too_many_pieces),
    };
    return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
