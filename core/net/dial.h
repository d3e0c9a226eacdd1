#pragma once

/*
 * From a name to a connected stream: dns, guard, tcp by RFC 8305, tls. A task
 * of its own; whoever started it is woken when there is a result. The address
 * that the guard passed is the one that is dialled.
 */

#include "net/dns.h"
#include "net/guard.h"
#include "net/stream.h"

struct tls_client;

/* An HTTP proxy that leads to the origin, where one does (SPEC 9). Lent until
 * the dial has ended. */
struct dial_proxy {
    struct str text; /* "host:port", for messages */
    struct str name; /* to resolve; n 0: `addr` */
    struct addr addr;
    uint16_t port;
    struct tls_client *tls; /* NULL: plain */
    bool is_by_name; /* it gets the origin's name, which weir does not resolve;
                        else an address that the guard has passed */
    struct str credential; /* value of Proxy-Authorization; n 0: none */
};

struct dial_args {
    struct loop *loop;
    struct dns *dns;
    struct guard *guard;
    struct guard_policy policy; /* borrowed until the dial has ended */
    struct str name;  /* to resolve, or the path of a unix socket; copied. Not
                         for an address */
    struct addr addr; /* family not 0: dial this, no name. ADDR_UNIX */
    uint16_t port;
    struct tls_client *tls;         /* NULL: plain */
    uint64_t serial;                /* of the sandbox */
    const struct dial_proxy *proxy; /* NULL: directly. Never with ADDR_UNIX */
    bool is_discreet; /* whether the name is there is not to be told */
    double timeout;   /* of all: DNS, connect, TLS; seconds */
};

enum dial_error {
    DIAL_OK,
    DIAL_NO_NAME, /* it does not exist, or has no address */
    DIAL_DNS,
    DIAL_DNS_TIMEOUT,
    DIAL_PROXY,  /* the proxy is not there, or would not */
    DIAL_DENIED, /* the guard passed none of the addresses */
    DIAL_REFUSED,
    DIAL_UNREACHABLE,
    DIAL_TIMEOUT,
    DIAL_UNTRUSTED, /* the certificate */
    DIAL_TLS,
    DIAL_OWN /* this machine is out of something */
};

struct dial_result {
    enum dial_error error;
    const char *proxy_error; /* RFC 9209 2.3's type; NULL on success */
    char text[256];          /* for the log */
    const char *why;         /* DIAL_DENIED: the guard's, of the last one */
    struct addr addr;        /* dialled last, with its port: the origin's, or
                                the proxy's that has its name */
    bool is_exhausted;       /* DIAL_OWN for want of a descriptor or memory */
};

struct dial;

/* A discreet dial ends in DIAL_NO_NAME and DIAL_DENIED after the same work, and
 * not before this many seconds: the servers were asked for it once, whatever
 * is kept of the name, and answers that come sooner than this take as long. */
#define DIAL_DISCREET 0.1

/* `waiter` gets task_wake() once there is a result. */
struct dial *dial_start(const struct dial_args *args, struct task *waiter);

/* NULL: not yet. Lent until dial_free(). */
const struct dial_result *dial_result(const struct dial *d);

/* The stream, once, after DIAL_OK; it wakes `task` from now on. */
struct stream *dial_take(struct dial *d, struct task *task);

/* At any time; closes what is open. */
void dial_free(struct dial *d);
