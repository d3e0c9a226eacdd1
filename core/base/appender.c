/*
 * Called by log.c and proxy/logfile.c. A write that was cut short leaves a
 * piece of a line at the end of the file. It is removed at once: while the disk
 * is full no other process can append after it.
 */

#include "base/appender.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t
count_lines(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        n += s.p[i] == '\n';
    }
    return n;
}

/* Bytes up to the end of the last whole line. */
static size_t
whole_lines(struct str s)
{
    while (s.n != 0 && s.p[s.n - 1] != '\n') {
        s.n--;
    }
    return s.n;
}

static bool
is_file(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* Whether all was written. After a short write the rest is written too, but not
 * to a regular file. *n: bytes that were written. */
static bool
write_all(int fd, struct str s, size_t *n)
{
    ssize_t r;
    *n = 0;
    do {
        r = write(fd, s.p + *n, s.n - *n);
        *n += r > 0 ? (size_t)r : 0;
    } while ((r < 0 && errno == EINTR) || (r > 0 && *n < s.n && !is_file(fd)));
    if (r >= 0) {
        errno = ENOSPC; /* another write would fail by this error */
    }
    return *n == s.n;
}

/* Removes the last `n` bytes of a file, if nobody has appended to it since. */
static bool
take_off(int fd, size_t n)
{
    struct stat st;
    off_t end = lseek(fd, 0, SEEK_CUR);
    return is_file(fd) && end >= (off_t)n && fstat(fd, &st) == 0 &&
           st.st_size == end && ftruncate(fd, end - (off_t)n) == 0;
}

bool
appender_write(struct appender *a, int fd, struct str lines)
{
    size_t n = 0;
    if (a->is_torn) {
        a->is_torn = !write_all(fd, STR("\n"), &n);
    }
    if (!a->is_torn && write_all(fd, lines, &n)) {
        return true;
    }
    a->err = errno;
    size_t whole = a->is_torn ? 0 : whole_lines(str_n(lines.p, n));
    a->is_torn = a->is_torn || (n != whole && !take_off(fd, n - whole));
    a->n_lost += count_lines(str_skip(lines, whole));
    return false;
}
