#pragma once

/*
 * Idle connections to origins, kept for the next request. The key is everything
 * in which two connections must agree: host, port, trust store, sandbox and
 * more (struct pool_key). An idle connection is closed at once when its peer
 * sends something or ends it.
 */

#include "base/shares.h"
#include "net/guard.h"
#include "net/stream.h"

struct pool;
struct pool_host;
struct tls_client;

struct pool_key {
    struct str host; /* canonical name, address, or path of a unix socket */
    uint16_t port;
    const struct tls_client *tls; /* NULL: plain */
    uint64_t serial;              /* of the sandbox */
    const void *via;   /* the upstream proxy that it goes through; NULL: none */
    uint64_t conn;     /* the only client connection that may use it; 0: each of
                          the sandbox's may */
    const void *place; /* the only block that may use it; NULL: each may */
};

/* Embedded by the owner of a connection, who fills in stream, addr and close
 * before pool_put(). */
struct pool_entry {
    struct list in_host;
    struct share share;
    struct pool_host *host;
    struct pool *pool;
    struct task task; /* woken by the stream while it is idle */
    struct stream *stream;
    struct addr addr;                   /* of the peer, with its port */
    void (*close)(struct pool_entry *); /* frees owner and stream */
    double expires;                     /* clock_mono() */
    bool is_parked;
};

/* At most `max` idle connections in all and `host_max` for one key. */
struct pool *pool_new(
    struct loop *l, struct guard *g, unsigned max, unsigned host_max);
void pool_free(struct pool *p); /* closes all */

/* The host entry of a key, with a reference that the caller gives back. */
struct pool_host *pool_host_get(struct pool *p, const struct pool_key *key);
void pool_host_put(struct pool *p, struct pool_host *h);

/* Closes the idle connections of a key, and gives the reference back. */
void pool_host_close(struct pool *p, struct pool_host *h);

/* Takes the most recently used idle connection that the guard still passes, or
 * NULL. It is the caller's then; its stream wakes the entry's task until
 * stream_set_task(). */
struct pool_entry *pool_take(
    struct pool *p, struct pool_host *h, const struct guard_policy *policy);

/* Puts an idle connection in for at most `idle_timeout` seconds. If one key has
 * too many, its longest idle one is closed; if there are too many in all, the
 * longest idle one of the sandbox that has the most. */
void pool_put(struct pool *p, struct pool_host *h, struct pool_entry *e,
    double idle_timeout);

/* Closes up to `n` idle connections, each time the longest idle one of the
 * sandbox that has the most; returns how many. For a worker that has no
 * descriptors left. */
unsigned pool_shed(struct pool *p, unsigned n);

/* Closes all that are idle of that sandbox, which has ended. */
void pool_forget(struct pool *p, uint64_t serial);

/* How many are idle: tests see by it that none is left or lost. */
unsigned pool_idle(const struct pool *p);
