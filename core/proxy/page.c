/*
 * Error pages, read once. Called when a config is built and by reply.c.
 */

#include "proxy/page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define PAGE_MAX_BYTES (64 * 1024)

/* The statuses that weir answers with (SPEC 10). */
static const unsigned statuses[] = { 400, 403, 405, 407, 408, 413, 414, 421,
    431, 502, 503, 504 };

struct pages {
    struct str general;
    struct str by_status[LEN(statuses)];
};

static bool
page_load(struct arena *a, int fd, struct str *out)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return false;
    }
    if (!S_ISREG(st.st_mode) || st.st_size > PAGE_MAX_BYTES) {
        errno = S_ISREG(st.st_mode) ? EFBIG : EISDIR;
        return false;
    }
    char *text = arena_alloc(a, (size_t)st.st_size + 1);
    ssize_t n = read(fd, text, (size_t)st.st_size);
    *out = str_n(text, n > 0 ? (size_t)n : 0);
    errno = n < 0 ? errno : EAGAIN; /* it changes while it is read */
    return n == st.st_size;
}

/* A page that is not there is no error. */
static bool
page_read(struct arena *a, const char *path, struct str *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return errno == ENOENT || errno == ENOTDIR;
    }
    bool ok = page_load(a, fd, out);
    int err = errno;
    close(fd);
    errno = err;
    return ok;
}

struct pages *
pages_read(struct arena *a, struct str dir, char *err, size_t err_size)
{
    char why[LOG_ERRNO_MAX];
    struct pages *p = arena_calloc(a, sizeof *p);
    struct str path = arena_printf(a, "%.*s/error.html", STR_ARG(dir));
    bool ok = page_read(a, path.p, &p->general);
    for (size_t i = 0; i < LEN(statuses) && ok; i++) {
        path = arena_printf(a, "%.*s/%u.html", STR_ARG(dir), statuses[i]);
        ok = page_read(a, path.p, &p->by_status[i]);
    }
    if (!ok) {
        snprintf(err, err_size, "cannot read the page \"%s\"%s", path.p,
            log_errno_text(errno, why));
        return NULL;
    }
    return p;
}

struct str
page_get(const struct pages *p, unsigned status)
{
    for (size_t i = 0; p != NULL && i < LEN(statuses); i++) {
        if (statuses[i] == status && p->by_status[i].n != 0) {
            return p->by_status[i];
        }
    }
    return p != NULL ? p->general : STR_NONE;
}
