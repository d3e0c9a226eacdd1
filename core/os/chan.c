/*
 * Messages over a SEQPACKET pair: one datagram each, length checked.
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
};

union control {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
};

enum io
chan_send(int sock, const struct chan_msg *m)
{
    struct wire w = { CHAN_MAGIC, m->type, m->number, (uint32_t)m->data.n,
        m->fd >= 0 };
    struct iovec iov[2] = { { &w, sizeof w },
        { (void *)m->data.p, m->data.n } };
    union control control = { 0 };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
    AN(m->data.n <= CHAN_DATA_MAX);
    if (m->fd >= 0) {
        msg.msg_control = &control;
        msg.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &m->fd, sizeof(int));
    }
    ssize_t r = sendmsg(sock, &msg, MSG_NOSIGNAL);
    if (r < 0) {
        return errno == EAGAIN || errno == EINTR ? IO_AGAIN : IO_ERR;
    }
    return IO_OK;
}

static int
received_fd(struct msghdr *msg)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    int fd = -1;
    if (c != NULL && c->cmsg_level == SOL_SOCKET &&
        c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof fd)) {
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    }
    return fd;
}

enum io
chan_recv(int sock, struct chan_msg *m, char *buf)
{
    struct wire w = { 0 };
    struct iovec iov[2] = { { &w, sizeof w }, { buf, CHAN_DATA_MAX } };
    union control control;
    struct msghdr msg = { .msg_iov = iov,
        .msg_iovlen = 2,
        .msg_control = &control,
        .msg_controllen = sizeof control };
    ssize_t r = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    if (r < 0) {
        return errno == EAGAIN || errno == EINTR ? IO_AGAIN : IO_ERR;
    }
    if (r == 0) {
        return IO_EOF;
    }
    int fd = received_fd(&msg);
    bool is_valid = (size_t)r >= sizeof w && w.magic == CHAN_MAGIC &&
                    (size_t)r == sizeof w + w.n &&
                    (w.has_fd != 0) == (fd >= 0) &&
                    !(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
    if (!is_valid) {
        if (fd >= 0) {
            close(fd);
        }
        return IO_ERR;
    }
    *m = (struct chan_msg){ (enum chan_type)w.type, w.number,
        str_n(buf, w.n), fd };
    return IO_OK;
}

enum io
chan_recv_wait(int sock, struct chan_msg *m, char *buf, double seconds)
{
    struct pollfd p = { .fd = sock, .events = POLLIN };
    if (poll(&p, 1, (int)(seconds * 1000)) <= 0) {
        return IO_AGAIN;
    }
    return chan_recv(sock, m, buf);
}
