#pragma once

/*
 * The error log, in nginx's levels and line format. Bytes that are not
 * printable ASCII are written as \xHH, so that nothing a peer sends can forge
 * a line. Callers never pass a secret. Of what a full disk does not take no
 * piece is left; the log says how much that was when there is room again.
 */

#include "base/str.h"

enum log_level {
    LOG_EMERG,
    LOG_ALERT,
    LOG_CRIT,
    LOG_ERR,
    LOG_WARN,
    LOG_NOTICE,
    LOG_INFO,
    LOG_DEBUG
};

/* Lines of `level` and more severe go to fd, which stays the caller's. Until
 * the first call lines go to standard error at LOG_NOTICE. */
void log_set(int fd, enum log_level level);
bool log_is_on(enum log_level level);

/* "emerg" to "debug"; false for any other word. */
must_check bool log_level_parse(struct str word, enum log_level *out);

/* One line, without its newline; cut at 2048 bytes. */
void log_at(enum log_level level, const char *fmt, ...) printf_like(2, 3);

/* As log_at(), with " (err: strerror(err))" behind, which is not cut. */
void log_errno(enum log_level level, int err, const char *fmt, ...)
    printf_like(3, 4);

/* " (2: No such file or directory)", as all messages have it; returns `text`.
 */
#define LOG_ERRNO_MAX 96
const char *log_errno_text(int err, char text[LOG_ERRNO_MAX]);

/* Writes the last 16 lines again, cut at 256 bytes: for a panic. Warnings and
 * notices are there even where the level leaves them out. */
void log_dump_recent(void);
