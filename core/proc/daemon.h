#pragma once

/*
 * Going into the background, and the pid file.
 */

#include "base/str.h"

/* Forks. The parent waits until the child says that it is ready, or is gone,
 * and exits with 0 or 1; the child, leader of a session of its own, gets the
 * descriptor for daemon_tell(). -1 after a log line. */
must_check int daemon_start(void);

/* Ready: standard input, output and error go to /dev/null, the parent ends.
 * Closes fd. */
void daemon_tell(int fd);

struct pid_file {
    char *path; /* NULL: not written */
};

/* By a temporary file and a rename, so that who sees it sees a whole number.
 * -1 after a log line. */
must_check int pid_file_write(struct pid_file *f, struct str path);
void pid_file_remove(struct pid_file *f);

/* The pid in a file; 0 after a log line. */
int pid_file_read(const char *path);
