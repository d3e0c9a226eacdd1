/*
 * `allow` and `deny` of host blocks, handlers and locations: rules in file
 * order, of which the first that matches holds. Directives of one kind that
 * follow each other are one rule with one pattern set, so that many lines cost
 * as much as one.
 */

#include "net/guard.h"
#include "policy/conf_priv.h"

#define PARAM STR("$param_")

static bool
is_param(struct str s)
{
    struct str name = str_skip(s, s.n < PARAM.n ? s.n : PARAM.n);
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '_') {
            return false;
        }
    }
    return name.n != 0 && str_starts(s, PARAM);
}

static bool
rule_add(struct bind *b, struct access_rule *r, const struct token *t)
{
    bool is_all = str_eq(t->text, STR("all"));
    if (is_all || is_param(t->text)) {
        r->is_all = r->is_all || is_all;
        r->has_param = r->has_param || !is_all;
        r->at = r->at == NULL || is_all ? t : r->at;
        return true;
    }
    if (r->set == NULL) {
        r->set = hosts_new(bind_conf(b)->arena, PATTERN_LIST);
    }
    return hosts_add(b, r->set, t, r->is_allow);
}

/* Whether the rule matches every host, so that none comes to a later rule. */
static bool
rule_takes_all(const struct access_rule *r)
{
    unsigned n = r->set != NULL ? pattern_set_count(r->set) : 0;
    bool takes_all = r->is_all;
    for (unsigned i = 0; i < n && !takes_all; i++) {
        takes_all = str_eq(pattern_set_nth(r->set, i), STR("*"));
    }
    return takes_all;
}

static void
warn_unreached(struct bind *b, const struct directive *d)
{
    const struct block_conf *bc = bind_part(b);
    const struct access_rule *r = bc->access;
    while (r != NULL && !rule_takes_all(r)) {
        r = r->next;
    }
    if (r != NULL && r->is_allow != (bind_cmd(b)->arg != NULL)) {
        conf_warn(bind_conf(b), &d->name,
            "no request comes to this \"%.*s\": the first rule that matches "
            "holds, and one before it matches all: put this one first",
            STR_ARG(d->name.text));
    }
}

/* The rule that the directive adds to: the last one if it is of the same kind,
 * otherwise a new one. */
static struct access_rule *
rule_at_end(struct bind *b, bool is_allow)
{
    struct block_conf *bc = bind_part(b);
    struct access_rule **end = &bc->access, *last = NULL;
    while (*end != NULL) {
        last = *end;
        end = &last->next;
    }
    if (last != NULL && last->is_allow == is_allow) {
        return last;
    }
    *end = arena_calloc(bind_conf(b)->arena, sizeof **end);
    (*end)->is_allow = is_allow;
    return *end;
}

bool
set_access(struct bind *b, const struct directive *d, void *field)
{
    (void)field;
    warn_unreached(b, d);
    struct access_rule *r = rule_at_end(b, bind_cmd(b)->arg != NULL);
    for (unsigned i = 0; i < d->n_args; i++) {
        if (!rule_add(b, r, &d->args[i])) {
            return false;
        }
    }
    return true;
}

/* False: the rule has no range. */
static bool
rule_ranges(const struct access_rule *r, struct guard_rule *out)
{
    *out = (struct guard_rule){ .is_allow = r->is_allow };
    if (r->set != NULL) {
        out->items = pattern_set_cidrs(r->set, &out->n);
    }
    return out->n != 0;
}

void
access_compile(struct conf *c, struct block_conf *bc)
{
    unsigned n = 0;
    for (struct access_rule *r = bc->access; r != NULL; r = r->next) {
        if (r->set != NULL) {
            pattern_set_compile(r->set);
        }
        n++;
    }
    bc->ranges = arena_calloc(c->arena, n * sizeof *bc->ranges);
    n = 0;
    for (struct access_rule *r = bc->access; r != NULL; r = r->next) {
        n += rule_ranges(r, &bc->ranges[n]);
    }
}

/* No sandbox has params: so `allow $param_x` matches nothing, and `deny
 * $param_x` matches every host, as it is not known which it would deny. */
static bool
rule_matches(const struct access_rule *r, struct str host,
    const struct addr *literal, struct access_hit *out)
{
    struct pattern_hit hit;
    if (pattern_match(r->set, host, literal, &hit) != PATTERN_NONE) {
        out->pattern = hit.pattern;
        out->at = hit.value;
        out->is_exact = hit.is_exact;
        return true;
    }
    out->pattern = r->is_all ? STR("all") : STR("$param");
    out->at = r->at;
    return r->is_all || (r->has_param && !r->is_allow);
}

enum access
block_access(const struct block *b, struct str host, const struct addr *literal,
    struct access_hit *hit)
{
    CHECK(b, BLOCK_MAGIC);
    struct guard_rule unused;
    const struct access_rule *r = b->conf->access;
    *hit = (struct access_hit){ .ranges = b->conf->ranges };
    for (; r != NULL; r = r->next) {
        if (rule_matches(r, host, literal, hit)) {
            return r->is_allow ? ACCESS_ALLOW : ACCESS_DENY;
        }
        hit->n_ranges += rule_ranges(r, &unused);
    }
    hit->pattern = STR("");
    hit->at = NULL;
    return ACCESS_NONE;
}
