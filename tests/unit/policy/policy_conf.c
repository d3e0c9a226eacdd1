/*
 * The fixture of the tests in this directory.
 */

#include "policy_conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "../conf/tmp_dir.h"
#include "conf/type.h"
#include "policy/block.h"
#include "proxy/hook.h"
#include "sandbox/sandbox_conf.h"

struct fixture {
    struct policy_conf pc;
    struct tmp_dir dir;
    char err[1024];
};

struct own {
    struct value *value;
    unsigned pass;
};

static bool
set_pass(struct bind *b, const struct directive *d, void *field)
{
    (void)d, (void)field;
    block_mark_proxy_pass(bind_scope(b));
    return true;
}

#define BLOCKS (CONF_HOST | CONF_HANDLER | CONF_LOCATION)

static const struct cmd own_cmds[] = {
    CMD_OPENS("egress", CONF_MAIN, 0, 0, CONF_EGRESS),
    CMD("proxy_pass", BLOCKS, 0, 0, struct own, pass, unsigned, set_pass),
    CMD_VALUE("value", BLOCKS, struct own, value),
    { 0 },
};

static bool
get_nothing(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    (void)ctx, (void)a, (void)name, (void)arg;
    *out = STR("");
    return true;
}

static const struct var_def own_vars[] = {
    { .name = "a capture", .flags = VAR_CAPTURE, .get = get_nothing },
    { .name = "secret_", .flags = VAR_PREFIX | VAR_SECRET, .get = get_nothing },
    { .name = "host", .get = get_nothing },
    { 0 },
};

static const struct conf_part own_part = { .name = "own",
    .cmds = own_cmds,
    .vars = own_vars,
    .size = sizeof(struct own) };

extern const struct module host_match_module, limit_module, header_slots_module;

static const struct conf_part *const parts[] = { &own_part, &class_part,
    &sandbox_part, &block_part, &host_match_module.conf, &limit_module.conf,
    &header_slots_module.conf };

int
policy_set_up(void **state)
{
    struct fixture *f = xcalloc(sizeof *f);
    tmp_dir_make(&f->dir);
    f->pc.arena = arena_new(4096);
    *state = f;
    return 0;
}

static void
forget(struct fixture *f)
{
    if (f->pc.conf != NULL) {
        conf_free(f->pc.conf);
    }
    f->pc.conf = NULL;
    f->pc.set = NULL;
}

int
policy_tear_down(void **state)
{
    struct fixture *f = *state;
    forget(f);
    arena_free(f->pc.arena);
    tmp_dir_remove(&f->dir);
    xfree(f);
    return 0;
}

static bool
bind_text(struct fixture *f, const char *text)
{
    struct str all = text != NULL
                         ? arena_printf(f->pc.arena, "egress { %s }", text)
                         : STR("");
    forget(f);
    tmp_dir_write(&f->dir, "weir.conf", all);
    f->pc.conf = conf_bind(parts, LEN(parts), f->dir.path, "weir.conf", STR(""),
        false, f->err, sizeof f->err);
    return f->pc.conf != NULL;
}

struct policy_conf *
policy_binds(void **state, const char *text)
{
    struct fixture *f = *state;
    if (!bind_text(f, text)) {
        fail_msg("%s", f->err);
    }
    f->pc.set = sandbox_set_of(f->pc.conf);
    return &f->pc;
}

const struct class *
policy_classes(const struct policy_conf *pc)
{
    return classes_of(pc->conf, conf_scope(pc->conf, CONF_EGRESS));
}

struct sandbox *
policy_sandbox(const struct policy_conf *pc, unsigned n)
{
    struct sandbox *sb = sandbox_set_next(pc->set, NULL);
    while (sb != NULL && n-- != 0) {
        sb = sandbox_set_next(pc->set, sb);
    }
    return sb;
}

void
policy_refuses(void **state, const char *text, const char *what, unsigned line)
{
    struct fixture *f = *state;
    char expected[1024];
    if (bind_text(f, text)) {
        fail_msg("not refused: %s", text);
    }
    snprintf(expected, sizeof expected, "%s in %sweir.conf:%u", what,
        f->dir.path, line);
    assert_string_equal(f->err, expected);
}

void
policy_file(void **state, const char *name, struct str text)
{
    struct fixture *f = *state;
    tmp_dir_write(&f->dir, name, text);
}

const char *
policy_dir(void **state)
{
    struct fixture *f = *state;
    return f->dir.path;
}

struct scope *
policy_child(const struct scope *s, unsigned n)
{
    struct scope *k = s->children;
    while (k != NULL && n-- != 0) {
        k = k->next;
    }
    assert_non_null(k);
    return k;
}

struct scope *
policy_egress(void **state, unsigned n)
{
    struct fixture *f = *state;
    return policy_child(conf_scope(f->pc.conf, CONF_EGRESS), n);
}
