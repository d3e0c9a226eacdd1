#pragma once

/*
 * Names that the master opens, often as root, in directories that others may
 * be able to write: no name is opened twice for one thing, and none is
 * followed where somebody else may have put it.
 */

#include <sys/stat.h>

#include "base/str.h"

/* 1 or 2 where a log's name means this process's standard output or error
 * ("stdout", "stderr", their names in /dev or /proc); else -1. They are not
 * opened again: what they lead to may have no name that can be. */
int path_stream(struct str name);

/* Whether it belongs to somebody who is neither root nor this process's
 * user. */
bool path_is_foreign(const struct stat *st);

/* Whether others than those two may write it: by its owner, its group or
 * everyone. */
bool path_is_open(const struct stat *st);

/* A name in the directory of `path` that nobody can foresee; false with errno
 * where it has no room in `size`. */
must_check bool path_temporary(const char *path, char *to, size_t size);

/* In both of the next a link on the way is followed only where nobody but root
 * and this user can have put it: EPERM after a log line. */

/* A file of that text takes the place of what is there, if that is no
 * directory: written under another name, then renamed. -1 with errno; nothing
 * has changed then. */
must_check int path_replace(const char *path, struct str text, mode_t mode);

/* Opens a log file to append to, or makes it, with mode 0640. *is_new: it was
 * made here, so that it may be given an owner. Links lead on where they stand
 * in a directory that is not open to others; in one that is, only a regular
 * file under its only name is taken. -1 with errno. */
must_check int path_open_log(const char *path, bool *is_new);
