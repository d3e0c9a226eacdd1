#pragma once

/*
 * The master's signals, read from a descriptor: no handler runs, and no flag
 * changes in between.
 */

#include "base/obj.h"

/* Blocks the signals that the master obeys and returns the descriptor from
 * which they are read; -1 with errno. SIGPIPE and SIGXFSZ are ignored from now
 * on; SIGCHLD is not, even if the parent ignored it. */
must_check int sig_open(void);

/* The next signal; 0: none. */
int sig_next(int fd);

/* In a child: unblocks all signals and ignores those that the master obeys. So
 * after a signal to the whole group (by a terminal, by a service manager)
 * children drain and reload when the master tells them. SIGTERM ends the
 * child. */
void sig_child(void);

/* "SIGHUP", for the log. */
const char *sig_name(int signo);
