#pragma once

/*
 * Opens files for the master, often as root, in directories that others may be
 * able to write. One file is opened by its name once only, and no link is
 * followed that somebody else may have made.
 */

#include <sys/stat.h>

#include "base/str.h"

/* 1 or 2 if a log's name means this process's standard output or error
 * ("stdout", "stderr", their names in /dev or /proc), else -1. These are not
 * opened again, as what they lead to may have no name. */
int path_stream(struct str name);

/* Whether the owner is neither root nor this process's user. */
bool path_is_foreign(const struct stat *st);

/* Whether others than these two may write it: its owner, its group or
 * everyone. */
bool path_is_open(const struct stat *st);

/* A name in the directory of `path` that nobody can guess. False with errno:
 * `size` is too small. */
must_check bool path_temporary(const char *path, char *to, size_t size);

/* For the next two functions: a link in the path is followed only if none but
 * root and this user can have made it. Otherwise EPERM, after a log line. */

/* Replaces a file by one with this text: it is written under another name, then
 * renamed. A directory is not replaced. -1 with errno: nothing has changed. */
must_check int path_replace(const char *path, struct str text, mode_t mode);

/* Opens a log file for appending; if there is none, makes it with mode 0640.
 * *is_new: it was made here, so the caller may give it an owner. In a directory
 * that others can write, the file must be regular and have no other name;
 * elsewhere links are followed. -1 with errno. */
must_check int path_open_log(const char *path, bool *is_new);
