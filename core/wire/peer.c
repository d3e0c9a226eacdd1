/*
 * A peer's life: from a dial or the pool to an exchange and back.
 */

#include "wire/peer.h"

struct peer *
peer_of(struct pool_entry *e)
{
    struct peer *p = container_of(e, struct peer, entry);
    CHECK(p, PEER_MAGIC);
    return p;
}

static void
on_pool_close(struct pool_entry *e)
{
    peer_close(peer_of(e));
}

void
peer_init(struct peer *p, const struct peer_ops *ops, struct stream *s,
    const struct addr *a, size_t in_max)
{
    AN(s != NULL);
    AZ(p->magic);
    p->magic = PEER_MAGIC;
    p->ops = ops;
    p->addr = *a;
    p->entry.close = on_pool_close;
    wire_init(&p->wire, s, in_max);
}

void
peer_begin(struct peer *p, struct task *t, bool is_last)
{
    CHECK(p, PEER_MAGIC);
    p->requests++;
    p->ops->begin(p, t, is_last);
}

void
peer_close(struct peer *p)
{
    CHECK(p, PEER_MAGIC);
    p->ops->close(p);
}

void
peer_park(struct peer *p, struct pool *pool, struct pool_host *host,
    double idle_timeout)
{
    CHECK(p, PEER_MAGIC);
    AZ(p->wire.in.n);
    AN(bufq_is_empty(&p->wire.out));
    buf_fini(&p->wire.in);
    p->entry.stream = p->wire.stream;
    p->entry.addr = p->addr;
    pool_put(pool, host, &p->entry, idle_timeout);
}
