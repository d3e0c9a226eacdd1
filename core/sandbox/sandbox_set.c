/*
 * The set of sandboxes. It has three indices, by id, by token and by address,
 * which agree whenever a function returns. Clashes of id and token are found
 * before anything changes. Ranges are put in one by one: if one clashes, those
 * before it are taken out again.
 */

#include "sandbox/sandbox_set.h"

#include "base/mem.h"
#include "match/prefix.h"

#define SANDBOX_SET_MAGIC 0x5a4d5e75u

struct sandbox_set {
    unsigned magic;
    struct list all;
    struct map by_id, by_token;
    struct prefix_map *by_addr;
};

struct sandbox_set *
sandbox_set_new(void)
{
    struct sandbox_set *s = xcalloc(sizeof *s);
    s->magic = SANDBOX_SET_MAGIC;
    list_init(&s->all);
    map_init(&s->by_id);
    map_init(&s->by_token);
    s->by_addr = prefix_map_new();
    return s;
}

void
sandbox_set_free(struct sandbox_set *s)
{
    CHECK(s, SANDBOX_SET_MAGIC);
    struct sandbox *sb = sandbox_set_next(s, NULL);
    while (sb != NULL) {
        sandbox_set_remove(s, sb);
        sb = sandbox_set_next(s, NULL);
    }
    map_fini(&s->by_id);
    map_fini(&s->by_token);
    prefix_map_free(s->by_addr);
    s->magic = 0;
    xfree(s);
}

struct sandbox *
sandbox_set_next(const struct sandbox_set *s, const struct sandbox *prev)
{
    CHECK(s, SANDBOX_SET_MAGIC);
    const struct list *next = prev != NULL ? prev->node.next : s->all.next;
    return next != &s->all ? container_of(next, struct sandbox, node) : NULL;
}

unsigned
sandbox_set_count(const struct sandbox_set *s)
{
    CHECK(s, SANDBOX_SET_MAGIC);
    return (unsigned)s->by_id.count;
}

static void
ranges_drop(struct sandbox_set *s, const struct cidr *items, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        AN(prefix_map_remove(s->by_addr, &items[i]));
    }
}

/* Puts in the ranges up to the first one that clashes. Returns how many it put
 * in. */
static unsigned
ranges_put(struct sandbox_set *s, struct sandbox *sb, const struct cidr *items,
    unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (!prefix_map_add(s->by_addr, &items[i], sb)) {
            return i;
        }
    }
    return n;
}

/* Puts in the ranges of the spec in place of the sandbox's; false: one clashes,
 * and nothing has changed. The old ranges are taken out first, as the sandbox
 * may keep some of them. */
static bool
ranges_swap(struct sandbox_set *s, struct sandbox *sb,
    const struct sandbox_spec *spec, struct sandbox_clash *clash)
{
    ranges_drop(s, sb->addresses, sb->n_addresses);
    unsigned n = ranges_put(s, sb, spec->addresses, spec->n_addresses);
    if (n == spec->n_addresses) {
        return true;
    }
    const struct sandbox *other =
        prefix_map_get(s->by_addr, &spec->addresses[n]);
    *clash = (struct sandbox_clash){ .what = CLASH_ADDRESS,
        .address = n,
        .id = other == sb ? spec->id : other->id };
    ranges_drop(s, spec->addresses, n);
    AN(ranges_put(s, sb, sb->addresses, sb->n_addresses) == sb->n_addresses);
    return false;
}

static bool
token_is_free(const struct sandbox_set *s, const struct sandbox *sb,
    const struct sandbox_spec *spec, struct sandbox_clash *clash)
{
    const struct sandbox *other =
        spec->token != NULL ? sandbox_by_token(s, spec->token) : NULL;
    if (other == NULL || other == sb) {
        return true;
    }
    *clash = (struct sandbox_clash){ .what = CLASH_TOKEN, .id = other->id };
    return false;
}

static void
token_swap(struct sandbox_set *s, struct sandbox *sb, const uint8_t *token)
{
    if (sb->has_token) {
        map_del(&s->by_token, &sb->by_token);
    }
    sb->has_token = token != NULL;
    if (token != NULL) {
        memcpy(sb->token, token, SHA256_SIZE);
        map_add(&s->by_token, &sb->by_token);
    }
}

static void
keep_addresses(struct sandbox *sb, const struct sandbox_spec *spec)
{
    size_t size = spec->n_addresses * sizeof *sb->addresses;
    struct cidr *items = NULL;
    if (size != 0) {
        items = xalloc(size);
        memcpy(items, spec->addresses, size);
    }
    xfree(sb->addresses);
    sb->addresses = items;
    sb->n_addresses = spec->n_addresses;
}

static void
policy_swap(struct sandbox *sb, struct policy *p)
{
    struct policy *old = sb->policy;
    AN(old == NULL || old == p || old->revision < p->revision);
    sb->policy = policy_ref(p);
    if (old != NULL) {
        policy_unref(old);
    }
}

static bool
sandbox_take(struct sandbox_set *s, struct sandbox *sb,
    const struct sandbox_spec *spec, struct sandbox_clash *clash)
{
    if (!token_is_free(s, sb, spec, clash) ||
        !ranges_swap(s, sb, spec, clash)) {
        return false;
    }
    keep_addresses(sb, spec);
    token_swap(s, sb, spec->token);
    policy_swap(sb, spec->policy);
    sb->scope = spec->scope;
    sb->at = spec->at;
    return true;
}

struct sandbox *
sandbox_set_add(struct sandbox_set *s, const struct sandbox_spec *spec,
    struct sandbox_clash *clash)
{
    CHECK(s, SANDBOX_SET_MAGIC);
    const struct sandbox *other = sandbox_by_id(s, spec->id);
    if (other != NULL) {
        *clash = (struct sandbox_clash){ .what = CLASH_ID, .id = other->id };
        return NULL;
    }
    struct sandbox *sb = sandbox_new(spec->id);
    if (!sandbox_take(s, sb, spec, clash)) {
        sandbox_unref(sb);
        return NULL;
    }
    map_add(&s->by_id, &sb->by_id);
    list_add_tail(&s->all, &sb->node);
    return sb;
}

bool
sandbox_set_change(struct sandbox_set *s, struct sandbox *sb,
    const struct sandbox_spec *spec, struct sandbox_clash *clash)
{
    CHECK(s, SANDBOX_SET_MAGIC);
    CHECK(sb, SANDBOX_MAGIC);
    AZ(sb->is_ended);
    AN(str_eq(spec->id, sb->id));
    return sandbox_take(s, sb, spec, clash);
}

void
sandbox_set_remove(struct sandbox_set *s, struct sandbox *sb)
{
    CHECK(s, SANDBOX_SET_MAGIC);
    CHECK(sb, SANDBOX_MAGIC);
    AZ(sb->is_ended);
    ranges_drop(s, sb->addresses, sb->n_addresses);
    token_swap(s, sb, NULL);
    map_del(&s->by_id, &sb->by_id);
    list_del(&sb->node);
    sb->is_ended = true;
    sandbox_unref(sb);
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

/* The look-up is by the digest of what the client sent: its time tells nothing
 * about any token. */
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
