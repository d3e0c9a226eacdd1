#pragma once

/*
 * Upstream connections that wait for their next request, by everything that
 * makes them equal: host, port, trust store, sandbox. An idle one whose peer
 * says anything, or leaves, is closed at once.
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
    const void *via;   /* what of the configuration it goes through; NULL */
    uint64_t conn;     /* the one client connection that may use it; 0: all of
                          the sandbox's */
    const void *place; /* of the configuration, which alone may use it; NULL:
                          all of them */
};

/* What the owner of a connection embeds. It fills stream, addr and close
 * before pool_put(). */
struct pool_entry {
    struct list in_host;
    struct share share;
    struct pool_host *host;
    struct pool *pool;
    struct task task; /* the stream's while it is idle */
    struct stream *stream;
    struct addr addr;                   /* of the peer, with its port */
    void (*close)(struct pool_entry *); /* frees the owner and the stream */
    double expires;                     /* clock_mono() */
    bool is_parked;
};

/* `max` idle connections in all, `host_max` for one key. */
struct pool *pool_new(
    struct loop *l, struct guard *g, unsigned max, unsigned host_max);
void pool_free(struct pool *p); /* closes all */

/* The place of a key; a reference, to be given back. */
struct pool_host *pool_host_get(struct pool *p, const struct pool_key *key);
void pool_host_put(struct pool *p, struct pool_host *h);

/* Closes all that wait there, and gives the reference back. */
void pool_host_close(struct pool *p, struct pool_host *h);

/* The most recently used idle connection that the guard still passes, or
 * NULL. It is the caller's; its stream still wakes the entry's task until
 * stream_set_task(). */
struct pool_entry *pool_take(
    struct pool *p, struct pool_host *h, const struct guard_policy *policy);

/* Takes an idle connection for at most `idle_timeout` seconds. When there are
 * too many of one key, its longest idle one goes; when there are too many in
 * all, the longest idle one of the sandbox that has the most. */
void pool_put(struct pool *p, struct pool_host *h, struct pool_entry *e,
    double idle_timeout);

/* Closes up to `n` of those that are idle, of the sandbox that has the most
 * the longest idle first; how many there were. For a worker out of
 * descriptors. */
unsigned pool_shed(struct pool *p, unsigned n);

unsigned pool_idle(const struct pool *p); /* how many wait */
