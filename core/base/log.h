#pragma once

/*
 * The error log, with the levels and the line format of nginx. Bytes that are
 * not printable ASCII are written as \xHH, so that a peer cannot forge a line.
 * Callers never pass a secret. A line that a full disk does not take is lost
 * whole; once there is room, the log says how many were lost.
 */

#include "base/str.h"

struct arena;

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

/* Lines of `level` and more severe ones go to `fd`, which stays the caller's.
 * Before the first call lines of LOG_NOTICE go to standard error. */
void log_set(int fd, enum log_level level);
bool log_is_on(enum log_level level);

/* "emerg" to "debug"; false for any other word. */
must_check bool log_level_parse(struct str word, enum log_level *out);

/* One line, without its newline; cut at 2048 bytes. */
void log_at(enum log_level level, const char *fmt, ...) printf_like(2, 3);

/* As log_at(), followed by " (err: strerror(err))", which is never cut. */
void log_errno(enum log_level level, int err, const char *fmt, ...)
    printf_like(3, 4);

/* A text of a peer's as it may stand in quotes in a line: each quote in it is
 * \x22, so that it does not end there. Of more bytes than a line has, the
 * first. Lent, or in the arena. */
struct str log_quoted(struct arena *a, struct str s);

/* " (2: No such file or directory)", the form of all messages; returns
 * `text`. */
#define LOG_ERRNO_MAX 96
const char *log_errno_text(int err, char text[LOG_ERRNO_MAX]);

/* For a panic: writes the last 16 lines again, each cut at 256 bytes, with
 * warnings and notices that the level left out. */
void log_dump_recent(void);
