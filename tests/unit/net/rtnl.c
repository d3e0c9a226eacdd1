/* rtnetlink by hand: one request a socket. */

#include "rtnl.h"

#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/addr.h"
#include "net/loop.h"

#define LO 1

struct request {
    struct nlmsghdr head;
    char body[256];
};

bool
rtnl_unshare(void)
{
    return unshare(CLONE_NEWNET) == 0 ||
           unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

static void *
begin(struct request *q, int type, size_t size)
{
    bool is_new = type == RTM_NEWADDR || type == RTM_NEWROUTE;
    *q = (struct request){ .head = { .nlmsg_len = (uint32_t)NLMSG_LENGTH(size),
                               .nlmsg_type = (uint16_t)type,
                               .nlmsg_flags =
                                   (uint16_t)(NLM_F_REQUEST | NLM_F_ACK |
                                              (is_new ? NLM_F_CREATE : 0)) } };
    return q->body;
}

static void
add(struct request *q, unsigned short type, const void *data, size_t n)
{
    struct rtattr *a = (void *)((char *)q + NLMSG_ALIGN(q->head.nlmsg_len));
    a->rta_type = type;
    a->rta_len = (unsigned short)RTA_LENGTH(n);
    memcpy(RTA_DATA(a), data, n);
    q->head.nlmsg_len = NLMSG_ALIGN(q->head.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

static void
ask(const struct request *q)
{
    struct {
        struct nlmsghdr head;
        struct nlmsgerr err;
        char rest[512];
    } answer;
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    assert_int_equal(
        send(fd, q, q->head.nlmsg_len, 0), (long)q->head.nlmsg_len);
    assert_true(recv(fd, &answer, sizeof answer, 0) > 0);
    assert_int_equal(answer.head.nlmsg_type, NLMSG_ERROR);
    assert_int_equal(answer.err.error, 0);
    close(fd);
}

void
rtnl_addr(int type, const char *ip, unsigned prefix)
{
    struct request q;
    struct addr a;
    assert_true(addr_parse(str_of(ip), &a));
    struct ifaddrmsg *m = begin(&q, type, sizeof *m);
    m->ifa_family = a.family == 4 ? AF_INET : AF_INET6;
    m->ifa_prefixlen = (uint8_t)prefix;
    m->ifa_index = LO;
    add(&q, IFA_LOCAL, a.ip, a.family == 4 ? 4 : 16);
    ask(&q);
}

void
rtnl_route(int type, const char *range, unsigned char table, unsigned char kind)
{
    struct request q;
    struct cidr c;
    int lo = LO;
    assert_true(cidr_parse(str_of(range), &c));
    struct rtmsg *m = begin(&q, type, sizeof *m);
    m->rtm_family = c.addr.family == 4 ? AF_INET : AF_INET6;
    m->rtm_dst_len = c.bits;
    m->rtm_table = table;
    m->rtm_protocol = RTPROT_STATIC;
    m->rtm_scope = kind == RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK;
    m->rtm_type = kind;
    add(&q, RTA_DST, c.addr.ip, c.addr.family == 4 ? 4 : 16);
    add(&q, RTA_OIF, &lo, sizeof lo);
    ask(&q);
}

void
rtnl_lo(bool is_up)
{
    struct request q;
    struct ifinfomsg *m = begin(&q, RTM_NEWLINK, sizeof *m);
    m->ifi_index = LO;
    m->ifi_flags = is_up ? IFF_UP : 0;
    m->ifi_change = IFF_UP;
    ask(&q);
}

static void
on_turn(struct timer *t)
{
    loop_stop(t->loop);
}

void
rtnl_hear(struct loop *loop, double seconds)
{
    struct timer t;
    timer_init(&t, loop, on_turn);
    timer_start(&t, seconds);
    loop_run(loop);
}
