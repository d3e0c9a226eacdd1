/*
 * One netlink socket, for reports of the kernel and for the answers to weir's
 * questions. A new address is added when it is reported. One that is reported
 * as removed is not taken out at once: the same address may also be on another
 * link or in a route, and IPv4 routes of a link that goes down end without a
 * report. So whenever something may have been removed, everything is read anew,
 * and the old list is in use until then.
 *
 * A reading (struct locals: step) is three dumps, one after another: the links'
 * addresses, the table `local` of IPv4, that of IPv6. What is reported during a
 * reading goes into both lists. A reading that failed, or that the kernel calls
 * disturbed, is repeated.
 */

#include "net/locals.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define LOCALS_MAGIC 0x10ca1510u

/* In seconds: from a report to the reading, so that a burst of reports makes
 * one. */
#define SETTLE 0.05
#define RETRY 1.0
#define FIRST_TRIES 8

enum {
    GROUPS = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
             RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE
};

enum reading { READ_ADDRS, READ_ROUTES4, READ_ROUTES6, READ_DONE };

struct cidrs {
    struct cidr *items;
    unsigned n;
};

struct locals {
    unsigned magic;
    struct watch watch;
    struct timer timer; /* until the next reading */
    int fd;
    uint32_t port, seq;
    struct cidrs now, next; /* `next` is what the reading has found so far */
    enum reading step;
    bool is_disturbed; /* the reading must be repeated */
    bool has_failed;   /* the last reading failed; the old list stays in use */
};

static void
cidrs_add(struct cidrs *l, const struct cidr *c)
{
    l->items = xgrow(l->items, l->n, sizeof *l->items);
    l->items[l->n++] = *c;
}

static void
cidrs_fini(struct cidrs *l)
{
    xfree(l->items);
    *l = (struct cidrs){ 0 };
}

static int
cidr_order(const void *a, const void *b)
{
    const struct cidr *x = a, *y = b;
    int d = x->addr.family - y->addr.family;
    d = d != 0 ? d : x->bits - y->bits;
    return d != 0 ? d : memcmp(x->addr.ip, y->addr.ip, sizeof x->addr.ip);
}

/* Takes out doubles: an address of a link has a route as well. */
static void
cidrs_unique(struct cidrs *l)
{
    unsigned n = 0;
    if (l->n == 0) {
        return;
    }
    qsort(l->items, l->n, sizeof *l->items, cidr_order);
    for (unsigned i = 1; i < l->n; i++) {
        if (cidr_order(&l->items[i], &l->items[n]) != 0) {
            l->items[++n] = l->items[i];
        }
    }
    l->n = n + 1;
}

/* Whether the list has this very range. */
static bool
cidrs_lists(const struct cidrs *l, const struct cidr *c)
{
    unsigned i = 0;
    while (i < l->n && cidr_order(&l->items[i], c) != 0) {
        i++;
    }
    return i < l->n;
}

/* Whether a range of at least `min_bits` holds the address. */
static bool
cidrs_has(const struct cidrs *l, const struct addr *a, unsigned min_bits)
{
    for (unsigned i = 0; i < l->n; i++) {
        if (l->items[i].bits >= min_bits && cidr_contains(&l->items[i], a)) {
            return true;
        }
    }
    return false;
}

static bool
cidr_read(struct cidr *out, unsigned family, const void *ip, unsigned bits)
{
    *out = (struct cidr){ .bits = (uint8_t)bits };
    if (family != AF_INET && family != AF_INET6) {
        return false;
    }
    out->addr.family = family == AF_INET ? 4 : 6;
    if (ip != NULL) {
        memcpy(out->addr.ip, ip, family == AF_INET ? 4 : 16);
    }
    return true;
}

static const void *
attr_ip(const struct rtattr *attr, unsigned family)
{
    size_t size = family == AF_INET ? 4 : 16;
    return RTA_PAYLOAD(attr) == size ? RTA_DATA(attr) : NULL;
}

/* On a point-to-point link IFA_ADDRESS is the other end; IFA_LOCAL is ours. */
static bool
read_address(const struct nlmsghdr *m, struct cidr *out)
{
    const struct ifaddrmsg *ifa = NLMSG_DATA(m);
    long left = (long)IFA_PAYLOAD(m);
    const struct rtattr *attr = IFA_RTA(ifa);
    const void *ip = NULL;
    for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
        if (attr->rta_type == IFA_LOCAL ||
            (attr->rta_type == IFA_ADDRESS && ip == NULL)) {
            ip = attr_ip(attr, ifa->ifa_family);
        }
    }
    return ip != NULL && cidr_read(out, ifa->ifa_family, ip,
                             ifa->ifa_family == AF_INET ? 32 : 128);
}

/* A route of the table `local`; other tables and other types are not read. Nor
 * is the kernel's own route for 127.0.0.0/8: it says nothing new. */
static bool
read_route(const struct nlmsghdr *m, struct cidr *out)
{
    const struct rtmsg *r = NLMSG_DATA(m);
    long left = (long)RTM_PAYLOAD(m);
    const struct rtattr *attr = RTM_RTA(r);
    const void *ip = NULL;
    if (r->rtm_table != RT_TABLE_LOCAL ||
        (r->rtm_type != RTN_LOCAL && r->rtm_type != RTN_ANYCAST)) {
        return false;
    }
    for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
        if (attr->rta_type == RTA_DST) {
            ip = attr_ip(attr, r->rtm_family);
        }
    }
    bool is_loopback = r->rtm_family == AF_INET && r->rtm_dst_len < 32 &&
                       ip != NULL && *(const uint8_t *)ip == IN_LOOPBACKNET;
    return (ip != NULL || r->rtm_dst_len == 0) && !is_loopback &&
           cidr_read(out, r->rtm_family, ip, r->rtm_dst_len);
}

/* False: the message says nothing of an address of this host. */
static bool
read_own(const struct nlmsghdr *m, struct cidr *out)
{
    switch (m->nlmsg_type) {
    case RTM_NEWADDR:
    case RTM_DELADDR:
        return read_address(m, out);
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        return read_route(m, out);
    default:
        return false;
    }
}

/* An old kernel does not know the strict check and dumps all tables. */
static bool
ask(struct locals *o)
{
    struct {
        struct nlmsghdr head;
        union {
            struct ifaddrmsg addr;
            struct rtmsg route;
        } body;
    } q = { .head = { .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                .nlmsg_seq = ++o->seq } };
    if (o->step == READ_ADDRS) {
        q.head.nlmsg_type = RTM_GETADDR;
        q.head.nlmsg_len = NLMSG_LENGTH(sizeof q.body.addr);
    } else {
        q.head.nlmsg_type = RTM_GETROUTE;
        q.head.nlmsg_len = NLMSG_LENGTH(sizeof q.body.route);
        q.body.route.rtm_family = o->step == READ_ROUTES4 ? AF_INET : AF_INET6;
        q.body.route.rtm_table = RT_TABLE_LOCAL;
    }
    return send(o->fd, &q, q.head.nlmsg_len, 0) == (ssize_t)q.head.nlmsg_len;
}

static bool
reading_begin(struct locals *o)
{
    cidrs_fini(&o->next);
    o->is_disturbed = false;
    o->step = READ_ADDRS;
    return ask(o);
}

/* A reading has ended, or failed. If it was disturbed it may lack something:
 * then what it found is added, and nothing is taken out. */
static void
reading_end(struct locals *o, bool is_whole)
{
    o->step = READ_DONE;
    o->has_failed = !is_whole;
    if (is_whole) {
        for (unsigned i = 0; o->is_disturbed && i < o->now.n; i++) {
            cidrs_add(&o->next, &o->now.items[i]);
        }
        cidrs_unique(&o->next);
        cidrs_fini(&o->now);
        o->now = o->next;
        o->next = (struct cidrs){ 0 };
    }
    if (!is_whole || o->is_disturbed) {
        timer_start(&o->timer, is_whole ? SETTLE : RETRY);
    }
}

static void
may_have_gone(struct locals *o)
{
    o->is_disturbed = true; /* the reading that runs must be repeated */
    if (o->step == READ_DONE && !timer_is_active(&o->timer)) {
        timer_start(&o->timer, SETTLE);
    }
}

/* A dump has ended with `error`. A namespace that never had an IPv4 address has
 * no table `local` of IPv4. EBUSY: an earlier dump, whose end was lost, is not
 * over. */
static void
dump_end(struct locals *o, int error)
{
    if (error == EBUSY) {
        o->step = READ_DONE;
        may_have_gone(o);
        return;
    }
    if (error != 0 && !(error == ENOENT && o->step != READ_ADDRS)) {
        errno = error;
        reading_end(o, false);
        return;
    }
    if (++o->step == READ_DONE) {
        reading_end(o, true);
    } else if (!ask(o)) {
        reading_end(o, false);
    }
}

/* A part of the answer to the last question. */
static void
take_answer(struct locals *o, const struct nlmsghdr *m)
{
    struct cidr c;
    if (m->nlmsg_flags & NLM_F_DUMP_INTR) {
        o->is_disturbed = true;
    }
    if (m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR) {
        bool has_code = NLMSG_PAYLOAD(m, 0) >= (int)sizeof(int);
        dump_end(o, has_code ? -*(const int *)NLMSG_DATA(m) : 0);
    } else if (read_own(m, &c)) {
        cidrs_add(&o->next, &c);
    }
}

static void
take_news(struct locals *o, const struct nlmsghdr *m)
{
    struct cidr c;
    bool is_own = read_own(m, &c);
    if (m->nlmsg_type == RTM_NEWADDR || m->nlmsg_type == RTM_NEWROUTE) {
        if (is_own && !cidrs_lists(&o->now, &c)) {
            cidrs_add(&o->now, &c);
        }
        if (is_own && o->step != READ_DONE) {
            cidrs_add(&o->next, &c);
        }
    } else if (is_own || m->nlmsg_type == RTM_NEWLINK ||
               m->nlmsg_type == RTM_DELLINK) {
        may_have_gone(o);
    }
}

static void
take_datagram(struct locals *o, const char *buf, size_t left)
{
    const struct nlmsghdr *m = (const struct nlmsghdr *)buf;
    for (; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
        if (m->nlmsg_pid != o->port) {
            take_news(o, m);
        } else if (m->nlmsg_seq == o->seq && o->step != READ_DONE) {
            take_answer(o, m);
        }
    }
}

static void
tell_failure(const struct locals *o)
{
    if (o->has_failed) {
        log_errno(LOG_ALERT, errno, "netlink: addresses may be out of date");
    }
}

static void
on_netlink(struct watch *w, int events)
{
    struct locals *o = container_of(w, struct locals, watch);
    _Alignas(struct nlmsghdr) char buf[32768];
    (void)events;
    CHECK(o, LOCALS_MAGIC);
    ssize_t n = recv(o->fd, buf, sizeof buf, MSG_DONTWAIT);
    while (n > 0) {
        o->has_failed = false;
        take_datagram(o, buf, (size_t)n);
        tell_failure(o);
        n = recv(o->fd, buf, sizeof buf, MSG_DONTWAIT);
    }
    if (n < 0 &&
        errno ==
            ENOBUFS) { /* the end of the answer may be among what was lost */
        o->step = READ_DONE;
        may_have_gone(o);
    }
}

static void
on_timer(struct timer *t)
{
    struct locals *o = container_of(t, struct locals, timer);
    CHECK(o, LOCALS_MAGIC);
    if (!reading_begin(o)) {
        reading_end(o, false);
        tell_failure(o);
    }
}

static bool
open_socket(struct locals *o)
{
    struct sockaddr_nl sa = { .nl_family = AF_NETLINK, .nl_groups = GROUPS };
    socklen_t n = sizeof sa;
    int on = 1;
    o->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (o->fd < 0 || bind(o->fd, (struct sockaddr *)&sa, sizeof sa) != 0 ||
        getsockname(o->fd, (struct sockaddr *)&sa, &n) != 0) {
        return false;
    }
    o->port = sa.nl_pid;
    (void)setsockopt(
        o->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
    return true;
}

static bool
read_once(struct locals *o)
{
    _Alignas(struct nlmsghdr) char buf[32768];
    if (!reading_begin(o)) {
        return false;
    }
    while (o->step != READ_DONE) {
        ssize_t n = recv(o->fd, buf, sizeof buf, 0);
        if (n <= 0) {
            return false;
        }
        take_datagram(o, buf, (size_t)n);
    }
    return !o->has_failed;
}

/* The first reading blocks, as nothing may be dialled before it. If it is
 * disturbed each time, the last one is used and the timer goes on. */
static bool
read_first(struct locals *o)
{
    bool is_read = read_once(o);
    for (unsigned i = 0; i < FIRST_TRIES && is_read && o->is_disturbed; i++) {
        is_read = read_once(o);
    }
    return is_read;
}

struct locals *
locals_new(struct loop *l)
{
    struct locals *o = xcalloc(sizeof *o);
    o->magic = LOCALS_MAGIC;
    timer_init(&o->timer, l, on_timer);
    if (!open_socket(o) || !read_first(o)) {
        log_errno(LOG_EMERG, errno, "cannot read this host's addresses");
        timer_stop(&o->timer);
        if (o->fd >= 0) {
            close(o->fd);
        }
        cidrs_fini(&o->now);
        cidrs_fini(&o->next);
        xfree(o);
        return NULL;
    }
    watch_init(&o->watch, l, o->fd, on_netlink);
    watch_set(&o->watch, WATCH_READ);
    return o;
}

void
locals_free(struct locals *o)
{
    CHECK(o, LOCALS_MAGIC);
    watch_set(&o->watch, 0);
    timer_stop(&o->timer);
    close(o->fd);
    cidrs_fini(&o->now);
    cidrs_fini(&o->next);
    o->magic = 0;
    xfree(o);
}

bool
locals_has(const struct locals *o, const struct addr *a)
{
    CHECK(o, LOCALS_MAGIC);
    return cidrs_has(&o->now, a, 1);
}

bool
locals_reaches(const struct locals *o, const struct addr *a)
{
    CHECK(o, LOCALS_MAGIC);
    return cidrs_has(&o->now, a, 0);
}
