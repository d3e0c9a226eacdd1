#pragma once

/*
 * Going into the background, and the pid file.
 */

#include "base/str.h"

/* Forks. The parent waits until the child says that it is ready, then exits
 * with 0, or until the child has ended, then exits with 1. The child leads a
 * session of its own; it gets the descriptor for daemon_tell(). -1 after a log
 * line. */
must_check int daemon_start(void);

/* Ready: the parent ends. Closes fd. */
void daemon_tell(int fd);

/* Standard input, output and error go to /dev/null; output or error do not
 * where a log is written to them. */
void daemon_leave_terminal(bool is_stdout_log, bool is_stderr_log);

struct pid_file {
    char *path; /* owned; NULL: not written */
};

/* Whether the file has the pid of a master that runs: a process of this user
 * with a master's title. True after a log line. */
bool pid_file_is_held(const char *path);

/* Writes a temporary file and renames it, so that nobody reads half a number.
 * -1 after a log line; nothing is left of it then. */
must_check int pid_file_write(struct pid_file *f, struct str path);
void pid_file_remove(struct pid_file *f); /* nothing if it was not written */

/* The pid in a file, at least 1; 0 after a log line. If the file belongs
 * neither to root nor to this user, it may only name a process of its owner. */
must_check int pid_file_read(const char *path);
