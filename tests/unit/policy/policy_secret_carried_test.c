/*
 * What the requests of a block may carry: cases, and any names of a block and
 * any `hosts=` of its secret.
 */

#include "policy/policy_secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "../conf/tmp_dir.h"
#include "conf/type.h"
#include "policy/block.h"
#include "policy/class.h"
#include "proxy/hook.h"
#include "sandbox/sandbox_conf.h"

#define ROUNDS (RUNNING_ON_VALGRIND ? 10 : 300)

/* The part of a module that uses a secret. */
struct user {
    struct value *value;
};

static bool
prepare(struct bind *b, const struct token *at, struct str name, void **arg)
{
    const struct policy_secret *d =
        policy_secret_find(bind_conf(b), bind_scope(b), name);
    *arg = NULL;
    return d != NULL && policy_secret_mark_use(b, d, at);
}

static bool
get(void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    (void)ctx, (void)a, (void)name, (void)arg, (void)out;
    return false;
}

static const struct cmd user_cmds[] = {
    CMD_OPENS("egress", CONF_MAIN, 0, 0, CONF_EGRESS),
    CMD("use", CONF_WHERE, 1, 1, struct user, value, struct value *,
        set_secret_value),
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
binds(void **state, const char *text)
{
    struct fixture *f = *state;
    char err[1024];
    if (f->conf != NULL) {
        conf_free(f->conf);
    }
    tmp_dir_write(&f->dir, "weir.conf", str_of(text));
    f->conf = conf_bind(parts, LEN(parts), f->dir.path, "weir.conf", STR_NONE,
        true, err, sizeof err);
    if (f->conf == NULL) {
        fail_msg("%s: %s", text, err);
    }
    return f->conf;
}

/* The block in that scope that has the name; NULL: none. */
static const struct block *
block_named(const struct scope *s, const char *host)
{
    s = s->children;
    while (s != NULL && (s->context != CONF_HOST ||
                            pattern_match(block_of(s)->names, str_of(host),
                                NULL, NULL) != PATTERN_MATCH)) {
        s = s->next;
    }
    return s != NULL ? block_of(s) : NULL;
}

/* The secrets of the block that are for the host, by name and index, in one
 * string. */
static const char *
carried_by(const struct block *b, const char *host)
{
    static char names[256];
    struct addr a;
    bool is_literal = addr_parse(str_of(host), &a);
    const struct policy_secret *d;
    struct policy_secret_walk w;
    size_t n = 0;
    names[0] = '\0';
    policy_secret_walk_init(&w, b, str_of(host), is_literal ? &a : NULL);
    while ((d = policy_secret_walk_next(&w)) != NULL) {
        n += (size_t)snprintf(names + n, sizeof names - n, "%.*s%u ",
            STR_ARG(d->spec.name), d->spec.index);
    }
    return names;
}

static const char *
carried(const struct scope *s, const char *host)
{
    return carried_by(block_named(s, host), host);
}

/* Entitlement, not scope: what a block does not use none of its requests has,
 * whatever the secret is bound to. */
static void
what_a_block_carries(void **state)
{
    struct conf *c = binds(state,
        "egress { secret a env:A hosts=*.x.example,z.example; secret b env:B; "
        "secret c env:C; secret d env:D hosts=*.x.example; "
        "sandbox_class k { secret b env:K; allowed_hosts *; "
        "host k.example b.example { location / { use $secret_b; } } } "
        "host b.example B2.example { classes k; use $secret_b; "
        "location /a { use $secret_c; } location /b { use $secret_b; } } "
        "host *.x.example y.example { use $secret_d; "
        "location / { use $secret_a; } } "
        "host z.example { } host *.w.example { use $secret_d; } }");
    const struct scope *egress = conf_scope(c, CONF_EGRESS), *k;
    for (k = egress->children; k->context != CONF_CLASS; k = k->next) {
    }
    assert_string_equal(carried(egress, "b.example"), "b1 c2 ");
    assert_string_equal(carried(egress, "b2.example"), "b1 c2 ");
    assert_string_equal(carried(k, "b.example"), "b4 ");
    assert_string_equal(carried(egress, "a.x.example"), "d3 a0 ");
    assert_string_equal(carried(egress, "y.example"), ""); /* not bound to it */
    assert_string_equal(carried(egress, "z.example"), ""); /* bound, not used */
    assert_string_equal(carried(egress, "a.w.example"), "");
    assert_string_equal(carried(egress, "nobody.example"), "");
}

/* The block of an IPv4 address serves the IPv6 addresses that lead to it, and
 * `hosts=` that names the one is not for the other. */
static void
what_an_address_carries(void **state)
{
    struct conf *c = binds(state,
        "egress { secret a env:A hosts=192.0.2.1; secret b env:B; "
        "secret c env:C hosts=192.0.2.1,64:ff9b::c000:201; "
        "host 192.0.2.1 { use $secret_a; "
        "location / { use $secret_b; } location /c { use $secret_c; } } "
        "host 64:ff9b::c000:201 { use $secret_a; "
        "location / { use $secret_b; } location /c { use $secret_c; } } }");
    const struct scope *egress = conf_scope(c, CONF_EGRESS);
    const struct block *four = block_named(egress, "192.0.2.1");
    const struct block *six = block_named(egress, "64:ff9b::c000:201");
    assert_string_equal(carried_by(four, "192.0.2.1"), "a0 b1 c2 ");
    assert_string_equal(carried_by(four, "64:ff9b::c000:201"), "b1 c2 ");
    assert_string_equal(carried_by(six, "64:ff9b::c000:201"), "b1 c2 ");
}

static const char *
any(const char *const *words, size_t n)
{
    return words[(size_t)rand() % n];
}

/* As decide.c has it. */
static bool
serves(const struct block *b, struct str host, const struct addr *literal)
{
    struct addr_carried c = { .n = 0 };
    char text[ADDR_TEXT_MAX];
    if (pattern_match(b->names, host, literal, NULL) == PATTERN_MATCH) {
        return true;
    }
    if (literal != NULL) {
        addr_carries(literal, &c);
    }
    return c.is_sure &&
           pattern_match(b->names, addr_format(&c.items[0], false, text),
               &c.items[0], NULL) == PATTERN_MATCH;
}

/* Whatever the names of a block, a secret with `hosts=` is for the hosts that
 * these have, and for no other that the block serves. */
static void
by_chance(void **state)
{
    static const char *const names[] = { "a.test", "C.test.", "*.test",
        "*.a.test", ".b.test", "a.*", "~^.*a\\.test$", "x.a.test", "192.0.2.1",
        "64:ff9b::c000:201", "[2001:db8::1]" };
    static const char *const hosts[] = { "a.test", "b.test", "*.test",
        "*.a.test", "*.b.test", "X.a.test", "192.0.2.1", "2001:db8::1",
        "64:ff9b::c000:201" };
    static const char *const asked[] = { "a.test", "b.test", "x.a.test",
        "y.x.a.test", "y.b.test", "c.test", "a.example", "192.0.2.1",
        "64:ff9b::c000:201", "2001:db8::1" };
    unsigned n_served = 0, n_carried = 0;
    srand(1);
    for (int round = 0; round < ROUNDS; round++) {
        char text[512];
        size_t i = (size_t)rand() % LEN(names), k = 1 + (size_t)rand() % 4;
        snprintf(text, sizeof text,
            "egress { secret s env:S hosts=%s,%s; "
            "host %s %s { location /x { use $secret_s; } } }",
            any(hosts, LEN(hosts)), any(hosts, LEN(hosts)), names[i],
            names[(i + k) % LEN(names)]);
        struct conf *c = binds(state, text);
        const struct block *b = block_of(conf_scope(c, CONF_EGRESS)->children);
        for (size_t h = 0; h < LEN(asked); h++) {
            struct str host = str_of(asked[h]);
            struct addr a;
            const struct addr *literal = addr_parse(host, &a) ? &a : NULL;
            if (serves(b, host, literal)) {
                bool may =
                    policy_secret_may_go(policy_secrets(c), b, host, literal);
                bool is = *carried_by(b, asked[h]) != '\0';
                if (is != may) {
                    fail_msg("%s: %s", text, asked[h]);
                }
                n_served++;
                n_carried += is;
            }
        }
    }
    assert_true(n_carried > 0 && n_carried < n_served);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_a_block_carries),
        T(what_an_address_carries),
        T(by_chance),
    };
    return cmocka_run_group_tests_name(
        "policy_secret_carried", tests, NULL, NULL);
}
