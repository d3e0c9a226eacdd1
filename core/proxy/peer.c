/*
 * A peer's life: from a dial or the pool to an exchange and back.
 */

#include "proxy/peer.h"

#include "base/mem.h"
#include "proxy/proxy_conf.h"
#include "proxy/tx.h"

#define OUT_LIMIT (64 * 1024)

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

struct peer *
peer_new(struct stream *s, const struct addr *a)
{
    struct peer *p = xcalloc(sizeof *p);
    p->magic = PEER_MAGIC;
    p->ops = &up_h1_ops;
    p->stream = s;
    p->addr = *a;
    p->entry.close = on_pool_close;
    buf_init(&p->in, H1_RESPONSE_HEAD_MAX);
    bufq_init(&p->out, OUT_LIMIT);
    return p;
}

void
peer_begin(struct peer *p, struct task *t)
{
    CHECK(p, PEER_MAGIC);
    p->is_reused = p->requests != 0;
    p->requests++;
    p->is_head_sent = p->is_end_sent = false;
    p->is_head_done = p->is_body_done = false;
    p->has_sent = p->has_answered = false;
    p->scanned = p->heads = 0;
    stream_set_task(p->stream, t);
}

void
peer_close(struct peer *p)
{
    CHECK(p, PEER_MAGIC);
    stream_close(p->stream);
    buf_fini(&p->in);
    bufq_fini(&p->out);
    h1_body_fini(&p->body);
    p->magic = 0;
    xfree(p);
}

bool
peer_is_quiet(struct peer *p)
{
    char byte;
    size_t got;
    CHECK(p, PEER_MAGIC);
    return stream_read(p->stream, &byte, 1, &got) == IO_AGAIN;
}

void
peer_park(struct peer *p, struct pool *pool, struct pool_host *host,
    double idle_timeout)
{
    CHECK(p, PEER_MAGIC);
    buf_fini(&p->in);
    p->entry.stream = p->stream;
    p->entry.addr = p->addr;
    pool_put(pool, host, &p->entry, idle_timeout);
}
