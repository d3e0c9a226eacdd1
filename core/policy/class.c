/*
 * Classes and the who-chain's directives. A class is made when its block
 * opens and finished when egress is checked: then every host block and
 * handler that it may come to is there.
 */

#include "policy/class.h"

#include "base/id.h"
#include "conf/type.h"
#include "policy/conf_priv.h"

struct class *
class_find(const struct scope *egress, struct str name)
{
    for (struct scope *s = egress->children; s != NULL; s = s->next) {
        struct class *k = s->context == CONF_CLASS ? s->owner : NULL;
        if (k != NULL && str_eq(k->name, name)) {
            return k;
        }
    }
    return NULL;
}

unsigned
class_count(const struct scope *egress)
{
    unsigned n = 0;
    for (struct scope *s = egress->children; s != NULL; s = s->next) {
        n += s->context == CONF_CLASS;
    }
    return n;
}

static bool
set_class(struct bind *b, const struct directive *d, void *field)
{
    struct scope *s = bind_scope(b);
    const struct token *t = &d->args[0];
    (void)field;
    /* "any" means all of them in `classes` */
    if (!id_is_valid(t->text) || str_eq(t->text, STR("any"))) {
        return conf_error(
            b, t, "invalid class name \"%.*s\"", STR_ARG(t->text));
    }
    if (class_find(s->parent, t->text) != NULL) {
        return conf_error(b, t, "duplicate class \"%.*s\"", STR_ARG(t->text));
    }
    struct class *k = arena_calloc(bind_conf(b)->arena, sizeof *k);
    k->magic = CLASS_MAGIC;
    k->name = t->text;
    k->scope = s;
    s->owner = k;
    return true;
}

/* All host blocks of a scope that `k` comes to, in one set; all of them when
 * it is NULL. *out is NULL when there is none. */
static int
hosts_gather(struct conf *c, const struct scope *s, const struct class *k,
    const struct pattern_set **out)
{
    struct pattern_set *set = NULL;
    for (struct scope *h = s->children; h != NULL; h = h->next) {
        if (h->context != CONF_HOST ||
            (k != NULL && !block_is_for(block_of(h), k))) {
            continue;
        }
        if (set == NULL) {
            set = hosts_new(c->arena, PATTERN_SERVER);
        }
        if (host_add(c, set, block_of(h)) != 0) {
            return -1;
        }
    }
    if (set != NULL) {
        pattern_set_compile(set);
    }
    *out = set;
    return 0;
}

/* Whether all host blocks of egress are for every class: then one set does. */
static bool
hosts_are_for_all(const struct scope *egress)
{
    for (struct scope *s = egress->children; s != NULL; s = s->next) {
        const struct str_list *l =
            s->context == CONF_HOST ? &block_of(s)->conf->classes : NULL;
        if (l != NULL && l->n != 0 && !str_eq(l->items[0], STR("any"))) {
            return false;
        }
    }
    return true;
}

static const struct block *
handler_find(const struct scope *s, struct str name)
{
    for (s = s->children; s != NULL; s = s->next) {
        if (s->context == CONF_HANDLER && str_eq(block_of(s)->name, name)) {
            return block_of(s);
        }
    }
    return NULL;
}

/* The class's own handler goes before a shared one of that name. */
static int
outbound_find(struct conf *c, struct class *k, struct str name)
{
    k->outbound = handler_find(k->scope, name);
    if (k->outbound == NULL) {
        k->outbound = handler_find(k->scope->parent, name);
    }
    if (k->outbound == NULL) {
        return conf_fail(c, scope_token(k->scope, name),
            "unknown handler \"%.*s\"", STR_ARG(name));
    }
    if (!block_is_for(k->outbound, k)) {
        return conf_fail(c, scope_token(k->scope, name),
            "handler \"%.*s\" is not for class \"%.*s\"", STR_ARG(name),
            STR_ARG(k->name));
    }
    return 0;
}

struct policy
class_values(const struct class_conf *cc, const struct class *k)
{
    return (struct policy){ .class = k,
        .allowed = cc->allowed_hosts.set,
        .allowed_at = cc->allowed_hosts.at,
        .denied = cc->denied_hosts.set,
        .internet = cc->internet,
        .connections = cc->connections,
        .header_slots = cc->header_slots,
        .header_slots_queue = cc->header_slots_queue,
        .header_slots_timeout = cc->header_slots_timeout };
}

static void
class_free_policy(void *p)
{
    policy_unref(p);
}

static int
class_finish(struct conf *c, struct class *k, const struct class_conf *cc,
    const struct pattern_set *all)
{
    const struct scope *egress = k->scope->parent;
    struct policy values = class_values(cc, k);
    k->policy = policy_new(&values);
    arena_on_free(c->arena, class_free_policy, k->policy);
    k->shared = all;
    if (hosts_gather(c, k->scope, NULL, &k->hosts) != 0) {
        return -1;
    }
    if (!hosts_are_for_all(egress) &&
        hosts_gather(c, egress, k, &k->shared) != 0) {
        return -1;
    }
    return cc->outbound.p != NULL ? outbound_find(c, k, cc->outbound) : 0;
}

static int
egress_check(struct conf *c, struct scope *egress, struct class_conf *cc)
{
    const struct pattern_set *all;
    struct class **end = &cc->classes;
    unsigned part = conf_part_index(c, &class_part);
    if (hosts_gather(c, egress, NULL, &all) != 0) {
        return -1;
    }
    for (struct scope *s = egress->children; s != NULL; s = s->next) {
        if (s->context != CONF_CLASS) {
            continue;
        }
        *end = s->owner;
        end = &(*end)->next;
        if (class_finish(c, s->owner, scope_part(s, part), all) != 0) {
            return -1;
        }
    }
    return 0;
}

const struct class *
classes_of(const struct conf *c, const struct scope *egress)
{
    const struct class_conf *cc =
        scope_part(egress, conf_part_index(c, &class_part));
    return cc->classes;
}

static int
class_check(struct conf *c, struct scope *s, void *part)
{
    struct class_conf *cc = part;
    if (cc->allowed_hosts.set != NULL) {
        pattern_set_compile(cc->allowed_hosts.set);
    }
    if (cc->denied_hosts.set != NULL) {
        pattern_set_compile(cc->denied_hosts.set);
    }
    return s->context == CONF_EGRESS ? egress_check(c, s, cc) : 0;
}

#define S struct class_conf

/* A list of hosts; ARG is NULL where it denies. */
#define HOSTS(NAME, F, ARG)                                                    \
    {                                                                          \
        .name = (NAME), .contexts = CONF_CLASS | CONF_SANDBOX,                 \
        .max_args = 255, .flags = CMD_OWN | CMD_LIST,                          \
        .offset = CMD_AT(S, F, struct host_list),                              \
        .size = sizeof(struct host_list), .set = set_hosts, .arg = (ARG)       \
    }

static const struct cmd class_cmds[] = {
    { .name = "sandbox_class",
        .contexts = CONF_EGRESS,
        .min_args = 1,
        .max_args = 1,
        .flags = CMD_BLOCK,
        .block = CONF_CLASS,
        .set = set_class },
    HOSTS("allowed_hosts", allowed_hosts, "allow"),
    HOSTS("denied_hosts", denied_hosts, NULL),
    CMD_FLAG("internet", CONF_WHO, S, internet),
    { .name = "outbound",
        .contexts = CONF_CLASS,
        .min_args = 1,
        .max_args = 1,
        .flags = CMD_OWN,
        .offset = CMD_AT(S, outbound, struct str),
        .size = sizeof(struct str),
        .set = set_str },
    { 0 },
};

#undef S

static const struct class_conf class_defaults = {
    .connections = 512,
    .header_slots = 6,
    .header_slots_queue = 1000,
    .header_slots_timeout = 60,
};

const struct conf_part class_part = {
    .name = "class",
    .cmds = class_cmds,
    .defaults = &class_defaults,
    .size = sizeof(struct class_conf),
    .check = class_check,
};
