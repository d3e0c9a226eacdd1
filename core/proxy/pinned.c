/*
 * A pinned connection waits in the pool under a key with the client
 * connection's number. The pool closes it when the origin sends something or
 * ends it, and when there are too few descriptors.
 */

#include "proxy/pinned.h"

#include "proxy/conn.h"
#include "proxy/worker.h"

static struct pool_host *
own_host(struct conn *c, const struct pool_key *key)
{
    struct pool_key own = *key;
    CHECK(c, CONN_MAGIC);
    own.conn = c->id;
    return pool_host_get(c->worker->pool, &own);
}

struct pool_host *
pinned_find(struct conn *c, const struct pool_key *key)
{
    if (c->pinned == NULL) {
        return NULL;
    }
    struct pool_host *h = own_host(c, key);
    bool is_same = h == c->pinned;
    pool_host_put(c->worker->pool, h);
    return is_same ? c->pinned : NULL;
}

struct pool_host *
pinned_place(struct conn *c, const struct pool_key *key)
{
    struct pool_host *h = own_host(c, key);
    pinned_close(c);
    c->pinned = h;
    return h;
}

void
pinned_close(struct conn *c)
{
    CHECK(c, CONN_MAGIC);
    if (c->pinned != NULL) {
        pool_host_close(c->worker->pool, c->pinned);
        c->pinned = NULL;
    }
}
