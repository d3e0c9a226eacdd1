/*
 * All command tables together, as weir binds them. With the argument "print"
 * it prints them, a line for each directive and each variable: what
 * tests/lifecycle/man_test.py holds the manual against.
 */

#include "proc/main_conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "../units.h"
#include "conf/type.h"
#include "conf/value.h"

static const struct {
    enum conf_context context;
    const char *name;
} contexts[] = {
    { CONF_MAIN, "main" },
    { CONF_EVENTS, "events" },
    { CONF_EGRESS, "egress" },
    { CONF_CLASS, "sandbox_class" },
    { CONF_SANDBOX, "sandbox" },
    { CONF_HOST, "host" },
    { CONF_HANDLER, "handler" },
    { CONF_LOCATION, "location" },
    { CONF_CONTROL, "control" },
};

static void
print_contexts(unsigned set)
{
    const char *comma = "";
    for (size_t i = 0; i < LEN(contexts); i++) {
        if (set & contexts[i].context) {
            printf("%s%s", comma, contexts[i].name);
            comma = ",";
        }
    }
}

/* As a number, where the type is one of type.h's; else "-". */
static void
print_default(const struct conf_part *part, const struct cmd *cmd)
{
    static const char zeroes[64];
    part = cmd->part != NULL ? cmd->part : part;
    const char *field = part->defaults != NULL
                            ? (const char *)part->defaults + cmd->offset
                            : zeroes;
    if (cmd->set == set_flag) {
        printf("%s", *(const bool *)field ? "on" : "off");
    } else if (cmd->set == set_uint || cmd->set == set_count) {
        printf("%u", *(const unsigned *)field);
    } else if (cmd->set == set_size) {
        printf("%llu", (unsigned long long)*(const uint64_t *)field);
    } else if (cmd->set == set_time) {
        printf("%g", *(const double *)field);
    } else {
        printf("-");
    }
}

/* Name, contexts, arguments, "block" or "list", default. */
static void
print_cmd(const struct conf_part *part, const struct cmd *cmd)
{
    printf("directive\t%s\t", cmd->name);
    print_contexts(cmd->contexts);
    printf("\t%u\t%u\t%s\t", cmd->min_args, cmd->max_args,
        cmd->flags & CMD_BLOCK  ? "block"
        : cmd->flags & CMD_LIST ? "list"
                                : "-");
    print_default(part, cmd);
    printf("\n");
}

static void
print_var(const struct var_def *v)
{
    printf("variable\t%s\t%s\n", v->name,
        v->flags & VAR_CAPTURE  ? "capture"
        : v->flags & VAR_PREFIX ? "prefix"
                                : "-");
}

static int
print_tables(void)
{
    unsigned n;
    const struct conf_part *const *parts = main_conf_parts(&n);
    for (unsigned i = 0; i < n; i++) {
        const struct cmd *cmd = parts[i]->cmds;
        for (; cmd != NULL && cmd->name != NULL; cmd++) {
            print_cmd(parts[i], cmd);
        }
        const struct var_def *v = parts[i]->vars;
        for (; v != NULL && v->name != NULL; v++) {
            print_var(v);
        }
    }
    return 0;
}

static bool
is_word(const char *s)
{
    return *s != '\0' &&
           strspn(s, "abcdefghijklmnopqrstuvwxyz_0123456789") == strlen(s);
}

static unsigned
known_contexts(void)
{
    unsigned set = 0;
    for (size_t i = 0; i < LEN(contexts); i++) {
        set |= contexts[i].context;
    }
    return set;
}

static void
every_directive_is_whole(void **state)
{
    unsigned n, n_cmds = 0;
    const struct conf_part *const *parts = main_conf_parts(&n);
    (void)state;
    for (unsigned i = 0; i < n; i++) {
        const struct cmd *cmd = parts[i]->cmds;
        for (; cmd != NULL && cmd->name != NULL; cmd++, n_cmds++) {
            bool is_block = (cmd->flags & CMD_BLOCK) != 0;
            size_t room = (cmd->part != NULL ? cmd->part : parts[i])->size;
            assert_true(is_word(cmd->name));
            assert_int_not_equal(cmd->contexts, 0);
            assert_int_equal(cmd->contexts & ~known_contexts(), 0);
            assert_true(cmd->min_args <= cmd->max_args);
            assert_true(is_block || cmd->set != NULL);
            assert_true(is_block || cmd->offset + cmd->size <= room);
            assert_int_equal(cmd->block != 0, is_block);
        }
    }
    assert_true(n_cmds > 40);
}

static void
every_variable_is_whole(void **state)
{
    unsigned n;
    const struct conf_part *const *parts = main_conf_parts(&n);
    (void)state;
    for (unsigned i = 0; i < n; i++) {
        const struct var_def *v = parts[i]->vars;
        for (; v != NULL && v->name != NULL; v++) {
            assert_true(is_word(v->name));
            assert_non_null(v->get);
        }
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_directive_is_whole),
        cmocka_unit_test(every_variable_is_whole),
    };
    const char *what = unit_argv()[1];
    if (what != NULL && strcmp(what, "print") == 0) {
        return print_tables();
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
