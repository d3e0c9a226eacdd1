/*
 * Steers, closes and reads the queues of listening sockets. Called by
 * proc/listener.c. Accepts nothing.
 */

#include "os/listenq.h"

#include <linux/filter.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

/* include/net/tcp_states.h; netinet/tcp.h's name for it is an enum's. */
#define STATE_SYN_RECV 3

#define TTL_MAX 255

/* How long to wait for the kernel's answer, in milliseconds. */
#define DIAG_TIMEOUT 1000

int
listenq_begin(int fd, int backlog)
{
    AN(fd >= 0);
    return listen(fd, backlog);
}

static int
attach(int fd, int option, struct sock_filter *code, unsigned short n)
{
    struct sock_fprog program;
    memset(&program, 0, sizeof program); /* the padding too, for Valgrind */
    program.len = n;
    program.filter = code;
    return setsockopt(fd, SOL_SOCKET, option, &program, sizeof program);
}

int
listenq_steer(int fd, unsigned n)
{
    struct sock_filter code[] = {
        BPF_STMT(
            BPF_LD | BPF_W | BPF_ABS, (unsigned)SKF_AD_OFF + SKF_AD_RANDOM),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, n),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    AN(n != 0);
    return attach(fd, SO_ATTACH_REUSEPORT_CBPF, code, LEN(code));
}

static int
set_least_ttl(int fd, int family, int ttl)
{
    return family == AF_INET6
               ? setsockopt(
                     fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, &ttl, sizeof ttl)
               : setsockopt(fd, IPPROTO_IP, IP_MINTTL, &ttl, sizeof ttl);
}

int
listenq_refuse(int fd, bool on)
{
    int family = 0;
    socklen_t n = sizeof family;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &n) != 0) {
        return -1;
    }
    return set_least_ttl(fd, family, on ? TTL_MAX : 0);
}

void
listenq_admit(int fd, int family)
{
    (void)set_least_ttl(
        fd, family, 0); /* if this fails, the other call failed, too */
}

bool
listenq_has_waiting(int fd)
{
    struct pollfd p = { fd, POLLIN, 0 };
    AN(fd >= 0); /* poll() would pass over it: nothing waits */
    return poll(&p, 1, 0) > 0 && (p.revents & POLLIN) != 0;
}

static bool
diag_ask(int fd, const struct addr *a)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 req;
    } m = {
        .head = { .nlmsg_len = sizeof m,
            .nlmsg_type = SOCK_DIAG_BY_FAMILY,
            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
        .req = { .sdiag_family = a->family == 6 ? AF_INET6 : AF_INET,
            .sdiag_protocol = IPPROTO_TCP,
            .idiag_states = 1U << STATE_SYN_RECV,
            .id = { .idiag_sport = htons(a->port) } },
    };
    return send(fd, &m, sizeof m, 0) == (ssize_t)sizeof m;
}

/* The first message of the answer tells: it is a socket, or the end of the
 * list. Nothing after it is read. */
static bool
diag_is_empty(int fd)
{
    _Alignas(struct nlmsghdr) char buf[8192];
    struct pollfd p = { fd, POLLIN, 0 };
    const struct nlmsghdr *h = (const void *)buf;
    if (poll(&p, 1, DIAG_TIMEOUT) <= 0) {
        return false;
    }
    ssize_t n = recv(fd, buf, sizeof buf, 0);
    return n >= (ssize_t)sizeof *h && h->nlmsg_type == NLMSG_DONE;
}

bool
listenq_has_half_open(const struct addr *a)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    AN(a->family == 4 || a->family == 6);
    if (fd < 0) {
        return true;
    }
    bool is_empty = diag_ask(fd, a) && diag_is_empty(fd);
    close(fd);
    return !is_empty;
}

void
listenq_end(int fd)
{
    AN(fd >= 0);
    shutdown(fd, SHUT_RDWR);
}
