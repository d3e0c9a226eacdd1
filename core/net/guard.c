/*
 * The address guard: a table of ranges from IANA's special-purpose registries
 * (RFC 6890 and its updates), and this host's own addresses, kept up to date
 * by netlink. Asked by dial.c and pool.c; it never resolves a name.
 */

#include "net/guard.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

/* A range that only an entry of a single address opens. */
#define EXACT true

struct range {
    const char *cidr, *why;
    bool is_exact;
};

#define METADATA "metadata service"

/* The first that holds an address and is not opened says why. */
static const struct range ranges[] = {
    /* Services that give the machine's own credentials, or what it was started
     * with, to whoever asks from it. Each stands inside a range that somebody
     * opens for something else, or in none. Names such as
     * metadata.google.internal lead to them. Where they are, by the clouds'
     * own documents: */

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

/* An address of this host. The same one may be there twice, on two links or
 * by two prefixes, and moves from one to the other so. */
struct own {
    struct addr addr;
    unsigned link, prefix;
};

struct guard {
    struct loop *loop;
    struct watch netlink;
    int fd;
    struct cidr ranges[LEN(ranges)];
    struct own *own;
    unsigned n_own;
    struct addr *listeners;
    unsigned n_listeners;
    struct guard_sandboxes sandboxes;
};

static struct own *
own_find(const struct guard *g, const struct own *o)
{
    for (unsigned i = 0; i < g->n_own; i++) {
        if (g->own[i].link == o->link && g->own[i].prefix == o->prefix &&
            addr_eq_ip(&g->own[i].addr, &o->addr)) {
            return &g->own[i];
        }
    }
    return NULL;
}

static void
own_add(struct guard *g, const struct own *o)
{
    if (own_find(g, o) == NULL) {
        g->own = xgrow(g->own, g->n_own, sizeof *g->own);
        g->own[g->n_own++] = *o;
    }
}

static void
own_del(struct guard *g, const struct own *o)
{
    struct own *found = own_find(g, o);
    if (found != NULL) {
        *found = g->own[--g->n_own];
    }
}

/* IFA_LOCAL is the address itself where the link is point to point. */
static bool
message_own(struct nlmsghdr *m, struct own *out)
{
    struct ifaddrmsg *ifa = NLMSG_DATA(m);
    long left = (long)IFA_PAYLOAD(m);
    struct rtattr *attr = IFA_RTA(ifa);
    size_t size = ifa->ifa_family == AF_INET ? 4 : 16;
    bool is_found = false;
    *out = (struct own){ .link = ifa->ifa_index, .prefix = ifa->ifa_prefixlen };
    for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
        bool is_addr = attr->rta_type == IFA_LOCAL ||
                       (attr->rta_type == IFA_ADDRESS && !is_found);
        if (is_addr && RTA_PAYLOAD(attr) == size) {
            out->addr.family = size == 4 ? 4 : 6;
            memcpy(out->addr.ip, RTA_DATA(attr), size);
            is_found = true;
        }
    }
    return is_found;
}

enum dump { DUMP_MORE, DUMP_DONE, DUMP_FAILED };

/* All messages of one datagram, and what they say of the dump. */
static enum dump
netlink_apply(struct guard *g, char *buf, ssize_t size)
{
    size_t left = (size_t)size;
    struct nlmsghdr *m = (struct nlmsghdr *)buf;
    for (; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
        struct own o;
        if (m->nlmsg_type == NLMSG_DONE) {
            return DUMP_DONE;
        }
        if (m->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *e = NLMSG_DATA(m);
            errno = -e->error;
            return DUMP_FAILED;
        }
        if (m->nlmsg_type == RTM_NEWADDR && message_own(m, &o)) {
            own_add(g, &o);
        } else if (m->nlmsg_type == RTM_DELADDR && message_own(m, &o)) {
            own_del(g, &o);
        }
    }
    return DUMP_MORE;
}

static bool
netlink_ask(int fd)
{
    struct {
        struct nlmsghdr head;
        struct ifaddrmsg body;
    } ask = { .head = { .nlmsg_len = sizeof ask,
                  .nlmsg_type = RTM_GETADDR,
                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
        .body = { .ifa_family = AF_UNSPEC } };
    return send(fd, &ask, sizeof ask, 0) == (ssize_t)sizeof ask;
}

static void
on_netlink(struct watch *w, int events)
{
    struct guard *g = container_of(w, struct guard, netlink);
    _Alignas(struct nlmsghdr) char buf[16384];
    (void)events;
    ssize_t n = recv(g->fd, buf, sizeof buf, MSG_DONTWAIT);
    while (n > 0) {
        netlink_apply(g, buf, n);
        n = recv(g->fd, buf, sizeof buf, MSG_DONTWAIT);
    }
    if (n < 0 && errno == ENOBUFS && !netlink_ask(g->fd)) {
        log_errno(LOG_ALERT, errno, "netlink: addresses may be out of date");
    }
}

static bool
netlink_open(struct guard *g)
{
    struct sockaddr_nl sa = { .nl_family = AF_NETLINK,
        .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };
    _Alignas(struct nlmsghdr) char buf[16384];
    g->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (g->fd < 0 || bind(g->fd, (struct sockaddr *)&sa, sizeof sa) != 0 ||
        !netlink_ask(g->fd)) {
        return false;
    }
    enum dump dump = DUMP_MORE;
    while (dump == DUMP_MORE) {
        ssize_t n = recv(g->fd, buf, sizeof buf, 0);
        if (n <= 0) {
            return false;
        }
        dump = netlink_apply(g, buf, n);
    }
    return dump == DUMP_DONE;
}

struct guard *
guard_new(struct loop *l)
{
    struct guard *g = xcalloc(sizeof *g);
    g->loop = l;
    for (size_t i = 0; i < LEN(ranges); i++) {
        AN(cidr_parse(str_of(ranges[i].cidr), &g->ranges[i]));
    }
    if (!netlink_open(g)) {
        log_errno(LOG_EMERG, errno, "cannot read this host's addresses");
        if (g->fd >= 0) {
            close(g->fd);
        }
        xfree(g->own);
        xfree(g);
        return NULL;
    }
    watch_init(&g->netlink, l, g->fd, on_netlink);
    watch_set(&g->netlink, WATCH_READ);
    return g;
}

void
guard_free(struct guard *g)
{
    watch_set(&g->netlink, 0);
    close(g->fd);
    xfree(g->own);
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
is_own(const struct guard *g, const struct addr *a)
{
    for (unsigned i = 0; i < g->n_own; i++) {
        if (addr_eq_ip(&g->own[i].addr, a)) {
            return true;
        }
    }
    return false;
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
    return guard_is_loopback(a) || is_any(a) || is_own(g, a);
}

/* A dial to the wildcard address goes to loopback, whatever listens there. */
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

/* Whether `allow` opens it; where `is_exact`, by a single address alone. */
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

/* The address itself, and the IPv4 address that it carries. */
static bool
check_ip(const struct guard *g, const struct addr *a,
    const struct guard_policy *p, const char **why)
{
    if (is_denied(p, a)) {
        *why = "denied_hosts";
        return false;
    }
    if (p->is_own_service) {
        return true;
    }
    if (is_own(g, a) && !is_opened(p, a, EXACT)) {
        *why = "this host";
        return false;
    }
    if (is_sandbox(g, a) && !is_opened(p, a, EXACT)) {
        *why = "a sandbox's";
        return false;
    }
    for (size_t i = 0; i < LEN(ranges); i++) {
        if (cidr_contains(&g->ranges[i], a) &&
            !is_opened(p, a, ranges[i].is_exact)) {
            *why = ranges[i].why;
            return false;
        }
    }
    return true;
}

bool
guard_allows(const struct guard *g, const struct addr *a,
    const struct guard_policy *p, const char **why)
{
    struct addr inner;
    if (a->family == ADDR_UNIX) {
        *why = "a unix socket";
        return p->is_own_service;
    }
    if (p->is_loopback_only && !guard_is_loopback(a)) {
        *why = "a secret would leave this host without TLS";
        return false;
    }
    bool carries = addr_embedded_ipv4(a, &inner);
    inner.port = a->port;
    if (is_listener(g, a) || (carries && is_listener(g, &inner))) {
        *why = "weir's own listener";
        return false;
    }
    return check_ip(g, a, p, why) && (!carries || check_ip(g, &inner, p, why));
}
