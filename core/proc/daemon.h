#pragma once

/*
 * Going into the background, and the pid file.
 */

#include "base/str.h"

/* Forks. The parent waits until the child says that it is ready, or is gone,
 * and exits with 0 or 1; the child, leader of a session of its own, gets the
 * descriptor for daemon_tell(). -1 after a log line. */
must_check int daemon_start(void);

/* Ready: the parent ends. Closes fd. */
void daemon_tell(int fd);

/* Standard input, output and error go to /dev/null, but for those of the two
 * that a log goes to. */
void daemon_leave_terminal(bool is_stdout_log, bool is_stderr_log);

struct pid_file {
    char *path; /* owned; NULL: not written */
};

/* Whether a master lives whose pid stands in the file: a process of this user
 * with a master's title. True after a log line. */
bool pid_file_is_held(const char *path);

/* By a temporary file and a rename, so that who sees it sees a whole number.
 * -1 after a log line; nothing is left of it then. */
must_check int pid_file_write(struct pid_file *f, struct str path);
void pid_file_remove(struct pid_file *f); /* nothing if it was not written */

/* The pid in a file, at least 1; 0 after a log line. A file of a user who is
 * neither root nor this one may name no other user's process. */
must_check int pid_file_read(const char *path);
