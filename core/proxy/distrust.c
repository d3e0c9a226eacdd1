/*
 * A worker's; called by intercept.c. An entry for each sandbox that was found
 * so, until it ends: there are never more than there are sandboxes.
 */

#include "proxy/distrust.h"

#include "base/map.h"
#include "base/mem.h"

struct distrust {
    struct map by_serial;
};

struct entry {
    struct map_node node;
    uint64_t serial;
    double told; /* clock_mono() */
};

struct distrust *
distrust_new(void)
{
    struct distrust *d = xcalloc(sizeof *d);
    map_init(&d->by_serial);
    return d;
}

static void
entry_free(struct distrust *d, struct entry *e)
{
    map_del(&d->by_serial, &e->node);
    xfree(e);
}

void
distrust_free(struct distrust *d)
{
    if (d == NULL) {
        return;
    }
    struct map_node *node = map_next(&d->by_serial, NULL);
    while (node != NULL) {
        entry_free(d, container_of(node, struct entry, node));
        node = map_next(&d->by_serial, NULL);
    }
    map_fini(&d->by_serial);
    xfree(d);
}

static struct entry *
entry_find(const struct distrust *d, uint64_t serial)
{
    struct str key = str_n((const char *)&serial, sizeof serial);
    struct map_node *node = map_find(&d->by_serial, key);
    return node != NULL ? container_of(node, struct entry, node) : NULL;
}

bool
distrust_is_news(struct distrust *d, uint64_t serial, double now)
{
    AN(serial != 0);
    struct entry *e = entry_find(d, serial);
    if (e != NULL && now < e->told + DISTRUST_EVERY) {
        return false;
    }
    if (e == NULL) {
        e = xcalloc(sizeof *e);
        e->serial = serial;
        e->node.key = str_n((const char *)&e->serial, sizeof e->serial);
        map_add(&d->by_serial, &e->node);
    }
    e->told = now;
    return true;
}

void
distrust_forget(struct distrust *d, uint64_t serial)
{
    struct entry *e = entry_find(d, serial);
    if (e != NULL) {
        entry_free(d, e);
    }
}
