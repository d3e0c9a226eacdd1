/*
 * The `sandbox` block, and the set of a configuration's sandboxes, which is
 * filled when egress is checked.
 */

#include "sandbox/sandbox_conf.h"

#include "base/id.h"
#include "conf/type.h"

static bool
set_sandbox(struct bind *b, const struct directive *d, void *field)
{
    (void)field;
    return id_is_valid(d->args[0].text) ||
           conf_error(b, &d->args[0], "invalid sandbox id \"%.*s\"",
               STR_ARG(d->args[0].text));
}

static struct scope *
sandbox_base(struct bind *b, const struct directive *d)
{
    const struct directive *in = d->children;
    while (in != NULL && (in->is_block || in->n_args != 1 ||
                             !str_eq(in->name.text, STR("class")))) {
        in = in->next;
    }
    if (in == NULL) {
        conf_error(b, &d->args[0], "sandbox \"%.*s\" has no class",
            STR_ARG(d->args[0].text));
        return NULL;
    }
    struct class *k = class_find(bind_scope(b), in->args[0].text);
    if (k == NULL) {
        conf_error(b, &in->args[0], "unknown class \"%.*s\"",
            STR_ARG(in->args[0].text));
        return NULL;
    }
    return k->scope;
}

/* `class` does nothing here: sandbox_base() has read it before the block was
 * bound. */
static bool
set_class(struct bind *b, const struct directive *d, void *field)
{
    (void)b, (void)d, (void)field;
    return true;
}

/* Whether all addresses of a range are link-local. A wider range may have some
 * of them: sandbox_is_at() and sandbox_by_addr() leave these out. */
static bool
is_link_local(const struct cidr *c)
{
    return addr_is_link_local(&c->addr) &&
           c->bits >= (c->addr.family == 4 ? 16 : 10);
}

static bool
set_addresses(struct bind *b, const struct directive *d, void *field)
{
    char why[CIDR_REFUSAL_MAX];
    struct arena *a = bind_conf(b)->arena;
    struct sandbox_addresses **link = field, *old = *link;
    struct sandbox_addresses *l = arena_calloc(a, sizeof *l);
    unsigned n_old = old != NULL ? old->n : 0;
    l->items = arena_calloc(a, (n_old + d->n_args) * sizeof *l->items);
    l->at = arena_calloc(a, (n_old + d->n_args) * sizeof *l->at);
    for (; l->n < n_old; l->n++) {
        l->items[l->n] = old->items[l->n];
        l->at[l->n] = old->at[l->n];
    }
    for (unsigned i = 0; i < d->n_args; i++, l->n++) {
        l->at[l->n] = &d->args[i];
        if (!cidr_parse(d->args[i].text, &l->items[l->n])) {
            return conf_error(b, &d->args[i], "invalid address \"%.*s\"%s",
                STR_ARG(d->args[i].text), cidr_refusal(d->args[i].text, why));
        }
        if (is_link_local(&l->items[l->n])) {
            return conf_error(b, &d->args[i],
                "address \"%.*s\" is link-local: it may stand on any link, "
                "and identifies no sandbox",
                STR_ARG(d->args[i].text));
        }
    }
    *link = l;
    return true;
}

static void
free_set(void *set)
{
    sandbox_set_free(set);
}

/* The class's values, with those of the sandbox's own block in their place. */
static struct policy *
policy_of(const struct class_conf *cc, const struct class *k)
{
    struct policy values = class_values(cc, k);
    values.own_denied = values.denied;
    values.denied = k->policy->denied;
    if (values.allowed == NULL) {
        values.allowed = k->policy->allowed;
        values.allowed_at = k->policy->allowed_at;
    }
    return policy_new(&values);
}

static int
refuse_clash(struct conf *c, const struct sandbox_spec *spec,
    const struct sandbox_conf *sc, const struct sandbox_clash *clash)
{
    switch (clash->what) {
    case CLASH_ID:
        return conf_fail(
            c, spec->at, "duplicate sandbox \"%.*s\"", STR_ARG(clash->id));
    case CLASH_TOKEN:
        return conf_fail(c, sc->token->at,
            "sandbox \"%.*s\" has the token of sandbox \"%.*s\"",
            STR_ARG(spec->id), STR_ARG(clash->id));
    case CLASH_ADDRESS:
        break;
    }
    const struct token *at = sc->addresses->at[clash->address];
    return conf_fail(c, at,
        "address \"%.*s\" is that of sandbox \"%.*s\" already",
        STR_ARG(at->text), STR_ARG(clash->id));
}

static int
sandbox_build(struct conf *c, struct sandbox_set *set, struct scope *s)
{
    const struct sandbox_conf *sc =
        scope_part(s, conf_part_index(c, &sandbox_part));
    const struct class *k = s->parent->owner;
    CHECK(k, CLASS_MAGIC);
    struct sandbox_spec spec = { .id = s->directive->args[0].text,
        .policy = policy_of(scope_part(s, conf_part_index(c, &class_part)), k),
        .scope = s,
        .token = sc->token != NULL ? sc->token->sha256 : NULL,
        .at = &s->directive->args[0] };
    if (sc->addresses != NULL) {
        spec.addresses = sc->addresses->items;
        spec.n_addresses = sc->addresses->n;
    }
    struct sandbox_clash clash;
    bool is_added = sandbox_set_add(set, &spec, &clash) != NULL;
    policy_unref(spec.policy);
    return is_added ? 0 : refuse_clash(c, &spec, sc, &clash);
}

static int
check_count(struct conf *c, const struct scope *egress)
{
    const struct sandbox_conf *sc =
        scope_part(egress, conf_part_index(c, &sandbox_part));
    unsigned n = 0;
    for (struct scope *s = egress->children; s != NULL; s = s->next) {
        if (s->context == CONF_SANDBOX && ++n > sc->max_sandboxes) {
            return conf_fail(c, &s->directive->name,
                "more than %u sandboxes (max_sandboxes)", sc->max_sandboxes);
        }
    }
    return 0;
}

/* Makes the set; `egress` NULL: an empty one. NULL after conf_fail(). */
static struct sandbox_set *
set_build(struct conf *c, const struct scope *egress)
{
    struct sandbox_set *set = sandbox_set_new();
    arena_on_free(c->arena, free_set, set);
    if (egress == NULL) {
        return set;
    }
    if (check_count(c, egress) != 0) {
        return NULL;
    }
    for (struct scope *s = egress->children; s != NULL; s = s->next) {
        if (s->context == CONF_SANDBOX && sandbox_build(c, set, s) != 0) {
            return NULL;
        }
    }
    return set;
}

struct sandbox_set *
sandbox_set_of(const struct conf *c)
{
    const struct scope *s = conf_scope(c, CONF_EGRESS);
    const struct sandbox_conf *sc =
        scope_part(s != NULL ? s : c->main, conf_part_index(c, &sandbox_part));
    AN(sc->set != NULL);
    return sc->set;
}

static int
sandbox_check(struct conf *c, struct scope *s, void *part)
{
    struct sandbox_conf *sc = part;
    bool is_egress = s->context == CONF_EGRESS;
    if (!is_egress &&
        (s->context != CONF_MAIN || conf_scope(c, CONF_EGRESS) != NULL)) {
        return 0;
    }
    sc->set = set_build(c, is_egress ? s : NULL);
    if (sc->set == NULL) {
        return -1;
    }
    if (is_egress) {
        reach_warn(c, s, sc->set);
    }
    return 0;
}

#define S struct sandbox_conf

/* A sandbox has these of its own, or none: it inherits none from its class. */
#define OWN(NAME, MAX, LIST, F, C, SET)                                        \
    {                                                                          \
        .name = (NAME), .contexts = CONF_SANDBOX, .min_args = 1,               \
        .max_args = (MAX), .flags = CMD_OWN | (LIST),                          \
        .offset = CMD_AT(S, F, C), .size = sizeof(((S *)0)->F), .set = (SET)   \
    }

static const struct cmd sandbox_cmds[] = {
    { .name = "sandbox",
        .contexts = CONF_EGRESS,
        .min_args = 1,
        .max_args = 1,
        .flags = CMD_BLOCK,
        .block = CONF_SANDBOX,
        .set = set_sandbox,
        .base = sandbox_base },
    CMD("max_sandboxes", CONF_EGRESS, 1, 1, S, max_sandboxes, unsigned,
        set_count),
    { .name = "class",
        .contexts = CONF_SANDBOX,
        .min_args = 1,
        .max_args = 1,
        .flags = CMD_OWN,
        .set = set_class },
    OWN("token", 1, 0, token, struct sandbox_token *, set_token),
    OWN("address", 255, CMD_LIST, addresses, struct sandbox_addresses *,
        set_addresses),
    { 0 },
};

#undef S

static const struct sandbox_conf sandbox_defaults = { .max_sandboxes = 16384 };

const struct conf_part sandbox_part = {
    .name = "sandbox",
    .cmds = sandbox_cmds,
    .defaults = &sandbox_defaults,
    .size = sizeof(struct sandbox_conf),
    .check = sandbox_check,
};
