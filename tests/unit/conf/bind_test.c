/*
 * The binder's rules: contexts, counts, duplicates, the two passes, what a
 * child inherits, and the order of checks.
 */

#include "conf/bind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "base/buf.h"
#include "bound.h"
#include "conf/type.h"

struct words {
    unsigned n;
    struct str items[8];
};

struct first {
    unsigned number;
    struct words list, own;
    uint64_t bytes;
    double time;
    bool flag;
    struct str path, text;
    struct str title; /* of the block, by set_title() */
};

struct second {
    unsigned other;
    struct str token;
};

static char trace[1024]; /* what the callbacks saw */

static void trace_add(const char *fmt, ...) printf_like(1, 2);

static void
trace_add(const char *fmt, ...)
{
    va_list ap;
    size_t n = strlen(trace);
    va_start(ap, fmt);
    vsnprintf(trace + n, sizeof trace - n, fmt, ap);
    va_end(ap);
}

static bool
set_words(struct bind *b, const struct directive *d, void *field)
{
    struct words *w = field;
    (void)b;
    for (unsigned i = 0; i < d->n_args && w->n < 8; i++) {
        w->items[w->n++] = d->args[i].text;
    }
    return true;
}

static bool
set_title(struct bind *b, const struct directive *d, void *field)
{
    assert_null(field);
    assert_ptr_equal(bind_scope(b)->directive, d);
    assert_string_equal(bind_cmd(b)->name, "host");
    struct first *f = bind_part(b);
    if (str_eq(d->args[0].text, STR("bad"))) {
        return conf_error(b, &d->args[0], "bad host \"bad\"");
    }
    /* the child's own directives are not bound yet, the parent's are */
    trace_add("set %.*s:%u ", STR_ARG(d->args[0].text), f->number);
    f->title = d->args[0].text;
    return true;
}

static bool
set_secretly(struct bind *b, const struct directive *d, void *field)
{
    (void)field;
    return conf_error(b, &d->args[0], "unknown source \"%.*s\" here",
        STR_ARG(d->args[0].text));
}

static bool
set_nothing(struct bind *b, const struct directive *d, void *field)
{
    (void)b, (void)d, (void)field;
    return false;
}

static int
first_check(struct conf *c, struct scope *s, void *part)
{
    const struct first *f = part;
    assert_ptr_equal(part, scope_part(s, 0));
    trace_add("check %x:%u ", s->context, f->number);
    if (f->number == 666) {
        return conf_fail(c, NULL, "the number of the beast");
    }
    return f->number == 667 ? -1 : 0;
}

#define EVERYWHERE                                                             \
    (CONF_MAIN | CONF_EVENTS | CONF_CONTROL | CONF_WHO | CONF_WHERE)

static const struct cmd first_cmds[] = {
    CMD_UINT("number", EVERYWHERE, struct first, number),
    CMD_BYTES("bytes", CONF_WHERE, struct first, bytes),
    CMD_SECONDS("time", CONF_WHERE, struct first, time),
    CMD_FLAG("flag", CONF_WHERE, struct first, flag),
    CMD_PATH("path", CONF_WHERE, struct first, path),
    CMD("text", CONF_WHERE, 1, 1, struct first, text, struct str, set_str),
    CMD_LISTED("list", CONF_WHERE, 1, 255, struct first, list, struct words,
        set_words),
    { .name = "own",
        .contexts = CONF_WHERE,
        .min_args = 1,
        .max_args = 2,
        .flags = CMD_LIST | CMD_OWN,
        .offset = CMD_AT(struct first, own, struct words),
        .size = sizeof(struct words),
        .set = set_words },
    CMD_OPENS("egress", CONF_MAIN, 0, 0, CONF_EGRESS),
    CMD_OPENS("events", CONF_MAIN, 0, 0, CONF_EVENTS),
    CMD_OPENS("class", CONF_EGRESS, 1, 1, CONF_CLASS),
    { .name = "host",
        .contexts = CONF_EGRESS | CONF_CLASS,
        .min_args = 1,
        .max_args = 255,
        .flags = CMD_BLOCK,
        .block = CONF_HOST,
        .set = set_title },
    CMD_OPENS("location", CONF_HOST, 1, 2, CONF_LOCATION),
    { 0 },
};

static const struct first first_defaults = { .number = 7,
    .list = { 1, { { "default", 7 } } } };

static const struct conf_part first_part = { .name = "first",
    .cmds = first_cmds,
    .defaults = &first_defaults,
    .size = sizeof(struct first),
    .check = first_check };

static const struct cmd second_cmds[] = {
    CMD_UINT("other", CONF_EGRESS, struct second, other),
    CMD("token", CONF_CLASS, 1, 1, struct second, token, struct str, set_str),
    CMD("token", CONF_HOST, 1, 1, struct second, token, struct str,
        set_secretly),
    CMD("nothing", CONF_HOST, 1, 1, struct second, token, struct str,
        set_nothing),
    { 0 },
};

static const struct conf_part second_part = {
    .name = "second", .cmds = second_cmds, .size = sizeof(struct second)
};

static const struct conf_part empty_part = { .name = "empty" };

static const struct conf_part *const parts[] = { &first_part, &second_part,
    &empty_part };

static int
set_up(void **state)
{
    trace[0] = '\0';
    return bound_set_up(state);
}

static struct conf *
bind_with(struct bound *f, const char *text, const char *globals)
{
    return bound_bind(f, parts, LEN(parts), text, globals, CONF_SERVE);
}

static struct conf *
binds(void **state, const char *text)
{
    struct bound *f = *state;
    if (bind_with(f, text, "") == NULL) {
        fail_msg("%s", f->err);
    }
    return f->conf;
}

/* The text is refused with "WHAT in DIR/weir.conf:LINE". */
/* Refused with "WHAT in DIR/weir.conf:LINE". */
static void
refuses(void **state, const char *text, const char *what, unsigned line)
{
    assert_null(bind_with(*state, text, ""));
    bound_is_refused(*state, what, line);
}

static struct first *
part_of(struct scope *s)
{
    return scope_part(s, 0);
}

static void
defaults_and_main(void **state)
{
    struct conf *c = binds(state, "");
    assert_int_equal(part_of(c->main)->number, 7);
    assert_int_equal(c->main->context, CONF_MAIN);
    assert_null(c->main->directive);
    assert_null(conf_scope(c, CONF_EGRESS));
    assert_int_equal(conf_part_index(c, &second_part), 1);
    assert_false(scope_has(c, c->main, "number"));

    c = binds(state, "number 8;");
    assert_int_equal(part_of(c->main)->number, 8);
    assert_true(scope_has(c, c->main, "number"));
}

static void
types(void **state)
{
    struct bound *f = *state;
    struct conf *c = binds(
        state, "egress { bytes 32k; time 1h30m; flag on; path a/b; text ''; }");
    struct first *p = part_of(conf_scope(c, CONF_EGRESS));
    char expected[512];
    snprintf(expected, sizeof expected, "%sa/b", f->dir.path);
    assert_int_equal(p->bytes, 32 * 1024);
    assert_true(p->time == 5400);
    assert_true(p->flag);
    assert_string_equal(p->path.p, expected);
    assert_int_equal(p->text.n, 0);
    assert_non_null(p->text.p);
    c = binds(state, "egress { path /a/b; flag off; }");
    p = part_of(conf_scope(c, CONF_EGRESS));
    assert_string_equal(p->path.p, "/a/b");
    assert_false(p->flag);
}

static void
bad_types(void **state)
{
    refuses(state, "egress {\nflag yes; }",
        "invalid value \"yes\" in \"flag\" directive, it must be \"on\" or "
        "\"off\"",
        2);
    refuses(state, "number 4294967296;",
        "invalid value \"4294967296\" in \"number\" directive", 1);
    refuses(
        state, "number -1;", "invalid value \"-1\" in \"number\" directive", 1);
    refuses(state, "egress { bytes 1x; }",
        "invalid value \"1x\" in \"bytes\" directive", 1);
    refuses(state, "egress { time 1x; }",
        "invalid value \"1x\" in \"time\" directive", 1);
    refuses(state, "egress { path ''; }",
        "invalid value \"\" in \"path\" directive", 1);
}

static void
names_and_contexts(void **state)
{
    refuses(state, "\nnobody 1;", "unknown directive \"nobody\"", 2);
    refuses(state, "egress { number 1;\nhost a { other 1; } }",
        "\"other\" directive is not allowed here", 2);
    refuses(state, "bytes 1k;", "\"bytes\" directive is not allowed here", 1);
    refuses(state, "egress { class a { token 1;\nbytes 1k; } }",
        "\"bytes\" directive is not allowed here", 2);
    refuses(state, "host a { }", "\"host\" directive is not allowed here", 1);
    refuses(state, "\n'' {}", "unknown directive \"\"", 2);
}

static void
counts_and_blocks(void **state)
{
    refuses(state, "number;",
        "invalid number of arguments in \"number\" directive", 1);
    refuses(state, "number 1 2;",
        "invalid number of arguments in \"number\" directive", 1);
    refuses(state, "egress { own 1 2 3; }",
        "invalid number of arguments in \"own\" directive", 1);
    refuses(state, "egress x { }",
        "invalid number of arguments in \"egress\" directive", 1);
    refuses(state, "egress;", "directive \"egress\" has no opening \"{\"", 1);
    refuses(state, "number 1 { }",
        "directive \"number\" is not terminated by \";\"", 1);
}

static void
many_arguments(void **state)
{
    struct bound *f = *state;
    struct buf text;
    buf_init(&text, 65536);
    AN(buf_add(&text, STR("egress { list")));
    for (int i = 0; i < 600; i++) {
        AN(buf_add(&text, STR(" x")));
    }
    AN(buf_add(&text, STR("; }")));
    AN(buf_addc(&text, '\0'));
    assert_non_null(bind_with(f, text.p, ""));
    buf_fini(&text);
}

static void
duplicates(void **state)
{
    refuses(
        state, "number 1;\nnumber 2;", "\"number\" directive is duplicate", 2);
    refuses(state, "egress { }\negress { }",
        "\"egress\" directive is duplicate", 2);
    binds(state, "number 1; egress { number 2; host a { number 3; } "
                 "host a { number 3; } }");
}

static void
globals_come_first(void **state)
{
    struct bound *f = *state;
    assert_non_null(bind_with(f, "egress { }", "number 3; events { }"));
    assert_int_equal(part_of(f->conf->main)->number, 3);
    assert_int_equal(part_of(conf_scope(f->conf, CONF_EGRESS))->number, 3);
    assert_non_null(conf_scope(f->conf, CONF_EVENTS));
    refuses(state, "\nbytes 1;", "\"bytes\" directive is not allowed here", 2);
    assert_null(bind_with(f, "number 1;", "number 2;"));
    assert_null(bind_with(f, "number 1;", "number 2"));
    assert_string_equal(f->err, "unexpected end of file, expecting \";\" or "
                                "\"}\" in command line:1");
    assert_non_null(bind_with(f, "", "number 2;"));
}

static void
children_copy_finished_parents(void **state)
{
    struct conf *c = binds(state, "egress { host a { location / { } number 2; }"
                                  " bytes 5; list x; number 1; }");
    struct scope *egress = conf_scope(c, CONF_EGRESS);
    struct scope *host = egress->children;
    assert_int_equal(host->context, CONF_HOST);
    assert_ptr_equal(host->parent, egress);
    assert_int_equal(part_of(egress)->number, 1);
    assert_int_equal(part_of(host)->number, 2);
    assert_int_equal(part_of(host)->bytes, 5);
    assert_int_equal(part_of(host->children)->number, 2);
    assert_int_equal(part_of(host->children)->bytes, 5);
    assert_false(scope_has(c, host, "bytes"));
    assert_true(scope_has(c, host, "number"));
    assert_true(scope_has(c, host, "location"));
    assert_false(scope_has(c, host->children, "number"));
    assert_false(scope_has(c, host, "no such"));
}

static void
lists_replace(void **state)
{
    struct conf *c = binds(state, "egress { list a b; list c; "
                                  "host x { } host y { list d; list e f; } }");
    struct scope *egress = conf_scope(c, CONF_EGRESS);
    struct words *w = &part_of(egress)->list;
    assert_int_equal(w->n, 3); /* without the default */
    assert_string_equal(w->items[2].p, "c");
    assert_int_equal(part_of(egress->children)->list.n, 3);
    w = &part_of(egress->children->next)->list;
    assert_int_equal(w->n, 3);
    assert_string_equal(w->items[0].p, "d");
    assert_string_equal(w->items[2].p, "f");
    assert_int_equal(part_of(c->main)->list.n, 1);
}

static void
own_fields_are_not_inherited(void **state)
{
    struct conf *c = binds(state, "egress { own a; own b; host x { } "
                                  "host y { own c; location / { } } }");
    struct scope *egress = conf_scope(c, CONF_EGRESS);
    struct scope *y = egress->children->next;
    assert_int_equal(part_of(egress)->own.n, 2);
    assert_int_equal(part_of(egress->children)->own.n, 0);
    assert_int_equal(part_of(y)->own.n, 1);
    assert_int_equal(part_of(y->children)->own.n, 0);
}

static void
one_name_in_two_contexts(void **state)
{
    struct conf *c = binds(state, "egress { class a { token x; } }");
    struct scope *class = conf_scope(c, CONF_EGRESS)->children;
    const struct second *s = scope_part(class, 1);
    assert_string_equal(s->token.p, "x");
    assert_true(scope_has(c, class, "token"));
    refuses(state, "egress { host a { token x; } }",
        "unknown source \"x\" here", 1);
}

static void
blocks_arguments_are_set_first(void **state)
{
    struct conf *c = binds(state, "egress { host a { number 2; "
                                  "location / { } } host b { } number 1; }");
    struct scope *host = conf_scope(c, CONF_EGRESS)->children;
    assert_string_equal(trace, "set a:1 set b:1 check 80:2 check 20:2 "
                               "check 20:1 check 4:1 check 1:7 ");
    assert_string_equal(part_of(host)->title.p, "a");
    assert_string_equal(part_of(host->children)->title.p, "a");
    refuses(state, "egress { host\nbad { } }", "bad host \"bad\"", 2);
}

static void
checks_refuse(void **state)
{
    struct bound *f = *state;
    assert_null(bind_with(f, "egress { number 666; } number 667;", ""));
    assert_string_equal(f->err, "the number of the beast");
    refuses(state, "egress {\nhost a { number 667; } }",
        "\"first\" refuses the configuration", 2);
    refuses(state, "egress {\nhost a { nothing 667; } }",
        "invalid value in \"nothing\" directive", 2);
}

static void
errors_do_not_show_long_tokens(void **state)
{
    refuses(state,
        "egress { host a { token 0123456789012345678901234567890123456789"
        "012345678901234567890123xyz; } }",
        "unknown source \"0123456789012345678901234567890123456789"
        "012345678901234567890123...\" here",
        1);
    refuses(state,
        "egress { host a { token 0123456789012345678901234567890123456789"
        "012345678901234567890123; } }",
        "unknown source \"0123456789012345678901234567890123456789"
        "012345678901234567890123\" here",
        1);
}

static void
parts_may_not_collide(void **state)
{
    static const struct cmd cmds[] = {
        CMD_UINT("other", CONF_EGRESS | CONF_HOST, struct second, other),
        { 0 },
    };
    static const struct conf_part rival = {
        .name = "rival", .cmds = cmds, .size = sizeof(struct second)
    };
    static const struct conf_part *const both[] = { &second_part, &rival };
    struct bound *f = *state;
    tmp_dir_write(&f->dir, "weir.conf", STR(""));
    assert_null(conf_bind(both, 2, f->dir.path, "weir.conf", STR_NONE, false,
        f->err, sizeof f->err));
    assert_string_equal(
        f->err, "directive \"other\" is both \"second\"'s and \"rival\"'s");
}

static void
files(void **state)
{
    struct bound *f = *state;
    struct str name, text;
    tmp_dir_write(&f->dir, "b", STR("number 2;"));
    struct conf *c = binds(state, "include b;");
    assert_true(conf_files(c, 0, &name, &text));
    assert_true(str_eq(name, c->file));
    assert_string_equal(name.p, tmp_dir_path(&f->dir, "weir.conf"));
    assert_string_equal(text.p, "include b;");
    assert_true(conf_files(c, 1, &name, &text));
    assert_string_equal(name.p, tmp_dir_path(&f->dir, "b"));
    assert_string_equal(text.p, "number 2;");
    assert_false(conf_files(c, 2, &name, &text));
}

static void
prefix_and_file(void **state)
{
    struct bound *f = *state;
    char bare[128], path[512];
    snprintf(
        bare, sizeof bare, "%.*s", (int)strlen(f->dir.path) - 1, f->dir.path);
    snprintf(path, sizeof path, "%s",
        tmp_dir_write(&f->dir, "etc/w.conf", STR("include part;")));
    tmp_dir_write(&f->dir, "etc/part", STR("egress { path logs/x; }"));
    f->conf = conf_bind(parts, LEN(parts), bare, "etc/w.conf", STR_NONE, true,
        f->err, sizeof f->err);
    assert_non_null(f->conf);
    assert_true(f->conf->is_test);
    assert_string_equal(f->conf->prefix.p, f->dir.path);
    assert_string_equal(f->conf->file.p, path);
    assert_string_equal(part_of(conf_scope(f->conf, CONF_EGRESS))->path.p,
        tmp_dir_path(&f->dir, "logs/x"));
}

/* CPU seconds that it takes to load a configuration of `n` blocks, `times`
 * over. */
static double
load_blocks(struct bound *f, int n, int times)
{
    struct buf text;
    buf_init(&text, 16 << 20);
    AN(buf_add(&text, STR("egress {\n")));
    for (int i = 0; i < n; i++) {
        AN(buf_addf(&text,
            "    host h%d.example {\n        number %d;\n        bytes 4m;\n"
            "        list a b c;\n        time 30s;\n    }\n",
            i, i + 1000));
    }
    AN(buf_add(&text, STR("}\n")));
    AN(buf_addc(&text, '\0'));
    clock_t from = clock();
    for (int i = 0; i < times; i++) {
        assert_non_null(bind_with(f, text.p, ""));
    }
    buf_fini(&text);
    return (double)(clock() - from) / CLOCKS_PER_SEC;
}

/* As many at once cost what they cost in twenty files, and not twenty times
 * that; other work on the machine may spoil an attempt. */
static void
many_blocks_load_fast(void **state)
{
    struct bound *f = *state;
    bool is_linear = false;
    for (int attempt = 0; attempt < 3 && !is_linear; attempt++) {
        double apart = load_blocks(f, 500, 20);
        is_linear = load_blocks(f, 10000, 1) < 5 * apart;
    }
    assert_true(is_linear);
    unsigned n = 0;
    for (struct scope *s = conf_scope(f->conf, CONF_EGRESS)->children;
         s != NULL; s = s->next) {
        assert_int_equal(part_of(s)->number, 1000 + n++);
    }
    assert_int_equal(n, 10000);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, bound_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(defaults_and_main),
        T(types),
        T(bad_types),
        T(names_and_contexts),
        T(counts_and_blocks),
        T(many_arguments),
        T(duplicates),
        T(globals_come_first),
        T(children_copy_finished_parents),
        T(lists_replace),
        T(own_fields_are_not_inherited),
        T(one_name_in_two_contexts),
        T(blocks_arguments_are_set_first),
        T(checks_refuse),
        T(errors_do_not_show_long_tokens),
        T(parts_may_not_collide),
        T(files),
        T(prefix_and_file),
        T(many_blocks_load_fast),
    };
    return cmocka_run_group_tests_name("bind", tests, NULL, NULL);
}
