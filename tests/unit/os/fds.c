/*
 * Counts descriptors, so that a test sees what was left open, and sends them
 * where they are not wanted.
 */

#include "fds.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/sock.h"

unsigned
fds_open(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    AN(d != NULL);
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        n += e->d_name[0] != '.';
    }
    closedir(d);
    return n - 1;
}

bool
fd_is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* What the kernel does not know it cannot be asked for. */
static bool
can_be_refused(void)
{
    int fds[2];
    AZ(sock_pair(fds));
    bool ok = sock_refuse_fds(fds[0]);
    close(fds[0]);
    close(fds[1]);
    return ok;
}

bool
fds_are_refused(int sock)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    char byte = 0;
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = { .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control };
    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.head), &sock, sizeof sock);
    return !can_be_refused() ||
           (sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
               errno == EPERM);
}
