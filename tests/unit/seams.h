#pragma once

/*
 * Where a test takes the place of libc, for weir and for the libraries: the
 * functions of the unit tests' program stand before libc's, and call the
 * kernel until a test says whom instead.
 */

#include <sys/socket.h>
#include <time.h>

/* From here on, in this process. */
void seam_clock(int (*fn)(clockid_t id, struct timespec *ts));
void seam_connect(int (*fn)(int fd, const struct sockaddr *sa, socklen_t n));

/* The kernel's own. */
int kernel_clock(clockid_t id, struct timespec *ts);
int kernel_connect(int fd, const struct sockaddr *sa, socklen_t n);
