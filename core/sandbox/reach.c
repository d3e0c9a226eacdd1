/*
 * Warns of host blocks and locations that no request can reach, as they cannot
 * be meant. Asks the rules of decide.c the other way round: for each name of a
 * block, whether rule 2, 3, 5 or 10 keeps from it all sandboxes of all classes
 * that the block is for. Called when all of egress is checked.
 */

#include "sandbox/sandbox_conf.h"

#include "match/overlap.h"
#include "policy/block.h"

enum obstacle { OPEN, DENIED, NOT_ALLOWED, SHADOWED, NOTHING_ALLOWS };

struct reach {
    struct conf *conf;
    const struct sandbox **special; /* whose own values may let more leave */
    unsigned n_special;
    unsigned budget; /* beyond it nothing is warned of */
};

static bool
is_special(const struct conf *c, const struct sandbox *sb)
{
    return scope_has(c, sb->scope, "allowed_hosts") ||
           scope_has(c, sb->scope, "internet");
}

static void
find_special(struct reach *r, const struct sandbox_set *set)
{
    unsigned n = sandbox_set_count(set);
    r->special = arena_alloc(r->conf->arena, (n + 1) * sizeof *r->special);
    const struct sandbox *sb = sandbox_set_next(set, NULL);
    for (; sb != NULL; sb = sandbox_set_next(set, sb)) {
        if (is_special(r->conf, sb)) {
            r->special[r->n_special++] = sb;
        }
    }
}

/* Whether the block or a location of it says what becomes of requests, by
 * `return`, `allow` or `deny`. */
static bool
answers_itself(const struct block *b)
{
    bool does = b->has_return || b->conf->access != NULL;
    for (const struct scope *s = b->scope->children; s != NULL; s = s->next) {
        const struct block *l = block_of(s);
        does = does || (l != NULL && l->conf->access != NULL);
    }
    return does;
}

/* What keeps requests for one name from the block; OPEN: nothing. */
static enum obstacle
obstacle_of(struct reach *r, const struct class *k, const struct policy *p,
    const struct block *b, struct str name)
{
    if (overlap_covers(p->denied, name, &r->budget) ||
        overlap_covers(p->own_denied, name, &r->budget)) {
        return DENIED;
    }
    if (p->allowed != NULL && !overlap_meets(p->allowed, name, &r->budget)) {
        return NOT_ALLOWED;
    }
    if (b->class == NULL && overlap_covers(k->hosts, name, &r->budget)) {
        return SHADOWED;
    }
    bool may_leave = p->allowed != NULL || b->class == k ||
                     (p->internet && !b->has_proxy_pass) || answers_itself(b);
    return may_leave ? OPEN : NOTHING_ALLOWS;
}

/* The same for all names of the block; OPEN if one of them is. */
static enum obstacle
obstacle_for(struct reach *r, const struct class *k, const struct policy *p,
    const struct block *b)
{
    enum obstacle first = OPEN;
    for (unsigned i = 0; i < pattern_set_count(b->names); i++) {
        struct str name = pattern_set_nth(b->names, i);
        enum obstacle o = obstacle_of(r, k, p, b, name);
        if (o == OPEN) {
            return OPEN;
        }
        first = i == 0 ? o : first;
    }
    return first;
}

static enum obstacle
obstacle_for_class(
    struct reach *r, const struct class *k, const struct block *b)
{
    enum obstacle o = obstacle_for(r, k, k->policy, b);
    for (unsigned i = 0; i < r->n_special && o != OPEN; i++) {
        const struct sandbox *sb = r->special[i];
        if (r->budget == 0) {
            return OPEN;
        }
        r->budget--;
        if (sb->policy->class == k &&
            obstacle_for(r, k, sb->policy, b) == OPEN) {
            return OPEN;
        }
    }
    return o;
}

/* The warning: why no request comes, for the first class, and what to write. */
static void
warn_block(struct reach *r, const struct block *b, const struct class *k,
    enum obstacle o)
{
    static const char *const why[] = {
        [DENIED] = "\"denied_hosts\" has it: take it out there, or this block "
                   "away",
        [NOT_ALLOWED] = "\"allowed_hosts\" does not have it: name it there",
        [SHADOWED] = "the class has a host block of its own for it, which goes "
                     "first: take one of the two away",
        [NOTHING_ALLOWS] = "nothing lets it leave: name it in "
                           "\"allowed_hosts\", or write \"allow all;\" in "
                           "this block",
    };
    AN(o != OPEN && (size_t)o < LEN(why));
    conf_warn(r->conf, &b->scope->directive->name,
        "no request can reach this block: of \"%.*s\" in class \"%.*s\", %s",
        STR_ARG(b->name), STR_ARG(k->name), why[o]);
}

static void
judge_block(struct reach *r, const struct block *b, const struct class *classes)
{
    const struct class *first = NULL;
    enum obstacle why = OPEN;
    for (const struct class *k = classes; k != NULL; k = k->next) {
        if (b->class != NULL ? b->class != k : !block_is_for(b, k)) {
            continue;
        }
        enum obstacle o = obstacle_for_class(r, k, b);
        if (o == OPEN) {
            return;
        }
        why = first == NULL ? o : why;
        first = first == NULL ? k : first;
    }
    if (first != NULL) {
        warn_block(r, b, first, why);
    }
}

/* As in nginx, the `return` of a block comes before its locations. */
static void
judge_locations(struct reach *r, const struct block *b)
{
    const struct scope *s =
        b->conf->return_code != 0 ? b->scope->children : NULL;
    for (; s != NULL; s = s->next) {
        if (s->context == CONF_LOCATION) {
            conf_warn(r->conf, &s->directive->name,
                "no request can reach this location: \"return\" of the block "
                "around it answers first; put that into \"location / { }\"");
        }
    }
}

static void
judge_scope(
    struct reach *r, const struct scope *in, const struct class *classes)
{
    for (const struct scope *s = in->children; s != NULL; s = s->next) {
        if (s->context == CONF_CLASS) {
            judge_scope(r, s, classes);
        } else if (block_of(s) != NULL) {
            judge_locations(r, block_of(s));
        }
        if (s->context == CONF_HOST) {
            judge_block(r, block_of(s), classes);
        }
    }
}

void
reach_warn(
    struct conf *c, const struct scope *egress, const struct sandbox_set *set)
{
    struct reach r = { .conf = c, .budget = OVERLAP_BUDGET };
    find_special(&r, set);
    judge_scope(&r, egress, classes_of(c, egress));
}
