/*
 * Which secrets the requests that a block serves may carry: a list for each
 * block. policy_secret.c has the lists made when all of egress is bound.
 * modules/redact.c walks one for each request, and searches the response for
 * these secrets alone: the secrets that a block of another class sends to the
 * same host must not be told by what happens to the responses of this one.
 */

#include "policy/policy_secret_priv.h"

#include "base/mem.h"
#include "match/overlap.h"
#include "policy/block.h"

static void
free_items(void *arg)
{
    struct policy_secret_list *l = arg;
    xfree(l->items);
}

static struct policy_secret_list *
list_of(struct conf *c, struct block *b)
{
    if (b->secrets == NULL) {
        b->secrets = arena_calloc(c->arena, sizeof *b->secrets);
        arena_on_free(c->arena, free_items, b->secrets);
    }
    return b->secrets;
}

static bool
is_listed(const struct policy_secret_list *l, const struct policy_secret *d)
{
    for (unsigned i = 0; i < l->n; i++) {
        if (l->items[i].def == d) {
            return true;
        }
    }
    return false;
}

/* Whether the secret is bound to every host that the block serves. Without
 * `hosts=` a secret is bound to the block's names, and these have each host
 * that the block serves: for other blocks judge_use() requires `hosts=`. */
static bool
is_for_all(
    const struct policy_secret *d, const struct block *b, unsigned *budget)
{
    if (d->hosts == NULL) {
        return true;
    }
    unsigned n = b->names != NULL ? pattern_set_count(b->names) : 0;
    for (unsigned i = 0; i < n; i++) {
        struct str name = pattern_set_nth(b->names, i);
        if (!overlap_covers(d->hosts, name, budget)) {
            return false;
        }
    }
    return n != 0;
}

void
policy_secret_list_all(struct conf *c)
{
    unsigned budget = OVERLAP_BUDGET;
    const struct policy_secret_use *u = policy_secret_conf_of(c)->uses;
    for (; u != NULL; u = u->next) {
        struct block *b = block_outermost(u->scope);
        struct policy_secret_list *l = list_of(c, b);
        if (!is_listed(l, u->def)) {
            l->items = xgrow(l->items, l->n, sizeof *l->items);
            l->items[l->n++] = (struct policy_secret_carried){ u->def,
                is_for_all(u->def, b, &budget) };
        }
    }
}

const struct policy_secret *
policy_secret_nth(const struct block *block, unsigned i)
{
    CHECK(block, BLOCK_MAGIC);
    const struct policy_secret_list *l = block->secrets;
    return l != NULL && i < l->n ? l->items[i].def : NULL;
}

void
policy_secret_walk_init(struct policy_secret_walk *w, const struct block *block,
    struct str host, const struct addr *literal)
{
    *w = (struct policy_secret_walk){ .host = host, .literal = literal };
    if (block != NULL) {
        AZ(block->outer);
        w->list = block->secrets;
    }
}

/* The block of an IPv4 address also serves the IPv6 addresses that are sure to
 * carry it (decide.c); but a secret with `hosts=` goes only to what that names.
 */
static bool
is_bound(
    const struct policy_secret_walk *w, const struct policy_secret_carried *s)
{
    const struct pattern_set *hosts = s->def->hosts;
    return hosts == NULL || (s->is_for_all && w->literal == NULL) ||
           pattern_match(hosts, w->host, w->literal, NULL) == PATTERN_MATCH;
}

const struct policy_secret *
policy_secret_walk_next(struct policy_secret_walk *w)
{
    while (w->list != NULL && w->i < w->list->n) {
        const struct policy_secret_carried *s = &w->list->items[w->i++];
        if (is_bound(w, s)) {
            return s->def;
        }
    }
    return NULL;
}
