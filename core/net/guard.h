#pragma once

/*
 * Which addresses may be dialled (SPEC 9). Everything that is not the public
 * Internet is refused unless a policy opens it, and so is what is this host's,
 * a sandbox's or a cloud's own, wherever it lies; weir's own listeners are
 * never opened. An IPv6 address is judged by each IPv4 address that it may
 * lead to as well. Asked for the address, after the name was resolved, and
 * again when a kept connection is used again.
 */

#include "base/addr.h"
#include "net/loop.h"

struct guard;

/* Ranges of an `allow` or `deny` of the block that serves a request. */
struct guard_rule {
    const struct cidr *items;
    unsigned n;
    bool is_allow;
};

/* What a scope of the configuration opens and closes; borrowed. */
struct guard_policy {
    const struct cidr *allow; /* allow_address */
    unsigned n_allow;
    bool is_own_service;   /* proxy_pass: the operator named it, so only `deny`
                              and weir's own listeners are refused */
    bool is_loopback_only; /* what goes there may not leave this host */
    struct {
        const struct cidr *items;
        unsigned n;
    } deny[2]; /* the ranges of denied_hosts: the class's, the sandbox's */
    const struct guard_rule *rules; /* in order; the first that holds an address
                                       says whether it is denied; what an
                                       `allow` holds is still to be judged by
                                       all the rest */
    unsigned n_rules;
};

/* Reads this host's own addresses and follows them by netlink. NULL after a
 * log line: without that list nothing may be dialled. */
struct guard *guard_new(struct loop *l);
void guard_free(struct guard *g);

/* A listening socket of weir's; the wildcard address means all of this host's
 * at that port. */
void guard_add_listener(struct guard *g, const struct addr *a);

/* Who knows which addresses are registered as sandboxes'; borrowed. Without
 * it none is. */
struct guard_sandboxes {
    bool (*has)(const void *arg, const struct addr *a);
    const void *arg;
};
void guard_set_sandboxes(struct guard *g, const struct guard_sandboxes *s);

/* `*why` where a list or a rule of the configuration says so; else it is a kind
 * of address. */
#define GUARD_DENIED_HOSTS "denied_hosts"
#define GUARD_DENY "deny"

/* False with a static `*why`. `a` carries the port to be dialled. */
must_check bool guard_allows(const struct guard *g, const struct addr *a,
    const struct guard_policy *p, const char **why);

/* 127.0.0.0/8 and ::1. */
bool guard_is_loopback(const struct addr *a);
