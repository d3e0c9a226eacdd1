/*
 * A radix tree with compressed paths, one for each address family. Used for
 * CIDR patterns and for the source addresses of sandboxes. A node that joins
 * two branches has no value, and it always has both of them: whoever takes one
 * away takes it out. Nodes that were taken out are used again.
 */

#include "match/prefix.h"

#include "base/mem.h"

#define PREFIX_MAGIC 0x94ef1e5cu

struct node {
    struct cidr prefix;
    void *value; /* NULL: it only joins two branches */
    struct node *child[2];
};

struct prefix_map {
    unsigned magic;
    struct arena *arena;
    struct node *root[2];
    struct node *spare; /* taken out; by child[0] */
};

struct prefix_map *
prefix_map_new(void)
{
    struct arena *a = arena_new(4096);
    struct prefix_map *m = arena_calloc(a, sizeof *m);
    m->magic = PREFIX_MAGIC;
    m->arena = a;
    return m;
}

void
prefix_map_free(struct prefix_map *m)
{
    if (m != NULL) {
        CHECK(m, PREFIX_MAGIC);
        m->magic = 0;
        arena_free(m->arena);
    }
}

static unsigned
bit_at(const struct addr *a, unsigned i)
{
    return (a->ip[i / 8] >> (7 - i % 8)) & 1;
}

static unsigned
common_bits(const struct cidr *a, const struct cidr *b)
{
    unsigned max = a->bits < b->bits ? a->bits : b->bits, i = 0;
    while (i + 8 <= max && a->addr.ip[i / 8] == b->addr.ip[i / 8]) {
        i += 8;
    }
    while (i < max && bit_at(&a->addr, i) == bit_at(&b->addr, i)) {
        i++;
    }
    return i;
}

static struct node *
node_new(struct prefix_map *m, const struct cidr *c, unsigned bits)
{
    struct node *n = m->spare;
    if (n != NULL) {
        m->spare = n->child[0];
    } else {
        n = arena_alloc(m->arena, sizeof *n);
    }
    *n = (struct node){ .prefix = *c };
    n->prefix.bits = (uint8_t)bits;
    return n;
}

/* Whether its range is exactly this. */
static bool
node_is(const struct node *n, const struct cidr *c)
{
    return n->prefix.bits == c->bits && common_bits(&n->prefix, c) == c->bits;
}

/* The node of exactly this range; made if there is none. */
static struct node *
node_place(struct prefix_map *m, const struct cidr *c)
{
    struct node **link = &m->root[c->addr.family == 6];
    while (*link != NULL) {
        struct node *n = *link;
        unsigned common = common_bits(&n->prefix, c);
        if (common == n->prefix.bits && common == c->bits) {
            return n;
        }
        if (common < n->prefix.bits) {
            struct node *join = node_new(m, c, common);
            join->child[bit_at(&n->prefix.addr, common)] = n;
            *link = join;
            if (common == c->bits) {
                return join;
            }
            n = join;
        }
        link = &n->child[bit_at(&c->addr, n->prefix.bits)];
    }
    *link = node_new(m, c, c->bits);
    return *link;
}

bool
prefix_map_add(struct prefix_map *m, const struct cidr *c, void *value)
{
    CHECK(m, PREFIX_MAGIC);
    AN(value != NULL);
    AN(c->addr.family == 4 || c->addr.family == 6);
    struct node *n = node_place(m, c);
    if (n->value != NULL) {
        return false;
    }
    n->value = value;
    return true;
}

/* Takes a node without a value out, if it no longer joins two branches: what it
 * had goes in its place. */
static void
node_unlink(struct prefix_map *m, struct node **link)
{
    struct node *n = *link;
    if (n->value != NULL || (n->child[0] != NULL && n->child[1] != NULL)) {
        return;
    }
    *link = n->child[n->child[0] == NULL];
    n->child[0] = m->spare;
    m->spare = n;
}

bool
prefix_map_remove(struct prefix_map *m, const struct cidr *c)
{
    CHECK(m, PREFIX_MAGIC);
    AN(c->addr.family == 4 || c->addr.family == 6);
    struct node **above = NULL, **link = &m->root[c->addr.family == 6];
    while (*link != NULL && (*link)->prefix.bits < c->bits) {
        above = link;
        link = &(*link)->child[bit_at(&c->addr, (*link)->prefix.bits)];
    }
    if (*link == NULL || !node_is(*link, c) || (*link)->value == NULL) {
        return false;
    }
    (*link)->value = NULL;
    node_unlink(m, link);
    if (above != NULL) {
        node_unlink(m, above);
    }
    return true;
}

/* A joining node keeps the address that it was made from; only the first bits
 * of it count, as in cidr_contains(). */
void
prefix_map_visit(const struct prefix_map *m, const struct addr *a,
    void (*fn)(void *arg, void *value), void *arg)
{
    CHECK(m, PREFIX_MAGIC);
    if (a->family != 4 && a->family != 6) {
        return;
    }
    unsigned max = a->family == 4 ? 32 : 128;
    const struct node *n = m->root[a->family == 6];
    while (n != NULL && cidr_contains(&n->prefix, a)) {
        if (n->value != NULL) {
            fn(arg, n->value);
        }
        n = n->prefix.bits < max ? n->child[bit_at(a, n->prefix.bits)] : NULL;
    }
}

static void
keep_last(void *arg, void *value)
{
    *(void **)arg = value;
}

void *
prefix_map_find(const struct prefix_map *m, const struct addr *a)
{
    void *longest = NULL;
    prefix_map_visit(m, a, keep_last, &longest);
    return longest;
}

void *
prefix_map_get(const struct prefix_map *m, const struct cidr *c)
{
    CHECK(m, PREFIX_MAGIC);
    const struct node *n = m->root[c->addr.family == 6];
    while (n != NULL && n->prefix.bits < c->bits &&
           cidr_contains(&n->prefix, &c->addr)) {
        n = n->child[bit_at(&c->addr, n->prefix.bits)];
    }
    return n != NULL && node_is(n, c) ? n->value : NULL;
}
