/*
 * The `sandbox` block, and the set of sandboxes that a configuration has:
 * made in one go when egress is checked, const afterwards.
 */

#include "sandbox/sandbox_conf.h"

#include "base/id.h"
#include "conf/type.h"
#include "sandbox/sandbox_priv.h"

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

/* A wider range may take them in: they are left out of it then. */
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
set_fini(void *arg)
{
    struct sandbox_set *set = arg;
    CHECK(set, SANDBOX_SET_MAGIC);
    set->magic = 0;
    map_fini(&set->by_id);
    map_fini(&set->by_token);
    prefix_map_free(set->by_addr);
}

static struct sandbox_set *
set_new(struct conf *c)
{
    struct sandbox_set *set = arena_calloc(c->arena, sizeof *set);
    set->magic = SANDBOX_SET_MAGIC;
    set->arena = c->arena;
    map_init(&set->by_id);
    map_init(&set->by_token);
    set->by_addr = prefix_map_new();
    arena_on_free(c->arena, set_fini, set);
    return set;
}

/* The class's, but for what the sandbox's own block says. */
static void
take_policy(struct conf *c, struct sandbox *sb, const struct class_conf *cc)
{
    struct policy *p = arena_alloc(c->arena, sizeof *p);
    const struct policy *of_class = &sb->class->policy;
    *p = policy_of_conf(cc, sb->class);
    p->own_denied = p->denied;
    p->denied = of_class->denied;
    if (p->allowed == NULL) {
        p->allowed = of_class->allowed;
        p->allowed_at = of_class->allowed_at;
    }
    sb->policy = p;
}

static int
take_token(struct conf *c, struct sandbox_set *set, struct sandbox *sb,
    const struct sandbox_token *token)
{
    if (token == NULL) {
        return 0;
    }
    sb->has_token = true;
    memcpy(sb->token, token->sha256, SHA256_SIZE);
    sb->by_token.key = str_n((const char *)sb->token, SHA256_SIZE);
    const struct map_node *node = map_find(&set->by_token, sb->by_token.key);
    if (node != NULL) {
        const struct sandbox *other =
            container_of(node, const struct sandbox, by_token);
        return conf_fail(c, token->at,
            "sandbox \"%.*s\" has the token of sandbox \"%.*s\"",
            STR_ARG(sb->id), STR_ARG(other->id));
    }
    map_add(&set->by_token, &sb->by_token);
    return 0;
}

static int
take_addresses(struct conf *c, struct sandbox_set *set, struct sandbox *sb,
    const struct sandbox_addresses *l)
{
    for (unsigned i = 0; l != NULL && i < l->n; i++) {
        if (prefix_map_add(set->by_addr, &l->items[i], sb)) {
            continue;
        }
        const struct sandbox *other =
            prefix_map_get(set->by_addr, &l->items[i]);
        return conf_fail(c, l->at[i],
            "address \"%.*s\" is that of sandbox \"%.*s\" already",
            STR_ARG(l->at[i]->text), STR_ARG(other->id));
    }
    sb->addresses = l != NULL ? l->items : NULL;
    sb->n_addresses = l != NULL ? l->n : 0;
    return 0;
}

static int
sandbox_build(struct conf *c, struct sandbox_set *set, struct scope *s)
{
    const struct sandbox_conf *sc =
        scope_part(s, conf_part_index(c, &sandbox_part));
    struct sandbox *sb = &set->items[set->n++];
    sb->magic = SANDBOX_MAGIC;
    sb->scope = s;
    sb->at = &s->directive->args[0];
    sb->id = sb->at->text;
    sb->by_id.key = sb->id;
    s->owner = sb;
    if (map_find(&set->by_id, sb->id) != NULL) {
        return conf_fail(
            c, sb->at, "duplicate sandbox \"%.*s\"", STR_ARG(sb->id));
    }
    map_add(&set->by_id, &sb->by_id);
    sb->class = s->parent->owner;
    CHECK(sb->class, CLASS_MAGIC);
    take_policy(c, sb, scope_part(s, conf_part_index(c, &class_part)));
    return take_token(c, set, sb, sc->token) != 0
               ? -1
               : take_addresses(c, set, sb, sc->addresses);
}

/* Without egress (NULL) an empty one; NULL after conf_fail(). */
static struct sandbox_set *
set_build(struct conf *c, const struct scope *egress)
{
    struct sandbox_set *set = set_new(c);
    unsigned n = 0;
    if (egress == NULL) {
        return set;
    }
    const struct sandbox_conf *sc =
        scope_part(egress, conf_part_index(c, &sandbox_part));
    for (struct scope *s = egress->children; s != NULL; s = s->next) {
        if (s->context == CONF_SANDBOX && ++n > sc->max_sandboxes) {
            conf_fail(c, &s->directive->name,
                "more than %u sandboxes (max_sandboxes)", sc->max_sandboxes);
            return NULL;
        }
    }
    set->items = arena_calloc(c->arena, n * sizeof *set->items);
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
    CHECK(sc->set, SANDBOX_SET_MAGIC);
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

/* What a sandbox has or has not: never its class's. */
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
    OWN("class", 1, 0, class_name, struct str, set_str),
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
