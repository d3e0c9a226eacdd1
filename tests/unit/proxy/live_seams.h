#pragma once

/*
 * Stands before libc's, in the one file of a test's program: the time that
 * weir and its libraries see is live.c's, and so is whom weir reaches.
 */

#include "live.h"

int
clock_gettime(clockid_t id, struct timespec *ts)
{
    return live_gettime(id, ts);
}

int
connect(int fd, __CONST_SOCKADDR_ARG sa, socklen_t n)
{
    return live_connect(fd, sa.__sockaddr__, n);
}
