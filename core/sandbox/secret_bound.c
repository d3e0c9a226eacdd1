/*
 * Which secrets may go to a host: a list for each pattern that any of them is
 * bound to, made when the configuration is, so that a request costs no more
 * where there are many. Called by secret.c when all of egress is bound, and by
 * modules/redact.c with each request.
 */

#include "base/map.h"
#include "base/mem.h"
#include "sandbox/block.h"
#include "sandbox/secret.h"
#include "sandbox/secret_priv.h"

/* While the lists are made. */
struct entry {
    struct map_node node; /* by the pattern's text */
    struct secret_list list;
};

static void
free_hosts(void *arg)
{
    pattern_set_free(arg);
}

struct pattern_set *
secret_hosts_new(struct conf *c)
{
    struct pattern_set *set = pattern_set_new(PATTERN_LIST);
    arena_on_free(c->arena, free_hosts, set);
    return set;
}

/* Names that were checked before, in canonical form. */
static void
add(struct pattern_set *to, struct str name, void *value)
{
    struct pattern_error err;
    bool ok = pattern_set_add(to, name, value, &err);
    AN(ok);
}

static void
append(struct secret_list *l, const struct secret_def *d)
{
    if (l->n == 0 || l->items[l->n - 1] != d) {
        l->items = xgrow(l->items, l->n, sizeof *l->items);
        l->items[l->n++] = d;
    }
}

static void
free_items(void *arg)
{
    xfree(arg);
}

static void
keep_items(struct conf *c, const struct secret_list *l)
{
    arena_on_free(c->arena, free_items, l->items);
}

static struct entry *
entry_of(struct conf *c, struct map *entries, struct str pattern)
{
    struct map_node *n = map_find(entries, pattern);
    if (n != NULL) {
        return container_of(n, struct entry, node);
    }
    struct entry *e = arena_calloc(c->arena, sizeof *e);
    e->node.key = pattern;
    map_add(entries, &e->node);
    return e;
}

/* The names of the blocks that use it, where it has no hosts=. */
static void
bind_names(struct conf *c, const struct secret_conf *sc)
{
    for (const struct secret_use *u = sc->uses; u != NULL; u = u->next) {
        struct secret_def *d = u->def;
        const struct pattern_set *names = block_outermost(u->scope)->names;
        if (d->hosts != NULL) {
            continue;
        }
        d->bound = d->bound != NULL ? d->bound : secret_hosts_new(c);
        for (unsigned i = 0; i < pattern_set_count(names); i++) {
            add(d->bound, pattern_set_nth(names, i), NULL);
        }
    }
}

static void
list(struct conf *c, struct secret_conf *sc, struct map *entries,
    const struct secret_def *d)
{
    for (unsigned i = 0; i < pattern_set_count(d->bound); i++) {
        struct str pattern = pattern_set_nth(d->bound, i);
        append(&entry_of(c, entries, pattern)->list, d);
    }
    if (!pattern_set_is_exact(d->bound)) {
        append(&sc->wild, d);
    }
}

static void
compile(struct conf *c, struct secret_conf *sc, const struct map *entries)
{
    sc->bound = secret_hosts_new(c);
    struct map_node *n = map_next(entries, NULL);
    for (; n != NULL; n = map_next(entries, n)) {
        struct entry *e = container_of(n, struct entry, node);
        add(sc->bound, e->node.key, &e->list);
        keep_items(c, &e->list);
    }
    keep_items(c, &sc->wild);
    pattern_set_compile(sc->bound);
}

void
secret_bind_hosts(struct conf *c)
{
    struct secret_conf *sc = secret_conf_of(c);
    struct map entries;
    map_init(&entries);
    bind_names(c, sc);
    for (struct secret_def *d = sc->defs; d != NULL; d = d->next) {
        if (d->hosts == NULL && d->bound != NULL) {
            pattern_set_compile(d->bound);
        }
        d->bound = d->hosts != NULL ? d->hosts : d->bound;
        if (d->bound != NULL) {
            list(c, sc, &entries, d);
        }
    }
    compile(c, sc, &entries);
    map_fini(&entries);
}

void
secret_walk_init(struct secret_walk *w, const struct conf *c, struct str host,
    const struct addr *literal)
{
    static const struct secret_list none;
    const struct secret_conf *sc = secret_conf_of(c);
    struct pattern_hit hit;
    *w = (struct secret_walk){ .conf = sc, .host = host, .literal = literal };
    if (pattern_match(sc->bound, host, literal, &hit) == PATTERN_MATCH) {
        w->listed = hit.is_exact ? hit.value : &none;
    }
}

static bool
is_listed(const struct secret_list *l, const struct secret_def *d)
{
    for (unsigned i = 0; i < l->n; i++) {
        if (l->items[i] == d) {
            return true;
        }
    }
    return false;
}

const struct secret_def *
secret_walk_next(struct secret_walk *w)
{
    const struct secret_list *listed = w->listed, *wild = &w->conf->wild;
    if (listed == NULL) {
        return NULL;
    }
    if (w->i < listed->n) {
        return listed->items[w->i++];
    }
    while (w->i - listed->n < wild->n) {
        const struct secret_def *d = wild->items[w->i++ - listed->n];
        if (!is_listed(listed, d) && pattern_match(d->bound, w->host,
                                         w->literal, NULL) == PATTERN_MATCH) {
            return d;
        }
    }
    return NULL;
}
