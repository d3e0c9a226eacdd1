/*
 * The names of a `host` block, written as in nginx's server_name; `~ REGEX` and
 * `~REGEX` mean the same. Each block has a set of its own names; class.c puts
 * the names of all blocks of a scope into one set.
 */

#include "policy/conf_priv.h"

#include "base/regex.h"

/* The next name as pattern.h takes it, and its token; n 0: nothing follows a
 * `~`. False past the last. */
static bool
name_next(struct arena *a, const struct directive *d, unsigned *at,
    struct str *name, const struct token **t)
{
    if (*at >= d->n_args) {
        return false;
    }
    *t = &d->args[(*at)++];
    *name = (*t)->text;
    if (!str_eq(*name, STR("~"))) {
        return true;
    }
    if (*at >= d->n_args) {
        *name = STR("");
        return true;
    }
    *t = &d->args[(*at)++];
    *name = arena_printf(a, "~%.*s", STR_ARG((*t)->text));
    return true;
}

static void
captures_free(void *re)
{
    regex_free(re);
}

/* Values in the block may use the groups of its regex. With several regexes a
 * number would mean another group for each: then the block has no captures. */
static void
captures_take(struct bind *b, struct str name)
{
    char why[160];
    struct regex *re = regex_new(str_trim(str_skip(name, 1)),
        REGEX_CASELESS | REGEX_WHOLE, why, sizeof why);
    AN(re != NULL);
    arena_on_free(bind_conf(b)->arena, captures_free, re);
    bind_scope(b)->captures = re;
}

static bool
name_add(
    struct bind *b, struct block *h, struct str name, const struct token *t)
{
    struct pattern_error err;
    if (name.n == 0) {
        return conf_error(b, t, "invalid host \"%.*s\": %s", STR_ARG(t->text),
            str_eq(t->text, STR("~")) ? "no regular expression follows"
                                      : "it is empty");
    }
    if (pattern_set_add(h->names, name, h, &err)) {
        if (h->class != NULL && name.p[0] != '~') {
            hosts_warn(b, t, name); /* what a class's own names may leave */
        }
        return true;
    }
    if (err.other != NULL) {
        return conf_error(b, t, "duplicate host \"%.*s\"", STR_ARG(t->text));
    }
    return conf_error(
        b, t, "invalid host \"%.*s\": %s", STR_ARG(t->text), err.text);
}

bool
host_read(struct bind *b, const struct directive *d, struct block *h)
{
    struct arena *a = bind_conf(b)->arena;
    struct str name, regex = STR_NONE;
    const struct token *t;
    unsigned at = 0, n_regexes = 0;
    h->names = hosts_new(a, PATTERN_SERVER);
    while (name_next(a, d, &at, &name, &t)) {
        if (!name_add(b, h, name, t)) {
            return false;
        }
        if (name.p[0] == '~') {
            regex = name;
            n_regexes++;
        }
    }
    pattern_set_compile(h->names);
    h->name = pattern_set_nth(h->names, 0);
    bind_scope(b)->captures = NULL;
    if (n_regexes == 1) {
        captures_take(b, regex);
    }
    return true;
}

int
host_add(struct conf *c, struct pattern_set *s, const struct block *h)
{
    struct str name;
    const struct token *t;
    unsigned at = 0;
    while (name_next(c->arena, h->scope->directive, &at, &name, &t)) {
        struct pattern_error err;
        if (pattern_set_add(s, name, (void *)h, &err)) {
            continue;
        }
        AN(err.other != NULL); /* host_read() took the name before */
        const struct block *first = err.other;
        const struct token *place = &first->scope->directive->name;
        return conf_fail(c, t, "duplicate host \"%.*s\", the first is in %s:%u",
            STR_ARG(t->text), place->file, place->line);
    }
    return 0;
}
