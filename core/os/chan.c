/*
 * Packets of messages over a SEQPACKET pair: one datagram each, length checked.
 */

#include "os/chan.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHAN_MAGIC 0xc4a2c4a2u

struct wire {
    uint32_t magic, type;
    uint64_t number;
    uint32_t n, has_fd;
    uint32_t rest; /* bytes of data that follow in further packets */
    uint32_t zero;
};

union control {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
};

static void
put_fd(struct msghdr *msg, union control *control, int fd)
{
    AN(fd >= 0);
    msg->msg_control = control;
    msg->msg_controllen = sizeof *control;
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(int));
}

enum io
chan_send_part(int sock, const struct chan_msg *m, size_t *at)
{
    AN(*at <= m->data.n && m->data.n <= UINT32_MAX);
    size_t left = m->data.n - *at;
    size_t n = left < CHAN_DATA_MAX ? left : CHAN_DATA_MAX;
    struct wire w = { CHAN_MAGIC, m->type, m->number, (uint32_t)n,
        m->fd >= 0 && *at == 0, (uint32_t)(left - n), 0 };
    struct iovec iov[2] = { { &w, sizeof w },
        { n != 0 ? (void *)(m->data.p + *at) : NULL, n } };
    union control control = { 0 };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
    if (w.has_fd) {
        put_fd(&msg, &control, m->fd);
    }
    if (sendmsg(sock, &msg, MSG_NOSIGNAL) < 0) {
        return errno == EAGAIN || errno == EINTR ? IO_AGAIN : IO_ERR;
    }
    *at += n;
    return IO_OK;
}

enum io
chan_send(int sock, const struct chan_msg *m)
{
    size_t at = 0;
    AN(m->data.n <= CHAN_DATA_MAX);
    return chan_send_part(sock, m, &at);
}

/* Keeps the first descriptor of a message in *fd, closes all others, and
 * returns how many there were. By its alignment the room for control data holds
 * two. */
static unsigned
take_fds(struct msghdr *msg, int *fd)
{
    unsigned n = 0;
    *fd = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
         c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t bytes = c->cmsg_len - CMSG_LEN(0);
        for (size_t at = 0; at + sizeof(int) <= bytes; at += sizeof(int)) {
            int got;
            memcpy(&got, CMSG_DATA(c) + at, sizeof got);
            if (n++ == 0) {
                *fd = got;
            } else {
                close(got);
            }
        }
    }
    return n;
}

/* If a peer ends before it has read our messages, the kernel reports that once,
 * before the messages that the peer sent and before the end: so read again. */
static ssize_t
receive(int sock, struct msghdr *msg)
{
    ssize_t r = recvmsg(sock, msg, MSG_CMSG_CLOEXEC);
    if (r < 0 && errno == ECONNRESET) {
        r = recvmsg(sock, msg, MSG_CMSG_CLOEXEC);
    }
    return r;
}

enum io
chan_recv_part(int sock, struct chan_msg *m, char *buf, size_t *more)
{
    struct wire w = { 0 };
    struct iovec iov[2] = { { &w, sizeof w }, { buf, CHAN_DATA_MAX } };
    AN(sock >= 0);
    union control control;
    struct msghdr msg = { .msg_iov = iov,
        .msg_iovlen = 2,
        .msg_control = &control,
        .msg_controllen = sizeof control };
    int fd;
    ssize_t r = receive(sock, &msg);
    if (r < 0) {
        return errno == EAGAIN || errno == EINTR ? IO_AGAIN : IO_ERR;
    }
    unsigned n_fds = take_fds(&msg, &fd);
    if (r == 0 && n_fds == 0) {
        return IO_EOF;
    }
    bool is_valid = (size_t)r >= sizeof w && w.magic == CHAN_MAGIC &&
                    (size_t)r == sizeof w + w.n && w.has_fd == n_fds &&
                    n_fds <= 1 && (w.rest == 0 || w.n != 0) && w.zero == 0 &&
                    !(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
    if (!is_valid) {
        if (fd >= 0) {
            close(fd);
        }
        return IO_ERR;
    }
    *m = (struct chan_msg){ (enum chan_type)w.type, w.number, str_n(buf, w.n),
        fd };
    *more = w.rest;
    return IO_OK;
}

enum io
chan_recv(int sock, struct chan_msg *m, char *buf)
{
    struct chan_msg got;
    size_t more;
    enum io r = chan_recv_part(sock, &got, buf, &more);
    if (r != IO_OK) {
        return r;
    }
    if (more != 0) {
        if (got.fd >= 0) {
            close(got.fd);
        }
        return IO_ERR;
    }
    *m = got;
    return IO_OK;
}

enum io
chan_recv_wait(int sock, struct chan_msg *m, char *buf, double seconds)
{
    AN(seconds >= 0);
    struct pollfd p = { .fd = sock, .events = POLLIN };
    if (poll(&p, 1, (int)(seconds * 1000)) <= 0) {
        return IO_AGAIN;
    }
    return chan_recv(sock, m, buf);
}
