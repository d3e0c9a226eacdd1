/*
 * The error log of a process: one write(2) a line, and a ring of the last
 * lines for a panic.
 */

#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define LINE_MAX_BYTES 2048
#define RECENT 16

static const char *const level_names[] = { "emerg", "alert", "crit", "error",
    "warn", "notice", "info", "debug" };

static int log_fd = STDERR_FILENO;
static enum log_level log_max = LOG_NOTICE;

static struct {
    char text[256];
    size_t n;
} recent[RECENT];
static unsigned recent_next;

void
log_set(int fd, enum log_level level)
{
    log_fd = fd;
    log_max = level;
}

bool
log_is_on(enum log_level level)
{
    return level <= log_max;
}

bool
log_level_parse(struct str word, enum log_level *out)
{
    for (size_t i = 0; i < LEN(level_names); i++) {
        if (str_eq(word, str_of(level_names[i]))) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static void
log_remember(const char *line, size_t n)
{
    unsigned i = recent_next++ % RECENT;
    recent[i].n = n < sizeof recent[i].text ? n : sizeof recent[i].text;
    memcpy(recent[i].text, line, recent[i].n);
    recent[i].text[recent[i].n - 1] = '\n'; /* of a line that was cut, too */
}

/* Copies `text` with anything but printable ASCII as \xHH; returns the end. */
static char *
log_escape(char *to, const char *end, const char *text)
{
    for (; *text != '\0' && end - to > 4; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c < 0x7f) {
            *to++ = (char)c;
        } else {
            to += snprintf(to, (size_t)(end - to), "\\x%02x", c);
        }
    }
    return to;
}

static void
log_line(enum log_level level, int err, const char *fmt, va_list ap)
{
    char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES], why[96] = "";
    if (!log_is_on(level) && level >= LOG_INFO) {
        return;
    }
    if (vsnprintf(text, sizeof text, fmt, ap) < 0) {
        text[0] = '\0';
    }
    if (err != 0) {
        snprintf(why, sizeof why, ": %s (%d)", strerror(err), err);
    }
    struct str when = clock_error_log();
    int n = snprintf(line, sizeof line, "%.*s [%s] %d: ", STR_ARG(when),
        level_names[level], (int)getpid());
    char *end = line + sizeof line;
    char *p = log_escape(line + n, end - 4 - strlen(why), text);
    p = log_escape(p, end, why);
    *p++ = '\n';
    log_remember(line, (size_t)(p - line));
    if (log_is_on(level) && write(log_fd, line, (size_t)(p - line)) < 0) {
        return; /* a full disk must not stop traffic */
    }
}

void
log_at(enum log_level level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    log_line(level, 0, fmt, ap);
    va_end(ap);
}

void
log_errno(enum log_level level, int err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    log_line(level, err, fmt, ap);
    va_end(ap);
}

void
log_dump_recent(void)
{
    for (unsigned i = 0; i < RECENT; i++) {
        unsigned at = (recent_next + i) % RECENT;
        if (recent[at].n != 0 &&
            write(log_fd, recent[at].text, recent[at].n) < 0) {
            return;
        }
    }
}
