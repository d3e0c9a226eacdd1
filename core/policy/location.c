/*
 * The locations of a host block or handler. As in nginx, the canonical path
 * chooses one. Exact paths and prefixes are hashed: a look-up tries each length
 * that a prefix has.
 */

#include "policy/conf_priv.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/regex.h"
#include "http/url.h"

struct path_node {
    struct map_node node;
    const struct block *block;
};

struct location_index {
    struct map exact, prefix;
    size_t *lengths; /* that prefixes have, the longest first, each once */
    unsigned n_lengths;
    const struct block **regexes; /* in file order */
    unsigned n_regexes;
};

static const struct modifier {
    const char *text;
    enum location_kind kind;
    bool is_final, is_caseless;
} modifiers[] = {
    /* no entry begins with a later one */
    { "=", LOCATION_EXACT, false, false },
    { "^~", LOCATION_PREFIX, true, false },
    { "~*", LOCATION_REGEX, false, true },
    { "~", LOCATION_REGEX, false, false },
};

static void
location_free_regex(void *re)
{
    regex_free(re);
}

static bool
read_regex(struct bind *b, struct block *l, const struct token *t)
{
    char why[160] = "it is empty";
    if (l->name.n != 0) {
        l->regex = regex_new(
            l->name, l->is_caseless ? REGEX_CASELESS : 0, why, sizeof why);
    }
    if (l->regex == NULL) {
        return conf_error(
            b, t, "invalid location \"%.*s\": %s", STR_ARG(l->name), why);
    }
    arena_on_free(bind_conf(b)->arena, location_free_regex, l->regex);
    return true;
}

/* Whether the path is canonical; no request would match another. */
static bool
check_path(struct bind *b, const struct block *l, const struct token *t)
{
    const char *why = NULL;
    struct str canonical;
    if (l->name.n == 0 || l->name.p[0] != '/') {
        return conf_error(
            b, t, "location \"%.*s\" must begin with \"/\"", STR_ARG(l->name));
    }
    if (!path_canonical(bind_conf(b)->arena, l->name, &canonical, &why)) {
        return conf_error(
            b, t, "invalid location \"%.*s\": %s", STR_ARG(l->name), why);
    }
    if (!str_eq(canonical, l->name)) {
        return conf_error(b, t,
            "location \"%.*s\" is not in canonical form, which is \"%.*s\"",
            STR_ARG(l->name), STR_ARG(canonical));
    }
    return true;
}

/* `location MODIFIER PATH`, `location PATH`, and the two words in one. */
bool
location_read(struct bind *b, const struct directive *d, struct block *l)
{
    const struct token *t = &d->args[d->n_args - 1];
    const struct modifier *m = modifiers;
    const struct modifier *end = modifiers + LEN(modifiers);
    struct str first = d->args[0].text;
    while (m < end && (d->n_args == 2 ? !str_eq(first, str_of(m->text))
                                      : !str_starts(first, str_of(m->text)))) {
        m++;
    }
    if (m == end && d->n_args == 2) {
        return conf_error(b, &d->args[0], "invalid location modifier \"%.*s\"",
            STR_ARG(first));
    }
    l->kind = m == end ? LOCATION_PREFIX : m->kind;
    l->is_final = m != end && m->is_final;
    l->is_caseless = m != end && m->is_caseless;
    l->name =
        m != end && d->n_args == 1 ? str_skip(first, strlen(m->text)) : t->text;
    return l->kind == LOCATION_REGEX ? read_regex(b, l, t)
                                     : check_path(b, l, t);
}

static void
index_free(void *arg)
{
    struct location_index *x = arg;
    map_fini(&x->exact);
    map_fini(&x->prefix);
    xfree(x->regexes);
    xfree(x->lengths);
}

static const struct block *
find_in(const struct map *m, struct str path)
{
    struct map_node *node = map_find(m, path);
    return node != NULL ? container_of(node, struct path_node, node)->block
                        : NULL;
}

/* Whether an earlier location has the same regex: this one would never match.
 */
static bool
has_regex(const struct location_index *x, const struct block *l)
{
    for (unsigned i = 0; i < x->n_regexes; i++) {
        const struct block *k = x->regexes[i];
        if (k->is_caseless == l->is_caseless && str_eq(k->name, l->name)) {
            return true;
        }
    }
    return false;
}

static int
duplicate(struct conf *c, const struct block *l)
{
    const struct directive *d = l->scope->directive;
    return conf_fail(c, &d->args[d->n_args - 1], "duplicate location \"%.*s\"",
        STR_ARG(l->name));
}

static int
index_add(struct conf *c, struct location_index *x, const struct block *l)
{
    struct map *m = l->kind == LOCATION_EXACT ? &x->exact : &x->prefix;
    if (l->kind == LOCATION_REGEX) {
        if (has_regex(x, l)) {
            return duplicate(c, l);
        }
        x->regexes = xgrow(x->regexes, x->n_regexes, sizeof *x->regexes);
        x->regexes[x->n_regexes++] = l;
        return 0;
    }
    if (find_in(m, l->name) != NULL) {
        return duplicate(c, l);
    }
    struct path_node *p = arena_calloc(c->arena, sizeof *p);
    p->node.key = l->name;
    p->block = l;
    map_add(m, &p->node);
    if (l->kind == LOCATION_PREFIX) {
        x->lengths = xgrow(x->lengths, x->n_lengths, sizeof *x->lengths);
        x->lengths[x->n_lengths++] = l->name.n;
    }
    return 0;
}

static int
longer_first(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void
lengths_sort(struct location_index *x)
{
    unsigned n = 0;
    if (x->n_lengths == 0) {
        return;
    }
    qsort(x->lengths, x->n_lengths, sizeof *x->lengths, longer_first);
    for (unsigned i = 1; i < x->n_lengths; i++) {
        if (x->lengths[i] != x->lengths[n]) {
            x->lengths[++n] = x->lengths[i];
        }
    }
    x->n_lengths = n + 1;
}

int
location_index_build(struct conf *c, struct block *b)
{
    struct location_index *x = NULL;
    for (struct scope *s = b->scope->children; s != NULL; s = s->next) {
        if (s->context != CONF_LOCATION) {
            continue;
        }
        if (x == NULL) {
            x = arena_calloc(c->arena, sizeof *x);
            arena_on_free(c->arena, index_free, x);
        }
        if (index_add(c, x, block_of(s)) != 0) {
            return -1;
        }
    }
    if (x != NULL) {
        lengths_sort(x);
    }
    b->locations = x;
    return 0;
}

static const struct block *
longest_prefix(const struct location_index *x, struct str path)
{
    for (unsigned i = 0; i < x->n_lengths; i++) {
        const struct block *l =
            x->lengths[i] <= path.n
                ? find_in(&x->prefix, str_n(path.p, x->lengths[i]))
                : NULL;
        if (l != NULL) {
            return l;
        }
    }
    return NULL;
}

const struct block *
block_location(const struct block *b, struct str path, bool *is_failed)
{
    CHECK(b, BLOCK_MAGIC);
    const struct location_index *x = b->locations;
    *is_failed = false;
    if (x == NULL) {
        return NULL;
    }
    const struct block *l = find_in(&x->exact, path);
    if (l != NULL) {
        return l;
    }
    l = longest_prefix(x, path);
    if (l != NULL && l->is_final) {
        return l;
    }
    for (unsigned i = 0; i < x->n_regexes; i++) {
        struct regex_match m;
        int found = regex_run(x->regexes[i]->regex, path, &m);
        if (found != 0) {
            *is_failed = found < 0;
            return found < 0 ? NULL : x->regexes[i];
        }
    }
    return l;
}
