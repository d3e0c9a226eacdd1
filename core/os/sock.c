/*
 * Makes sockets. Called by proc/ alone; connections are net/tcp.c's.
 */

#include "os/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int
close_with_errno(int fd)
{
    int err = errno;
    close(fd);
    errno = err;
    return -1;
}

static bool
set_on(int fd, int level, int option)
{
    int on = 1;
    return setsockopt(fd, level, option, &on, sizeof on) == 0;
}

/* A bound TCP socket; -1 with errno. */
static int
bind_tcp(const struct addr *a, bool reuseport)
{
    struct sockaddr_storage sa;
    socklen_t n = addr_to_sockaddr(a, &sa);
    int fd =
        socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    bool ok = set_on(fd, SOL_SOCKET, SO_REUSEADDR) &&
              (!reuseport || set_on(fd, SOL_SOCKET, SO_REUSEPORT)) &&
              (a->family != 6 || set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY)) &&
              bind(fd, (struct sockaddr *)&sa, n) == 0;
    return ok ? fd : close_with_errno(fd);
}

int
sock_probe(const struct addr *a)
{
    int fd = bind_tcp(a, false);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0 ? 0 : -1;
}

int
sock_bind(const struct addr *a)
{
    return bind_tcp(a, true);
}

/* Whether nobody accepts on it, for certain: what has a full backlog, is of
 * another type or may not be asked is not ours to remove. */
static bool
unix_is_stale(const struct sockaddr_un *sa)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    bool is_stale = connect(fd, (const struct sockaddr *)sa, sizeof *sa) != 0 &&
                    errno == ECONNREFUSED;
    close(fd);
    return is_stale;
}

int
sock_listen_unix(const char *path, int backlog, unsigned mode)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    struct stat st;
    size_t n = strlen(path);
    if (n >= sizeof sa.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(sa.sun_path, path, n);
    if (lstat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode) || !unix_is_stale(&sa)) {
            errno = EADDRINUSE;
            return -1;
        }
        unlink(path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    bool ok = bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0 &&
              chmod(path, mode) == 0 && listen(fd, backlog) == 0;
    return ok ? fd : close_with_errno(fd);
}

void
sock_local(int fd, struct addr *out)
{
    struct sockaddr_storage sa = { 0 };
    socklen_t n = sizeof sa;
    AZ(getsockname(fd, (struct sockaddr *)&sa, &n));
    addr_from_sockaddr((struct sockaddr *)&sa, out);
}

int
sock_pair(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds);
}

int
sock_set_nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) {
        return -1;
    }
    return fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}
