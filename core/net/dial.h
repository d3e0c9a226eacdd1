#pragma once

/*
 * A dial leads from a name to a connected stream: dns.c finds the addresses,
 * guard.c judges each, race.c connects to one (RFC 8305), tls.c shakes hands.
 * Only an address that the guard passed is dialled. A dial is a task of its
 * own; who started it is woken when there is a result.
 */

#include "net/dns.h"
#include "net/guard.h"
#include "net/stream.h"

struct tls_client;

/* An HTTP proxy through which the origin is reached (SPEC 9). Lent until the
 * dial has ended. */
struct dial_proxy {
    struct str text; /* "host:port", for messages */
    struct str name; /* to be resolved; n 0: use `addr` */
    struct addr addr;
    uint16_t port;
    struct tls_client *tls; /* NULL: plain */
    bool is_by_name; /* true: the proxy gets the origin's name, and weir does
                        not resolve it; false: it gets an address of the origin
                        that the guard passed */
    struct str credential; /* the value of Proxy-Authorization; n 0: none */
};

struct dial_args {
    struct loop *loop;
    struct dns *dns;
    struct guard *guard;
    struct guard_policy policy; /* borrowed until the dial has ended */
    struct str name;  /* to be resolved, or the path of a unix socket; copied.
                         Not used with an address */
    struct addr addr; /* family not 0: dial this address, resolve nothing.
                         ADDR_UNIX: `name` is a path */
    uint16_t port;
    struct tls_client *tls;         /* NULL: plain */
    uint64_t serial;                /* of the sandbox */
    const struct dial_proxy *proxy; /* NULL: none. Never with ADDR_UNIX */
    bool is_discreet; /* the sandbox must not learn whether the name exists */
    double timeout;   /* in seconds, for DNS, connect and TLS together */
};

enum dial_error {
    DIAL_OK,
    DIAL_NO_NAME, /* the name does not exist, or has no address */
    DIAL_DNS,
    DIAL_DNS_TIMEOUT,
    DIAL_PROXY,  /* the upstream proxy cannot be reached, or refused */
    DIAL_DENIED, /* the guard passed none of the addresses */
    DIAL_REFUSED,
    DIAL_UNREACHABLE,
    DIAL_TIMEOUT,
    DIAL_UNTRUSTED, /* the certificate was not accepted */
    DIAL_TLS,
    DIAL_OWN /* this machine lacks something: memory, descriptors, room */
};

struct dial_result {
    enum dial_error error;
    const char *proxy_error; /* RFC 9209 2.3's type; NULL on success */
    char text[256];          /* for the log */
    const char *why;  /* DIAL_DENIED: what the guard says of the last address */
    struct addr addr; /* dialled last, with its port: the origin's, or that of
                         the proxy which got the name */
    bool is_exhausted; /* DIAL_OWN, as there is no descriptor or no memory */
};

struct dial;

/* In seconds. A discreet dial must not show whether a name exists or was
 * denied: neither by an answer from the cache nor by a quick one. So before it
 * ends in DIAL_NO_NAME or DIAL_DENIED it has asked the name servers once
 * itself, and it never ends so sooner than this. */
#define DIAL_DISCREET 0.1

/* `waiter` gets task_wake() once there is a result. */
struct dial *dial_start(const struct dial_args *args, struct task *waiter);

/* NULL: not yet. Lent until dial_free(). */
const struct dial_result *dial_result(const struct dial *d);

/* The stream. To be taken once, after DIAL_OK; it wakes `task` from now on. */
struct stream *dial_take(struct dial *d, struct task *task);

/* May be called at any time. Closes what is open. */
void dial_free(struct dial *d);
