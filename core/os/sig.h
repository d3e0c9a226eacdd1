#pragma once

/*
 * The master's signals, as a descriptor to poll: no handler runs, no flag is
 * set behind anyone's back.
 */

#include "base/obj.h"

/* Blocks the signals that the master obeys and gives the descriptor on which
 * they arrive; -1 with errno. SIGPIPE and SIGXFSZ are ignored from here on,
 * and SIGCHLD no longer, where the parent had it so. */
must_check int sig_open(void);

/* The next one that came; 0: none. */
int sig_next(int fd);

/* In a child: unblocks all; ignores what is the master's to obey, so that a
 * signal to the whole group (a terminal's, a service manager's) drains and
 * reloads in the master's order. SIGTERM ends the child. */
void sig_child(void);

/* "SIGHUP", for the log. */
const char *sig_name(int signo);
