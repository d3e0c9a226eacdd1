/*
 * The address guard: a table of ranges from IANA's special-purpose registries
 * (RFC 6890 and its updates), this host's own addresses (locals.c) and those of
 * sandboxes. Called by dial.c and pool.c. It never resolves a name.
 */

#include "net/guard.h"

#include "base/mem.h"
#include "net/locals.h"

/* This range is opened only by an entry of the configuration that is a single
 * address. */
#define EXACT true

struct range {
    const char *cidr, *why;
    bool is_exact;
};

#define METADATA "metadata service"

/* An address is refused with the `why` of the first range that holds it and is
 * not opened. */
static const struct range ranges[] = {
    /* Services that give the machine's own credentials, or the data that it was
     * started with, to whoever asks from that machine. Most stand inside a
     * range that somebody may open for another reason; some stand in no other
     * range. Names such as metadata.google.internal lead to them. The clouds'
     * own documents say where they are: */

    /* AWS, "Use IMDS" and most clouds after it: Google, "VM metadata"; Azure,
     * "Instance Metadata Service"; Oracle, "Instance Metadata"; IBM, "VPC
     * Instance Metadata"; DigitalOcean, Hetzner, Huawei, OpenStack, ... */
    { "169.254.169.254/32", METADATA, EXACT },
    { "fd00:ec2::254/128", METADATA, EXACT },
    { "fe80::a9fe:a9fe/128", METADATA, EXACT }, /* OpenStack Nova; Akamai */

    /* AWS, "Amazon ECS task metadata" and "EKS Pod Identity" */
    { "169.254.170.2/32", METADATA, EXACT },
    { "169.254.170.23/32", METADATA, EXACT },
    { "fd00:ec2::23/128", METADATA, EXACT },

    /* Google, "VM metadata" (IPv6); "About the GKE metadata server" */
    { "fd20:ce::254/128", METADATA, EXACT },
    { "169.254.169.252/32", METADATA, EXACT },

    /* Azure, "What is IP address 168.63.129.16?" */
    { "168.63.129.16/32", METADATA, EXACT },

    /* Oracle, "Getting Instance Metadata" (IPv6); "Oracle Cloud
     * Infrastructure Classic: Retrieving Instance Metadata" */
    { "fd00:c1::a9fe:a9fe/128", METADATA, EXACT },
    { "192.0.0.192/32", METADATA, EXACT },

    /* Alibaba Cloud, "Instance metadata" */
    { "100.100.100.200/32", METADATA, EXACT },
    { "fd00:100::100:200/128", METADATA, EXACT },

    /* Tencent Cloud, "Querying Instance Metadata": metadata.tencentyun.com */
    { "169.254.0.23/32", METADATA, EXACT },
    { "169.254.10.10/32", METADATA, EXACT },

    /* Akamai (Linode), "Metadata Service API" */
    { "fd00:a9fe:a9fe::1/128", METADATA, EXACT },

    /* Scaleway, "Instance metadata"; cloud-init, "Scaleway" */
    { "169.254.42.42/32", METADATA, EXACT },
    { "fd00:42::42/128", METADATA, EXACT },

    /* Volcengine, "Instance metadata"; UCloud, "Metadata server" */
    { "100.96.0.96/32", METADATA, EXACT },
    { "100.80.80.80/32", METADATA, EXACT },

    /* IANA's special-purpose registries, and what is around them */
    { "0.0.0.0/32", "this host", EXACT }, /* Linux dials loopback */
    { "0.0.0.0/8", "this network", false },
    { "10.0.0.0/8", "private", false },
    { "100.64.0.0/10", "carrier-grade NAT", false },
    { "127.0.0.0/8", "loopback", EXACT },
    { "169.254.0.0/16", "link-local", false },
    { "172.16.0.0/12", "private", false },
    { "192.0.0.0/24", "IETF protocol assignments", false },
    { "192.0.2.0/24", "documentation", false },
    { "192.31.196.0/24", "AS112", false },
    { "192.52.193.0/24", "AMT", false },
    { "192.88.99.0/24", "6to4 relay", false },
    { "192.168.0.0/16", "private", false },
    { "192.175.48.0/24", "AS112", false },
    { "198.18.0.0/15", "benchmarking", false },
    { "198.51.100.0/24", "documentation", false },
    { "203.0.113.0/24", "documentation", false },
    { "224.0.0.0/4", "multicast", false },
    { "240.0.0.0/4", "reserved", false },
    { "::/128", "this host", EXACT },
    { "::1/128", "loopback", EXACT },
    { "::/96", "IPv4-compatible", false },
    { "64:ff9b::/96", "NAT64", false },
    { "64:ff9b:1::/48", "NAT64", false },
    { "100::/64", "discard", false },
    { "100:0:0:1::/64", "dummy", false },
    { "2001::/23", "IETF protocol assignments", false },
    { "2001:db8::/32", "documentation", false },
    { "2002::/16", "6to4", false },
    { "2620:4f:8000::/48", "AS112", false },
    { "3fff::/20", "documentation", false },
    { "5f00::/16", "segment routing", false },
    { "fc00::/7", "private", false },
    { "fe80::/10", "link-local", false },
    { "fec0::/10", "site-local", false },
    { "ff00::/8", "multicast", false },
    { "::/3", "reserved", false }, /* all but 2000::/3: RFC 4291 2.4 */
    { "4000::/2", "reserved", false },
    { "8000::/1", "reserved", false },
};

static const struct cidr loopback4 = { { 4, 0, { 127 } }, 8 };
static const struct cidr loopback6 = { { 6, 0, { [15] = 1 } }, 128 };

_Static_assert(LEN(ranges) <= 64, "a bit for each range");

struct guard {
    struct locals *locals;
    struct cidr ranges[LEN(ranges)];
    /* By family (IPv6: 1) and by an address's first byte: a bit for each range
     * that may hold it. Most addresses are compared with none or few. */
    uint64_t by_byte[2][256];
    struct addr *listeners;
    unsigned n_listeners;
    struct guard_sandboxes sandboxes;
};

/* Enters range i under each first byte that its addresses have. */
static void
range_enter(struct guard *g, size_t i)
{
    const struct cidr *c = &g->ranges[i];
    unsigned free_bits = c->bits < 8 ? 8u - c->bits : 0;
    unsigned first = c->addr.ip[0];
    AZ(first & ((1u << free_bits) - 1));
    for (unsigned b = first; b < first + (1u << free_bits); b++) {
        g->by_byte[c->addr.family == 6][b] |= UINT64_C(1) << i;
    }
}

struct guard *
guard_new(struct loop *l)
{
    struct locals *locals = locals_new(l);
    if (locals == NULL) {
        return NULL;
    }
    struct guard *g = xcalloc(sizeof *g);
    g->locals = locals;
    for (size_t i = 0; i < LEN(ranges); i++) {
        AN(cidr_parse(str_of(ranges[i].cidr), &g->ranges[i]));
        range_enter(g, i);
    }
    return g;
}

void
guard_free(struct guard *g)
{
    locals_free(g->locals);
    xfree(g->listeners);
    xfree(g);
}

void
guard_add_listener(struct guard *g, const struct addr *a)
{
    g->listeners = xgrow(g->listeners, g->n_listeners, sizeof *g->listeners);
    g->listeners[g->n_listeners++] = *a;
}

void
guard_set_sandboxes(struct guard *g, const struct guard_sandboxes *s)
{
    g->sandboxes = *s;
}

static bool
is_sandbox(const struct guard *g, const struct addr *a)
{
    return g->sandboxes.has != NULL && g->sandboxes.has(g->sandboxes.arg, a);
}

static bool
is_any(const struct addr *a)
{
    static const uint8_t zero[16];
    return memcmp(a->ip, zero, sizeof zero) == 0;
}

bool
guard_is_loopback(const struct addr *a)
{
    return cidr_contains(&loopback4, a) || cidr_contains(&loopback6, a);
}

static bool
is_local(const struct guard *g, const struct addr *a)
{
    return guard_is_loopback(a) || is_any(a) || locals_reaches(g->locals, a);
}

/* A dial to the wildcard address (0.0.0.0, ::) goes to loopback. */
static bool
is_listener(const struct guard *g, const struct addr *a)
{
    for (unsigned i = 0; i < g->n_listeners; i++) {
        const struct addr *l = &g->listeners[i];
        bool is_same =
            is_any(l) ? is_local(g, a) : addr_eq_ip(l, a) || is_any(a);
        if (l->port == a->port && is_same) {
            return true;
        }
    }
    return false;
}

/* Whether `allow` opens the address; with `is_exact` only a single address
 * does. */
static bool
is_opened(const struct guard_policy *p, const struct addr *a, bool is_exact)
{
    for (unsigned i = 0; i < p->n_allow; i++) {
        const struct cidr *c = &p->allow[i];
        bool is_single = c->bits == (c->addr.family == 4 ? 32 : 128);
        if (cidr_contains(c, a) && (is_single || !is_exact)) {
            return true;
        }
    }
    return false;
}

static bool
is_denied(const struct guard_policy *p, const struct addr *a)
{
    for (size_t k = 0; k < LEN(p->deny); k++) {
        for (unsigned i = 0; i < p->deny[k].n; i++) {
            if (cidr_contains(&p->deny[k].items[i], a)) {
                return true;
            }
        }
    }
    return false;
}

static bool
is_denied_by_rule(const struct guard_policy *p, const struct addr *a)
{
    for (unsigned i = 0; i < p->n_rules; i++) {
        const struct guard_rule *r = &p->rules[i];
        for (unsigned k = 0; k < r->n; k++) {
            if (cidr_contains(&r->items[k], a)) {
                return !r->is_allow;
            }
        }
    }
    return false;
}

static bool
check_ip(const struct guard *g, const struct addr *a,
    const struct guard_policy *p, const char **why)
{
    if (is_denied(p, a)) {
        *why = GUARD_DENIED_HOSTS;
        return false;
    }
    if (is_denied_by_rule(p, a)) {
        *why = GUARD_DENY;
        return false;
    }
    if (p->is_own_service) {
        return true;
    }
    if (locals_has(g->locals, a) && !is_opened(p, a, EXACT)) {
        *why = "this host";
        return false;
    }
    if (is_sandbox(g, a) && !is_opened(p, a, EXACT)) {
        *why = "a sandbox's";
        return false;
    }
    uint64_t left = g->by_byte[a->family == 6][a->ip[0]];
    for (; left != 0; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        if (cidr_contains(&g->ranges[i], a) &&
            !is_opened(p, a, ranges[i].is_exact)) {
            *why = ranges[i].why;
            return false;
        }
    }
    return true;
}

/* All checks above, for one address at one port. */
static bool
check_one(const struct guard *g, const struct addr *a,
    const struct guard_policy *p, const char **why)
{
    if (is_listener(g, a)) {
        *why = "weir's own listener";
        return false;
    }
    return check_ip(g, a, p, why);
}

bool
guard_allows(const struct guard *g, const struct addr *a,
    const struct guard_policy *p, const char **why)
{
    struct addr_carried carried;
    if (a->family == ADDR_UNIX) {
        *why = "a unix socket";
        return p->is_own_service;
    }
    if (p->is_loopback_only && !guard_is_loopback(a)) {
        *why = "a secret would leave this host without TLS";
        return false;
    }
    addr_carries(a, &carried);
    bool is_allowed = check_one(g, a, p, why);
    for (unsigned i = 0; i < carried.n && is_allowed; i++) {
        carried.items[i].port = a->port;
        is_allowed = check_one(g, &carried.items[i], p, why);
    }
    return is_allowed;
}
