#pragma once

/*
 * Where a request goes: what is resolved, verified and dialled, and what the
 * address guard lets pass. By itself it is the host that the client asked for;
 * a module may send it elsewhere (proxy_pass). Pure: for the exchange, and for
 * weir -E, which tells of it.
 */

#include "base/addr.h"
#include "http/url.h"
#include "net/guard.h"

struct decision;
struct proxy_conf;

#define ROUTE_UNIX_MAX 107 /* bytes of a unix socket's path: sockaddr_un */

struct route {
    struct str host;  /* resolved, verified and sent as SNI; or the path of a
                         unix socket */
    struct addr addr; /* family 0: by name; ADDR_UNIX: a unix socket */
    uint16_t port;
    bool is_tls;
    bool is_own_service; /* the operator named it, not the client */
    struct str path;     /* as it is sent, without the query */
};

/* To where the client wants. */
void route_init(
    struct route *r, const struct authority *au, bool is_tls, struct str path);

/* Whether a secret may go on the connection that the route leads to: over
 * verified TLS, or to a service of the operator's on this host. `peer` is where
 * it was dialled; NULL: nowhere yet, and then a service that has a name may
 * be on this host. */
bool route_is_safe(const struct route *r, const struct addr *peer);

/* A secret goes with the request: over verified TLS, or it stays on this host
 * (SPEC 7). Plain port 80 becomes https on 443. False: it may not go. */
must_check bool route_secure(struct route *r, const struct proxy_conf *pc);

/* What the guard is asked with; borrows from `pc` and `d`. */
struct guard_policy route_guard(const struct route *r, bool has_secret,
    const struct proxy_conf *pc, const struct decision *d);

/* "https://host:port", "http://unix:/path"; in `a`. */
struct str route_format(const struct route *r, struct arena *a);
