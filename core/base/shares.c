/*
 * Holders by name, and in levels by how many shares they have. A holder that
 * gets or loses a share moves to the next level, so that the largest is found
 * at once.
 */

#include "base/shares.h"

#include "base/map.h"
#include "base/mem.h"

#define SHARES_MAGIC 0x54a7e5a1u

struct holder {
    struct map_node node;
    struct holder *prev, *next; /* in its level */
    struct list all;
    unsigned n;
    char key[SHARE_KEY_MAX];
};

/* Holders with the same number of shares, in the order in which they came. */
struct level {
    struct holder *first, *last;
};

struct shares {
    unsigned magic;
    struct map holders;
    struct holder *spare; /* the last holder that lost all its shares, kept for
                             reuse; NULL: none */
    struct level *levels; /* by the number of shares: 0 to n_levels - 1 */
    unsigned n_levels;
    unsigned top; /* the highest level with a holder; 0: none */
    unsigned total;
};

struct shares *
shares_new(void)
{
    struct shares *s = xcalloc(sizeof *s);
    s->magic = SHARES_MAGIC;
    map_init(&s->holders);
    return s;
}

void
shares_free(struct shares *s)
{
    CHECK(s, SHARES_MAGIC);
    AZ(s->total);
    AZ(s->holders.count);
    map_fini(&s->holders);
    xfree(s->spare);
    xfree(s->levels);
    s->magic = 0;
    xfree(s);
}

static void
level_leave(struct shares *s, struct holder *h)
{
    struct level *l = &s->levels[h->n];
    *(h->prev != NULL ? &h->prev->next : &l->first) = h->next;
    *(h->next != NULL ? &h->next->prev : &l->last) = h->prev;
    h->prev = h->next = NULL;
}

static void
level_enter(struct shares *s, struct holder *h)
{
    while (h->n >= s->n_levels) {
        s->levels = xgrow(s->levels, s->n_levels, sizeof *s->levels);
        s->levels[s->n_levels++] = (struct level){ NULL, NULL };
    }
    struct level *l = &s->levels[h->n];
    h->prev = l->last;
    *(l->last != NULL ? &l->last->next : &l->first) = h;
    l->last = h;
    s->top = h->n > s->top ? h->n : s->top;
}

static void
holder_change(struct shares *s, struct holder *h, int by)
{
    if (h->n != 0) {
        level_leave(s, h);
    }
    h->n += (unsigned)by;
    s->total += (unsigned)by;
    if (h->n != 0) {
        level_enter(s, h);
    } else {
        map_del(&s->holders, &h->node);
        xfree(s->spare);
        s->spare = h; /* it may come again soon */
    }
    while (s->top != 0 && s->levels[s->top].first == NULL) {
        s->top--;
    }
}

static struct holder *
holder_get(struct shares *s, struct str key)
{
    AN(key.n != 0 && key.n <= SHARE_KEY_MAX);
    struct map_node *node = map_find(&s->holders, key);
    if (node != NULL) {
        return container_of(node, struct holder, node);
    }
    struct holder *h = s->spare != NULL ? s->spare : xalloc(sizeof *h);
    s->spare = NULL;
    memset(h, 0, sizeof *h);
    memcpy(h->key, key.p, key.n);
    h->node.key = str_n(h->key, key.n);
    list_init(&h->all);
    map_add(&s->holders, &h->node);
    return h;
}

void
shares_give(struct shares *s, struct share *e, struct str holder)
{
    CHECK(s, SHARES_MAGIC);
    shares_drop(s, e);
    e->holder = holder_get(s, holder);
    list_add_tail(&e->holder->all, &e->node);
    holder_change(s, e->holder, 1);
}

void
shares_touch(struct share *e)
{
    AN(e->holder != NULL);
    list_del(&e->node);
    list_add_tail(&e->holder->all, &e->node);
}

void
shares_drop(struct shares *s, struct share *e)
{
    CHECK(s, SHARES_MAGIC);
    struct holder *h = e->holder;
    if (h != NULL) {
        list_del(&e->node);
        e->holder = NULL;
        holder_change(s, h, -1);
    }
}

unsigned
shares_count(const struct share *e)
{
    return e->holder != NULL ? e->holder->n : 0;
}

unsigned
shares_total(const struct shares *s)
{
    CHECK(s, SHARES_MAGIC);
    return s->total;
}

static struct share *
holder_oldest(const struct holder *h, bool (*may_go)(const struct share *e))
{
    const struct list *at = h->all.next;
    for (; at != &h->all; at = at->next) {
        struct share *e = container_of(at, struct share, node);
        if (may_go == NULL || may_go(e)) {
            return e;
        }
    }
    return NULL;
}

struct share *
shares_of(const struct shares *s, struct str holder)
{
    CHECK(s, SHARES_MAGIC);
    struct map_node *node = map_find(&s->holders, holder);
    return node != NULL
               ? holder_oldest(container_of(node, struct holder, node), NULL)
               : NULL;
}

struct share *
shares_oldest(const struct shares *s, bool (*may_go)(const struct share *e))
{
    CHECK(s, SHARES_MAGIC);
    struct share *found = NULL;
    for (unsigned i = s->top; i != 0 && found == NULL; i--) {
        const struct holder *h = s->levels[i].first;
        for (; h != NULL && found == NULL; h = h->next) {
            found = holder_oldest(h, may_go);
        }
    }
    return found;
}
