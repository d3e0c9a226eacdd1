/*
 * Makes sockets, and puts a unix socket's file in its place. Called by proc/,
 * and by ledger/ledger.c for its bells. Connections are net/tcp.c's.
 */

#include "os/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "os/path.h"

#define TRIES_MAX 8

/* Of Linux 6.16, and of later headers than many systems have. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* The most rings that one call reads: more than the queue holds, unless
 * somebody goes on ringing. */
#define RINGS_MAX 64

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

bool
sock_refuse_fds(int fd)
{
    int off = 0;
    AN(fd >= 0);
    return setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off) == 0;
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

/* Whether certainly nobody serves the socket. One with a full backlog, of
 * another type, or that we may not connect to is not ours to remove. */
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

/* A listening socket under a name that nobody knows yet. Its file has its mode
 * from the start: between bind() and chmod() somebody could connect, or put
 * another file where chmod() looks. */
static int
unix_listen(
    const char *path, int backlog, unsigned mode, struct sockaddr_un *sa)
{
    AN(backlog >= 0 && (mode & ~0777u) == 0);
    *sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (!path_temporary(path, sa->sun_path, sizeof sa->sun_path)) {
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (!sock_refuse_fds(fd)) {
        log_at(LOG_WARN,
            "\"%s\": before Linux 6.16 a client can hold up its worker, by "
            "descriptors that it sends",
            path);
    }
    mode_t had = umask(~mode & 0777);
    int r = bind(fd, (struct sockaddr *)sa, sizeof *sa);
    umask(had);
    if (r != 0) {
        return close_with_errno(fd);
    }
    if (listen(fd, backlog) != 0) {
        int err = errno;
        unlink(sa->sun_path);
        errno = err;
        return close_with_errno(fd);
    }
    return fd;
}

/* Renames somebody else's file to the temporary name and the new socket to the
 * final one, in one step. */
static int
unix_put_aside(const char *temporary, const char *path, unsigned uid)
{
    struct stat st;
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_EXCHANGE) != 0) {
        return -1;
    }
    bool is_socket = lstat(temporary, &st) == 0 && S_ISSOCK(st.st_mode) &&
                     unlink(temporary) == 0;
    log_at(LOG_WARN, "\"%s\" existed already, of user %u, and was %s%s", path,
        uid, is_socket ? "replaced" : "moved to ", is_socket ? "" : temporary);
    return 0;
}

/* One attempt to take the place; -1 with errno. A served socket of ours or
 * root's stays, and so does any other file of ours: it is another weir's or a
 * mistake. Files of others in the directory do not keep weir from its place. */
static int
unix_take_place(const char *temporary, const char *path)
{
    struct stat st;
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    if (lstat(path, &st) != 0) {
        return errno == ENOENT ? rename(temporary, path) : -1;
    }
    if (path_is_foreign(&st)) {
        return unix_put_aside(temporary, path, st.st_uid);
    }
    memcpy(sa.sun_path, path, strlen(path));
    if (!S_ISSOCK(st.st_mode) || !unix_is_stale(&sa)) {
        errno = EADDRINUSE;
        return -1;
    }
    return rename(temporary, path);
}

int
sock_listen_unix(const char *path, int backlog, unsigned mode)
{
    struct sockaddr_un sa;
    int r = -1;
    if (strlen(path) >= sizeof sa.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = unix_listen(path, backlog, mode, &sa);
    if (fd < 0) {
        return -1;
    }
    errno = ENOENT;
    /* something changed there after the look */
    for (int i = 0;
         i < TRIES_MAX && r != 0 && (errno == ENOENT || errno == EISDIR); i++) {
        r = unix_take_place(sa.sun_path, path);
    }
    if (r != 0) {
        int err = errno;
        unlink(sa.sun_path);
        errno = err;
        return close_with_errno(fd);
    }
    return fd;
}

void
sock_local(int fd, struct addr *out)
{
    struct sockaddr_storage sa = { 0 };
    socklen_t n = sizeof sa;
    AZ(getsockname(fd, (struct sockaddr *)&sa, &n));
    addr_from_sockaddr((struct sockaddr *)&sa, out);
}

/* A datagram socket that is connected to itself, so that it takes no others'
 * datagrams. An eventfd would not do: who fills it and removes O_NONBLOCK, a
 * flag that all holders share, makes a write by others wait. */
int
sock_bell(void)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    socklen_t n = sizeof sa;
    int least = 1; /* the kernel rounds it up to a few datagrams */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    /* without a name the kernel chooses an abstract one */
    bool ok = bind(fd, (struct sockaddr *)&sa, sizeof(sa_family_t)) == 0 &&
              getsockname(fd, (struct sockaddr *)&sa, &n) == 0 &&
              connect(fd, (struct sockaddr *)&sa, n) == 0 &&
              setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof least) == 0;
    return ok ? fd : close_with_errno(fd);
}

void
sock_ring(int fd)
{
    AN(fd >= 0);
    (void)!send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void
sock_hush(int fd)
{
    char byte;
    AN(fd >= 0);
    for (int i = 0; i < RINGS_MAX && recv(fd, &byte, 1, MSG_DONTWAIT) > 0;
         i++) {
    }
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
