#pragma once

/*
 * The descriptors of the test's own process.
 */

#include "base/obj.h"

/* How many are open, less the one that counts. */
unsigned fds_open(void);

/* Whether it is open. */
bool fd_is_open(int fd);
