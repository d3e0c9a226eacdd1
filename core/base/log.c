/*
 * The error log of a process: one write(2) for each line, and a ring of the
 * last lines for a panic. Lost lines are counted. The first lost line goes to
 * standard error; the number of lost lines is logged before the next line that
 * is not lost.
 */

#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/appender.h"
#include "base/clock.h"
#include "base/mem.h"

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

static struct appender appender;
static pid_t appender_pid; /* whose losses it counts: a child counts its own */

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
    recent[i].text[recent[i].n - 1] = '\n'; /* also for a line that was cut */
}

/* Copies `text`; bytes that are not printable ASCII become \xHH. Returns the
 * end. */
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

struct str
log_quoted(struct arena *a, struct str s)
{
    s.n = s.n < LINE_MAX_BYTES ? s.n : LINE_MAX_BYTES;
    if (str_find(s, '"') == s.n) {
        return s;
    }
    char *text = arena_alloc(a, 4 * s.n);
    char *to = text;
    for (size_t i = 0; i < s.n; i++) {
        size_t n = s.p[i] == '"' ? 4 : 1;
        memcpy(to, n == 4 ? "\\x22" : s.p + i, n);
        to += n;
    }
    return str_n(text, (size_t)(to - text));
}

static size_t
log_format(char *line, enum log_level level, const char *text, const char *why)
{
    struct str when = clock_error_log();
    int n = snprintf(line, LINE_MAX_BYTES, "%.*s [%s] %d: ", STR_ARG(when),
        level_names[level], (int)getpid());
    char *end = line + LINE_MAX_BYTES;
    char *p = log_escape(line + n, end - 4 - strlen(why), text);
    p = log_escape(p, end, why);
    *p++ = '\n';
    return (size_t)(p - line);
}

/* Logs how many lines were lost. False: that could not be written either. */
static bool
log_tell_lost(void)
{
    char line[LINE_MAX_BYTES], text[64], why[LOG_ERRNO_MAX];
    uint64_t lost = appender.n_lost;
    snprintf(text, sizeof text, "%llu line%s of this log %s lost",
        (unsigned long long)lost, lost == 1 ? "" : "s",
        lost == 1 ? "was" : "were");
    size_t n =
        log_format(line, LOG_ALERT, text, log_errno_text(appender.err, why));
    bool is_there = appender_write(&appender, log_fd, str_n(line, n));
    appender.n_lost = is_there ? 0 : lost;
    return is_there;
}

/* A full disk must not stop traffic: what cannot be written is lost. */
static void
log_put(struct str line)
{
    char why[LOG_ERRNO_MAX];
    if (appender_pid != getpid()) {
        appender_pid = getpid();
        appender = (struct appender){ .is_torn = appender.is_torn };
    }
    bool is_first = appender.n_lost == 0;
    if (!is_first && !log_tell_lost()) {
        appender.n_lost++;
    } else if (!appender_write(&appender, log_fd, line) &&
               log_fd != STDERR_FILENO) {
        dprintf(STDERR_FILENO,
            "weir: the error log cannot be written to%s: %.*s",
            log_errno_text(appender.err, why), STR_ARG(line));
    }
}

const char *
log_errno_text(int err, char text[LOG_ERRNO_MAX])
{
    snprintf(text, LOG_ERRNO_MAX, " (%d: %s)", err, strerror(err));
    return text;
}

static void
log_line(enum log_level level, int err, const char *fmt, va_list ap)
{
    char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES], why[LOG_ERRNO_MAX] = "";
    if (!log_is_on(level) && level >= LOG_INFO) {
        return;
    }
    if (vsnprintf(text, sizeof text, fmt, ap) < 0) {
        text[0] = '\0';
    }
    if (err != 0) {
        (void)log_errno_text(err, why);
    }
    size_t n = log_format(line, level, text, why);
    log_remember(line, n);
    if (log_is_on(level)) {
        log_put(str_n(line, n));
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
        if (recent[at].n != 0) {
            log_put(str_n(recent[at].text, recent[at].n));
        }
    }
}
