/*
 * The sandboxes that this process knows and the three ways to find one. Made
 * by sandbox_conf.c; the master assigns serials and certificates; after the
 * fork nothing changes.
 */

#include "sandbox/sandbox.h"

#include "sandbox/sandbox_priv.h"

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
