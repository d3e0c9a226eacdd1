/*
 * The bottom layer of a stream. It avoids the usual cost of level-triggered
 * epoll: the read watch stays on, and is taken off only when an event finds
 * bytes that nobody has read. A read that got less than it asked for has
 * emptied the socket, which saves the call that would give EAGAIN.
 */

#include "net/tcp.h"

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"

/* The most bytes that the kernel takes from us and cannot send yet. Without it
 * a slow reader holds as much as a send buffer may grow to, megabytes, and some
 * hundreds of them all the TCP memory that the sandboxes share. */
#define NOTSENT_MAX (512 * 1024)

/* The most that the kernel receives for us while we do not read: 512 KiB with
 * overhead, as Linux doubles SO_RCVBUF (416 KiB by Linux's own
 * net.core.rmem_max). Without it the buffer of a connection that was fast may
 * grow to the limit of net.ipv4.tcp_rmem, 6 to 32 MB: measured were 33 MB
 * unread, now 0.45 MB. TCP_WINDOW_CLAMP does not help: it bounds what is in
 * flight, not what lies unread, and a buffer that grows raises it. On loopback
 * no cost was measured (0.2 GB/s, 0.75 s of CPU a GB, both ways); over a long
 * path one connection moves 0.3 to 0.4 MB a round trip, 15 to 20 MB/s at 20
 * ms. */
#define RECEIVE_MAX (256 * 1024)

struct tcp {
    struct stream stream;
    struct watch watch;
    uint64_t bytes_in, bytes_out;
    bool is_readable; /* a read may find bytes */
    bool is_connecting;
    bool is_aborting;
};

static bool tcp_one_byte;
static struct tcp_keepalive tcp_keepalive;

void
tcp_set_one_byte(bool on)
{
    tcp_one_byte = on;
}

void
tcp_set_keepalive(const struct tcp_keepalive *k)
{
    AN(k->idle <= TCP_KEEPALIVE_SECONDS_MAX);
    AN(k->interval >= 1 && k->interval <= TCP_KEEPALIVE_SECONDS_MAX);
    AN(k->count >= 1 && k->count <= TCP_KEEPALIVE_COUNT_MAX);
    tcp_keepalive = *k;
}

bool
tcp_is_one_byte(void)
{
    return tcp_one_byte;
}

static void
set_option(int fd, int level, int option, unsigned value)
{
    int v = (int)value;
    setsockopt(fd, level, option, &v, sizeof v);
}

static unsigned
patience_ms(const struct tcp_keepalive *k)
{
    unsigned seconds = k->idle + k->interval * k->count;
    return seconds < INT_MAX / 1000 ? 1000 * seconds : INT_MAX;
}

/* Sets all options, those that are off too, as a listening socket outlives a
 * configuration. On a unix socket it does nothing. */
void
tcp_set_options(int fd)
{
    const struct tcp_keepalive *k = &tcp_keepalive;
    bool is_on = k->idle != 0;
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_MAX);
    set_option(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_MAX);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, is_on);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, is_on ? patience_ms(k) : 0);
    if (is_on) {
        set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, k->idle);
        set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, k->interval);
        set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, k->count);
    }
}

static struct tcp *
tcp_of(const struct stream *s)
{
    CHECK(s, STREAM_MAGIC);
    return container_of(s, struct tcp, stream);
}

static void
on_ready(struct watch *w, int events)
{
    struct tcp *t = container_of(w, struct tcp, watch);
    int keep = watch_events(w);
    if (events & WATCH_READ) {
        if (t->is_readable) {
            keep &= ~WATCH_READ; /* an event said so before, and nobody read */
        }
        t->is_readable = true;
    }
    if (events & WATCH_WRITE) {
        keep &= ~WATCH_WRITE;
    }
    watch_set(w, keep);
    task_wake(t->stream.task);
}

static enum io
tcp_handshake(struct stream *s)
{
    struct tcp *t = tcp_of(s);
    int err = 0;
    socklen_t n = sizeof err;
    if (!t->is_connecting) {
        return IO_OK;
    }
    struct sockaddr_storage peer;
    socklen_t peer_n = sizeof peer;
    if (getsockopt(t->watch.ev.fd, SOL_SOCKET, SO_ERROR, &err, &n) != 0 ||
        err != 0) {
        errno = err != 0 ? err : errno;
        return IO_ERR;
    }
    if (getpeername(t->watch.ev.fd, (struct sockaddr *)&peer, &peer_n) != 0) {
        if (errno != ENOTCONN) {
            return IO_ERR;
        }
        watch_set(&t->watch, WATCH_READ | WATCH_WRITE);
        return IO_AGAIN;
    }
    t->is_connecting = false;
    return IO_OK;
}

static enum io
tcp_wait_readable(struct tcp *t)
{
    t->is_readable = false;
    watch_set(&t->watch, watch_events(&t->watch) | WATCH_READ);
    return IO_AGAIN;
}

static bool
tcp_is_dry(struct stream *s)
{
    struct tcp *t = tcp_of(s);
    if (t->is_readable) {
        return false;
    }
    tcp_wait_readable(t);
    return true;
}

static enum io
tcp_read(struct stream *s, char *p, size_t n, size_t *got)
{
    struct tcp *t = tcp_of(s);
    if (tcp_one_byte) {
        n = 1;
    }
    if (tcp_is_dry(s)) {
        return IO_AGAIN;
    }
    ssize_t r = recv(t->watch.ev.fd, p, n, 0);
    if (r < 0 && (errno == EAGAIN || errno == EINTR)) {
        return tcp_wait_readable(t);
    }
    if (r < 0) {
        return IO_ERR;
    }
    if (r == 0) {
        return IO_EOF; /* it stays readable: the next read gives IO_EOF again */
    }
    if ((size_t)r < n) {
        tcp_wait_readable(t);
    }
    t->bytes_in += (uint64_t)r;
    *got = (size_t)r;
    return IO_OK;
}

static enum io
tcp_write(struct stream *s, const char *p, size_t n, size_t *put)
{
    struct tcp *t = tcp_of(s);
    if (tcp_one_byte) {
        n = 1;
    }
    int more = s->has_more ? MSG_MORE : 0;
    ssize_t r = send(t->watch.ev.fd, p, n, MSG_NOSIGNAL | more);
    if (r < 0 && (errno == EAGAIN || errno == EINTR)) {
        watch_set(&t->watch, watch_events(&t->watch) | WATCH_WRITE);
        return IO_AGAIN;
    }
    if (r <= 0) {
        return IO_ERR;
    }
    t->bytes_out += (uint64_t)r;
    *put = (size_t)r;
    return IO_OK;
}

static enum io
tcp_shutdown(struct stream *s)
{
    int fd = tcp_of(s)->watch.ev.fd;
    return shutdown(fd, SHUT_WR) == 0 ? IO_OK : IO_ERR;
}

static void
tcp_close(struct stream *s)
{
    struct tcp *t = container_of(s, struct tcp, stream);
    watch_set(&t->watch, 0);
    if (t->is_aborting) {
        struct linger hard = { .l_onoff = 1 };
        setsockopt(t->watch.ev.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    close(t->watch.ev.fd);
    xfree(t);
}

static const struct stream_ops tcp_ops = {
    .name = "tcp",
    .handshake = tcp_handshake,
    .read = tcp_read,
    .is_dry = tcp_is_dry,
    .write = tcp_write,
    .shutdown = tcp_shutdown,
    .close = tcp_close,
};

struct stream *
tcp_new(struct loop *l, int fd, struct task *task)
{
    struct tcp *t = xcalloc(sizeof *t);
    stream_init(&t->stream, &tcp_ops, NULL, task);
    watch_init(&t->watch, l, fd, on_ready);
    watch_set(&t->watch, WATCH_READ);
    t->is_readable =
        true; /* a client has often sent something when it is accepted */
    return &t->stream;
}

static struct stream *
connect_to(
    struct loop *l, const struct sockaddr *sa, socklen_t n, struct task *task)
{
    int fd =
        socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return NULL;
    }
    if (connect(fd, sa, n) != 0 && errno != EINPROGRESS) {
        int err = errno;
        close(fd);
        errno = err;
        return NULL;
    }
    tcp_set_options(fd);
    struct stream *s = tcp_new(l, fd, task);
    struct tcp *t = tcp_of(s);
    t->is_readable = false;
    t->is_connecting = true;
    return s;
}

struct stream *
tcp_connect(struct loop *l, const struct addr *a, struct task *task)
{
    struct sockaddr_storage sa;
    socklen_t n = addr_to_sockaddr(a, &sa);
    return connect_to(l, (struct sockaddr *)&sa, n, task);
}

struct stream *
tcp_connect_unix(struct loop *l, struct str path, struct task *task)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    AN(path.n != 0 && path.n < sizeof sa.sun_path);
    memcpy(sa.sun_path, path.p, path.n);
    return connect_to(l, (struct sockaddr *)&sa, sizeof sa, task);
}

int
tcp_fd(const struct stream *s)
{
    while (s->below != NULL) {
        s = s->below;
    }
    return tcp_of(s)->watch.ev.fd;
}

static const struct tcp *
tcp_bottom(const struct stream *s)
{
    while (s->below != NULL) {
        s = s->below;
    }
    return tcp_of(s);
}

uint64_t
tcp_bytes_in(const struct stream *s)
{
    return tcp_bottom(s)->bytes_in;
}

uint64_t
tcp_bytes_out(const struct stream *s)
{
    return tcp_bottom(s)->bytes_out;
}

enum tcp_end
tcp_other_end(const struct stream *s)
{
    struct pollfd p = { tcp_bottom(s)->watch.ev.fd, POLLRDHUP, 0 };
    if (poll(&p, 1, 0) != 1) {
        return TCP_OPEN;
    }
    return (p.revents & (POLLHUP | POLLERR)) != 0 ? TCP_GONE : TCP_ENDED;
}

void
tcp_abort_on_close(struct stream *s)
{
    while (s->below != NULL) {
        s = s->below;
    }
    tcp_of(s)->is_aborting = true;
}

bool
tcp_is_aborting(const struct stream *s)
{
    return tcp_bottom(s)->is_aborting;
}
