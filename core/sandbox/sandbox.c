/*
 * The sandboxes of a configuration and the three ways to find one. Built in
 * one go when egress is checked; the master assigns serials and certificates;
 * after the fork nothing changes.
 */

#include "sandbox/sandbox.h"

#include "sandbox/conf_priv.h"
#include "sandbox/prefix.h"

#define SANDBOX_SET_MAGIC 0x5a4d5e75u

struct sandbox_set {
    unsigned magic;
    struct arena *arena; /* the conf's */
    struct sandbox *items;
    unsigned n;
    struct map by_id, by_token;
    struct prefix_map *by_addr;
    const struct class *classes;
};

bool
set_sandbox(struct bind *b, const struct directive *d, void *field)
{
    (void)field;
    return sandbox_id_is_valid(d->args[0].text) ||
           conf_error(b, &d->args[0], "invalid sandbox id \"%.*s\"",
               STR_ARG(d->args[0].text));
}

struct scope *
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

bool
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
take_policy(struct conf *c, struct sandbox *sb, const struct sandbox_conf *sc)
{
    struct policy *p = arena_alloc(c->arena, sizeof *p);
    *p = sb->class->policy;
    p->own_denied = sc->denied_hosts.set;
    if (sc->allowed_hosts.set != NULL) {
        p->allowed = sc->allowed_hosts.set;
        p->allowed_at = sc->allowed_hosts.at;
    }
    p->internet = sc->internet;
    p->connections = sc->connections;
    p->header_slots = sc->header_slots;
    p->header_slots_queue = sc->header_slots_queue;
    p->header_slots_timeout = sc->header_slots_timeout;
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
    take_policy(c, sb, sc);
    return take_token(c, set, sb, sc->token) != 0
               ? -1
               : take_addresses(c, set, sb, sc->addresses);
}

struct sandbox_set *
sandbox_set_build(
    struct conf *c, const struct scope *egress, const struct class *classes)
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
    set->classes = classes;
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

struct sandbox *
sandbox_set_nth(const struct sandbox_set *s, unsigned i)
{
    CHECK(s, SANDBOX_SET_MAGIC);
    return i < s->n ? &s->items[i] : NULL;
}

unsigned
sandbox_set_count(const struct sandbox_set *s)
{
    CHECK(s, SANDBOX_SET_MAGIC);
    return s->n;
}

void
sandbox_assign(struct sandbox_set *s, struct sandbox *sb, uint64_t serial,
    unsigned index, struct str ca_der)
{
    CHECK(s, SANDBOX_SET_MAGIC);
    CHECK(sb, SANDBOX_MAGIC);
    AN(serial != 0);
    sb->serial = serial;
    sb->index = index;
    sb->ca_der = arena_dup(s->arena, ca_der);
    sha256(ca_der, sb->ca_digest);
}

struct sandbox *
sandbox_by_id(const struct sandbox_set *s, struct str id)
{
    CHECK(s, SANDBOX_SET_MAGIC);
    struct map_node *node = map_find(&s->by_id, id);
    return node != NULL ? container_of(node, struct sandbox, by_id) : NULL;
}

struct sandbox *
sandbox_by_addr(const struct sandbox_set *s, const struct addr *a)
{
    CHECK(s, SANDBOX_SET_MAGIC);
    return !addr_is_link_local(a) ? prefix_map_find(s->by_addr, a) : NULL;
}

static void
count_range(void *arg, void *value)
{
    (void)value;
    ++*(unsigned *)arg;
}

bool
sandbox_is_at(const struct sandbox_set *s, const struct addr *a)
{
    CHECK(s, SANDBOX_SET_MAGIC);
    unsigned n = 0;
    struct cidr everything = { .addr = { .family = a->family }, .bits = 0 };
    prefix_map_visit(s->by_addr, a, count_range, &n);
    return n > 1 || (n == 1 && prefix_map_get(s->by_addr, &everything) == NULL);
}

struct sandbox *
sandbox_auth(const struct sandbox_set *s, struct str id,
    const uint8_t token[SHA256_SIZE])
{
    static const uint8_t nobodys[SHA256_SIZE];
    struct sandbox *sb = sandbox_by_id(s, id);
    bool has_token = sb != NULL && sb->has_token;
    bool is_right =
        bytes_eq_secret(has_token ? sb->token : nobodys, token, SHA256_SIZE);
    return has_token && is_right ? sb : NULL;
}

bool
sandbox_set_has_tokens(const struct sandbox_set *s)
{
    CHECK(s, SANDBOX_SET_MAGIC);
    return s->by_token.count != 0;
}

/* What is looked up is the digest of what the client sent: how long that takes
 * tells of no token. */
struct sandbox *
sandbox_by_token(const struct sandbox_set *s, const uint8_t token[SHA256_SIZE])
{
    CHECK(s, SANDBOX_SET_MAGIC);
    struct map_node *node =
        map_find(&s->by_token, str_n((const char *)token, SHA256_SIZE));
    if (node == NULL) {
        return NULL;
    }
    struct sandbox *sb = container_of(node, struct sandbox, by_token);
    return bytes_eq_secret(sb->token, token, SHA256_SIZE) ? sb : NULL;
}

const struct class *
sandbox_classes(const struct sandbox_set *s)
{
    CHECK(s, SANDBOX_SET_MAGIC);
    return s->classes;
}
