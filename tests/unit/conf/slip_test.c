/*
 * A missing ";" makes the next directive's words arguments of the one before:
 * which words the binder refuses there, which it warns of, and how a value
 * that is meant is written. And the list of warnings itself.
 */

#include "conf/bind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "bound.h"
#include "conf/type.h"

struct words {
    unsigned n;
    const struct token *args;
};

struct some {
    bool flag;
    struct words list, free;
    struct str text;
};

static bool
set_list(struct bind *b, const struct directive *d, void *field)
{
    (void)b;
    *(struct words *)field = (struct words){ d->n_args, d->args };
    return true;
}

/* Warns of "w" as often as it stands there, of "m" by numbers. */
static bool
set_warned(struct bind *b, const struct directive *d, void *field)
{
    unsigned n = 0;
    for (unsigned i = 0; i < d->n_args; i++) {
        if (str_eq(d->args[i].text, STR("w"))) {
            conf_warn(bind_conf(b), &d->args[i], "warned of \"w\"");
        } else if (str_eq(d->args[i].text, STR("m"))) {
            conf_warn(bind_conf(b), &d->args[i], "warned of m %u", n++);
        }
    }
    return set_list(b, d, field);
}

#define ANY (CONF_EGRESS | CONF_HOST)

static const struct cmd cmds[] = {
    CMD_OPENS("egress", CONF_MAIN, 0, 0, CONF_EGRESS),
    CMD_OPENS("host", CONF_EGRESS, 1, 255, CONF_HOST),
    CMD_FLAG("internet", ANY, struct some, flag),
    CMD_LISTED("allowed_hosts", ANY, 0, 255, struct some, list, struct words,
        set_warned),
    CMD_LISTED("denied_hosts", CONF_HOST, 0, 255, struct some, list,
        struct words, set_list),
    CMD_LISTED_FREE(
        "fields", ANY, 1, 255, struct some, free, struct words, set_list),
    CMD("token", ANY, 1, 1, struct some, text, struct str, set_str),
    { 0 },
};

static const struct conf_part part = {
    .name = "some", .cmds = cmds, .size = sizeof(struct some)
};
static const struct conf_part *const parts[] = { &part };

static struct conf *
bind_text(struct bound *f, const char *text)
{
    return bound_bind(f, parts, LEN(parts), text, "", CONF_SERVE);
}

/* Refused with "WHAT in DIR/weir.conf:LINE". */
/* Refused with "WHAT in DIR/weir.conf:LINE". */
static void
refuses(void **state, const char *text, const char *what, unsigned line)
{
    bind_text(*state, text);
    bound_is_refused(*state, what, line);
}

/* Taken, with that warning alone, or with none. */
static void
takes(void **state, const char *text, const char *what, unsigned line)
{
    struct bound *f = *state;
    char expected[512];
    struct str warning;
    bind_text(f, text);
    if (f->conf == NULL) {
        fail_msg("%s", f->err);
    }
    bool is_warned = conf_warning(f->conf, 0, &warning);
    assert_int_equal(is_warned, what != NULL);
    if (is_warned) {
        snprintf(expected, sizeof expected, "%s in %sweir.conf:%u", what,
            f->dir.path, line);
        assert_string_equal(warning.p, expected);
        assert_false(conf_warning(f->conf, 1, &warning));
    }
}

#define ON_A_LINE(WORD, OF, LINE, END)                                         \
    "\"" WORD "\" begins a line among the arguments of \"" OF                  \
    "\" of line " LINE ": a \"" END                                            \
    "\" is missing before it, or it is a value and must be in quotes"

static void
next_line_is_swallowed(void **state)
{
    refuses(state,
        "egress { host a {\nallowed_hosts github.com\n"
        "denied_hosts gist.github.com;\n} }",
        ON_A_LINE("denied_hosts", "allowed_hosts", "2", ";"), 3);
    refuses(state, "egress {\ninternet on\ninternet off;\n}",
        ON_A_LINE("internet", "internet", "2", ";"), 3);
    /* behind a comment, empty lines, a ";" in a comment */
    refuses(state,
        "egress {\n    allowed_hosts a # the one;\n\n    # more\n"
        "    internet off;\n}",
        ON_A_LINE("internet", "allowed_hosts", "2", ";"), 5);
    /* without a value of its own */
    refuses(state, "egress {\nallowed_hosts\ninternet on;\n}",
        ON_A_LINE("internet", "allowed_hosts", "2", ";"), 3);
    /* however far it is indented, in a list whose words are free too */
    refuses(state, "egress {\nfields a\n        token x;\n}",
        ON_A_LINE("token", "fields", "2", ";"), 3);
    /* one that is not allowed there, one that the binder never sees */
    refuses(state, "egress {\nallowed_hosts a\negress b;\n}",
        ON_A_LINE("egress", "allowed_hosts", "2", ";"), 3);
    refuses(state, "egress {\nallowed_hosts a\ninclude b.conf;\n}",
        ON_A_LINE("include", "allowed_hosts", "2", ";"), 3);
}

static void
open_brace_is_missing(void **state)
{
    refuses(state, "egress {\nhost a.test\ninternet on;\n}",
        ON_A_LINE("internet", "host", "2", "{"), 3);
    refuses(state, "egress\nhost a.test { }\n",
        ON_A_LINE("host", "egress", "1", "{"), 2);
}

static void
name_in_a_list(void **state)
{
    refuses(state, "egress { allowed_hosts a\n internet_ b internet on; }",
        "\"internet\" in the list of \"allowed_hosts\" is the name of a "
        "directive: a \";\" is missing before it, or it is a value and must "
        "be in quotes",
        2);
    refuses(state, "egress { host a token { } }",
        "\"token\" in the list of \"host\" is the name of a directive: a "
        "\"{\" is missing before it, or it is a value and must be in quotes",
        1);
    takes(state, "egress { allowed_hosts tokens Token a.token token.test; }",
        NULL, 0);
}

/* What is meant passes: on the directive's line where it takes one value, in
 * a list of free words, and anywhere in quotes. */
static void
values_that_are_names(void **state)
{
    struct bound *f = *state;
    takes(state, "egress { token internet; fields host token; }", NULL, 0);
    takes(state, "egress {\nallowed_hosts \"token\"\n'internet';\n}", NULL, 0);
    const struct some *s = scope_part(conf_scope(f->conf, CONF_EGRESS), 0);
    assert_int_equal(s->list.n, 2);
    assert_true(str_eq(s->list.args[1].text, STR("internet")));
    takes(state, "egress {\n\ttoken\n\t\t\"host\";\n}", NULL, 0);
    takes(state, "egress { allowed_hosts\n  a.test\n  b.test\n  ; }", NULL, 0);
    /* it follows a word on its line, which began in quotes further up */
    takes(state, "egress { fields \"a\nb\" token; }", NULL, 0);
}

/* What is no directive (misspelt, of a module that is not there) and stands
 * where one would. */
static void
unindented_word(void **state)
{
    takes(state, "egress {\n  allowed_hosts a.test\n  denied_host b.test;\n}",
        "\"denied_host\" begins a line among the arguments of "
        "\"allowed_hosts\" of line 2: is a \";\" missing before it? If not, "
        "indent it",
        3);
    takes(state, "egress {\n  allowed_hosts a.test\n  denied-hosts b.test;\n}",
        "\"denied-hosts\" begins a line among the arguments of "
        "\"allowed_hosts\" of line 2: is a \";\" missing before it? If not, "
        "indent it",
        3);
    takes(state, "egress {\n  allowed_hosts a.test\n    denied_host;\n}", NULL,
        0);
    takes(
        state, "egress {\nallowed_hosts\na.test\nb2\n*.c.test\n;\n}", NULL, 0);
}

static void
warnings(void **state)
{
    struct bound *f = *state;
    struct str text;
    char many[512] = "egress { allowed_hosts w w";
    takes(state, "egress { allowed_hosts w w; }", "warned of \"w\"", 1);
    assert_true(conf_warning(f->conf, 0, &text));
    assert_true(conf_has_warning(f->conf, text));
    assert_false(conf_has_warning(f->conf, STR("warned of")));
    for (int i = 0; i < 120; i++) {
        strncat(many, " m", sizeof many - strlen(many) - 1);
    }
    strncat(many, "; }", sizeof many - strlen(many) - 1);
    bind_text(f, many);
    assert_non_null(f->conf);
    assert_true(conf_warning(f->conf, 99, &text));
    assert_true(str_starts(text, STR("warned of m 98 in ")));
    assert_true(conf_warning(f->conf, 100, &text));
    assert_string_equal(text.p, "there is more to warn of, which is left out");
    assert_false(conf_warning(f->conf, 101, &text));
}

#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, bound_set_up, bound_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(next_line_is_swallowed),
        T(open_brace_is_missing),
        T(name_in_a_list),
        T(values_that_are_names),
        T(unindented_word),
        T(warnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
