#pragma once

/*
 * The address guard says which addresses may be dialled (SPEC 9). It refuses
 * what is not the public Internet, and what belongs to this host, to a sandbox
 * or to a cloud's own services, unless a policy opens it. weir's own listeners
 * are never opened. An IPv6 address that may lead to an IPv4 address is judged
 * by that one, too. The guard is asked after a name was resolved, and again
 * before a kept connection is used again.
 */

#include "base/addr.h"
#include "net/loop.h"

struct guard;

/* The ranges of one `allow` or `deny` in the block that serves a request. */
struct guard_rule {
    const struct cidr *items;
    unsigned n;
    bool is_allow;
};

/* What the configuration opens and closes for one request; borrowed. */
struct guard_policy {
    const struct cidr *allow; /* allow_address */
    unsigned n_allow;
    bool is_own_service;   /* proxy_pass: the operator named the origin, so only
                              `deny` and weir's own listeners are refused */
    bool is_loopback_only; /* only loopback addresses pass: the data must not
                              leave this host */
    struct {
        const struct cidr *items;
        unsigned n;
    } deny[2]; /* the ranges of denied_hosts: of the class and of the sandbox */
    /* In order. The first that holds the address decides: `deny` refuses it,
     * after `allow` all other checks follow. */
    const struct guard_rule *rules;
    unsigned n_rules;
};

/* Reads this host's own addresses and follows them by netlink. NULL after a
 * log line: without that list nothing may be dialled. */
struct guard *guard_new(struct loop *l);
void guard_free(struct guard *g);

/* Adds a listening socket of weir. The wildcard address stands for all
 * addresses of this host at that port. */
void guard_add_listener(struct guard *g, const struct addr *a);

/* Tells which addresses are registered for sandboxes; borrowed. Without it,
 * none is. */
struct guard_sandboxes {
    bool (*has)(const void *arg, const struct addr *a);
    const void *arg;
};
void guard_set_sandboxes(struct guard *g, const struct guard_sandboxes *s);

/* `*why` of an address that the configuration refuses. Any other `*why` is the
 * kind of address. */
#define GUARD_DENIED_HOSTS "denied_hosts"
#define GUARD_DENY "deny"

/* False: refused, with a static `*why`. `a` carries the port to be dialled. */
must_check bool guard_allows(const struct guard *g, const struct addr *a,
    const struct guard_policy *p, const char **why);

/* 127.0.0.0/8 and ::1. */
bool guard_is_loopback(const struct addr *a);
