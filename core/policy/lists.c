/*
 * Directives that are lists of words or of host patterns; and the way back from
 * a text that was bound to its place in the file.
 */

#include "policy/conf_priv.h"

#include "policy/stranger.h"

bool
set_words(struct bind *b, const struct directive *d, void *field)
{
    struct str_list *l = field;
    struct str *items =
        arena_alloc(bind_conf(b)->arena, (l->n + d->n_args) * sizeof *items);
    if (l->n != 0) {
        memcpy(items, l->items, l->n * sizeof *items);
    }
    for (unsigned i = 0; i < d->n_args; i++) {
        items[l->n++] = d->args[i].text;
    }
    l->items = items;
    return true;
}

static void
hosts_free(void *set)
{
    pattern_set_unref(set);
}

struct pattern_set *
hosts_new(struct arena *a, enum pattern_kind kind)
{
    struct pattern_set *s = pattern_set_new(kind);
    arena_on_free(a, hosts_free, s);
    return s;
}

void
hosts_warn(struct bind *b, const struct token *t, struct str pattern)
{
    struct conf *c = bind_conf(b);
    struct str example, instead;
    if (stranger_matches(c->arena, pattern, &example, &instead)) {
        conf_warn(c, t,
            "\"%.*s\" takes in names of strangers, such as \"%.*s\": write "
            "%.*s",
            STR_ARG(pattern), STR_ARG(example), STR_ARG(instead));
    }
}

bool
hosts_add(
    struct bind *b, struct pattern_set *s, const struct token *t, bool is_allow)
{
    struct pattern_error err;
    if (!pattern_set_add(s, t->text, (void *)t, &err)) {
        return conf_error(b, t, "invalid host pattern \"%.*s\": %s",
            STR_ARG(t->text), err.text);
    }
    if (is_allow) {
        hosts_warn(b, t, t->text);
    }
    return true;
}

bool
set_hosts(struct bind *b, const struct directive *d, void *field)
{
    struct host_list *l = field;
    bool is_allow = bind_cmd(b)->arg != NULL;
    if (l->set == NULL) {
        l->at = &d->name;
        l->set = hosts_new(bind_conf(b)->arena, PATTERN_LIST);
    }
    for (unsigned i = 0; i < d->n_args; i++) {
        if (!hosts_add(b, l->set, &d->args[i], is_allow)) {
            return false;
        }
    }
    return true;
}

const struct token *
scope_token(const struct scope *s, struct str text)
{
    const struct directive *d = s->directive->children;
    for (; d != NULL; d = d->next) {
        for (unsigned i = 0; i < d->n_args; i++) {
            if (d->args[i].text.p == text.p) {
                return &d->args[i];
            }
        }
    }
    PANIC("a bound text that no directive has");
}
