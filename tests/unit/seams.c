/*
 * Stands before libc's clock_gettime() and connect(), in the program of all
 * unit tests; most of them never notice.
 */

#include "seams.h"

#include <sys/syscall.h>
#include <unistd.h>

static int (*clock_fn)(clockid_t, struct timespec *) = kernel_clock;
static int (*connect_fn)(
    int, const struct sockaddr *, socklen_t) = kernel_connect;

int
kernel_clock(clockid_t id, struct timespec *ts)
{
    return (int)syscall(SYS_clock_gettime, id, ts);
}

int
kernel_connect(int fd, const struct sockaddr *sa, socklen_t n)
{
    return (int)syscall(SYS_connect, fd, sa, n);
}

void
seam_clock(int (*fn)(clockid_t id, struct timespec *ts))
{
    clock_fn = fn;
}

void
seam_connect(int (*fn)(int fd, const struct sockaddr *sa, socklen_t n))
{
    connect_fn = fn;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
    return clock_fn(id, ts);
}

int
connect(int fd, __CONST_SOCKADDR_ARG sa, socklen_t n)
{
    return connect_fn(fd, sa.__sockaddr__, n);
}
