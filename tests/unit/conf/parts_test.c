/*
 * Commands that are not of the part whose struct they fill, and those of
 * modules that the build is without.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "conf/bind.h"
#include "conf/type.h"
#include "tmp_dir.h"

struct owner {
    unsigned number;
};

static const struct cmd owner_cmds[] = {
    CMD_OPENS("egress", CONF_MAIN, 0, 0, CONF_EGRESS),
    CMD_OPENS("host", CONF_EGRESS, 1, 1, CONF_HOST),
    CMD_UINT("number", CONF_WHERE, struct owner, number),
    { 0 },
};

static const struct conf_part owner_part = {
    .name = "owner", .cmds = owner_cmds, .size = sizeof(struct owner)
};

static const struct cmd lent_cmds[] = {
    { .name = "lent",
        .contexts = CONF_WHERE,
        .min_args = 1,
        .max_args = 1,
        .offset = CMD_AT(struct owner, number, unsigned),
        .size = sizeof(unsigned),
        .set = set_uint,
        .part = &owner_part },
    { 0 },
};

static const struct conf_part lent_part = { .name = "lent", .cmds = lent_cmds };

static const struct cmd gone_cmds[] = { { .name = "away" },
    { .name = "number" }, { 0 } };

static const struct conf_part gone_part = {
    .name = "gone", .cmds = gone_cmds, .is_left_out = true
};

/* The part that is lent from need not come first. */
static const struct conf_part *const parts[] = { &lent_part, &owner_part,
    &gone_part };

#define OWNER 1

struct fixture {
    struct tmp_dir dir;
    struct conf *conf;
    char err[512];
};

static int
set_up(void **state)
{
    struct fixture *f = xcalloc(sizeof *f);
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
    xfree(f);
    return 0;
}

static void
bind_text(struct fixture *f, const char *text)
{
    tmp_dir_write(&f->dir, "weir.conf", str_of(text));
    if (f->conf != NULL) {
        conf_free(f->conf);
    }
    f->conf = conf_bind(parts, LEN(parts), f->dir.path, "weir.conf", STR_NONE,
        CONF_SERVE, f->err, sizeof f->err);
}

static void
refuses(void **state, const char *text, const char *what, unsigned line)
{
    struct fixture *f = *state;
    char expected[512];
    bind_text(f, text);
    assert_null(f->conf);
    snprintf(expected, sizeof expected, "%s in %sweir.conf:%u", what,
        f->dir.path, line);
    assert_string_equal(f->err, expected);
}

static unsigned
number_of(const struct scope *s)
{
    const struct owner *o = scope_part(s, OWNER);
    return o->number;
}

static void
a_field_of_another_part(void **state)
{
    struct fixture *f = *state;
    bind_text(f, "egress { lent 3; host a { number 4; } host b { } }");
    assert_non_null(f->conf);
    const struct scope *egress = conf_scope(f->conf, CONF_EGRESS);
    assert_int_equal(number_of(egress), 3);
    assert_int_equal(number_of(egress->children), 4);
    assert_int_equal(number_of(egress->children->next), 3);
    assert_true(scope_has(f->conf, egress, "lent"));
    refuses(state, "egress { lent x; }",
        "invalid value \"x\" in \"lent\" directive", 1);
}

#define GONE " directive requires gone_module, which this build is without"

static void
a_module_that_is_left_out(void **state)
{
    refuses(state, "egress {\naway 1; }", "the \"away\"" GONE, 2);
    refuses(state, "away { }", "the \"away\"" GONE, 1);
    refuses(state, "nowhere;", "unknown directive \"nowhere\"", 1);
}

/* Its name is taken where another part has it too. */
static void
a_name_that_is_left_out_elsewhere(void **state)
{
    struct fixture *f = *state;
    bind_text(f, "egress { number 1; }");
    assert_non_null(f->conf);
    refuses(state, "number 1;", "the \"number\"" GONE, 1);
}

/* A missing ";" is found before it as before any other directive. */
static void
a_left_out_name_is_one(void **state)
{
    refuses(state, "egress { number 1\naway 1; }",
        "\"away\" begins a line among the arguments of \"number\" of line "
        "1: a \";\" is missing before it, or it is a value and must be in "
        "quotes",
        2);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_field_of_another_part),
        T(a_module_that_is_left_out),
        T(a_name_that_is_left_out_elsewhere),
        T(a_left_out_name_is_one),
    };
    return cmocka_run_group_tests_name("parts", tests, NULL, NULL);
}
