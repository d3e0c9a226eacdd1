#pragma once

/*
 * The descriptors of the test's own process.
 */

#include "base/obj.h"

/* How many are open, less the one that counts. */
unsigned fds_open(void);

/* Whether it is open. */
bool fd_is_open(int fd);

/* Whether the other end of the socket takes no descriptors: one is sent. True
 * too where the kernel does not know of that (sock_refuse_fds()). */
bool fds_are_refused(int sock);
