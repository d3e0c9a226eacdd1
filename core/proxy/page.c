/*
 * Error pages, read once. Called when a config is built and by reply.c.
 */

#include "proxy/page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

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
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        st.st_size > PAGE_MAX_BYTES) {
        return false;
    }
    char *text = arena_alloc(a, (size_t)st.st_size + 1);
    ssize_t n = read(fd, text, (size_t)st.st_size);
    *out = str_n(text, n > 0 ? (size_t)n : 0);
    return n == st.st_size;
}

/* A page that is not there is no error. */
static bool
page_read(struct arena *a, struct str dir, const char *name, struct str *out)
{
    char path[4096];
    snprintf(path, sizeof path, "%.*s/%s.html", STR_ARG(dir), name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT || errno == ENOTDIR;
    }
    bool ok = page_load(a, fd, out);
    close(fd);
    return ok;
}

struct pages *
pages_read(struct arena *a, struct str dir, char *err, size_t err_size)
{
    struct pages *p = arena_calloc(a, sizeof *p);
    bool ok = page_read(a, dir, "error", &p->general);
    for (size_t i = 0; i < LEN(statuses) && ok; i++) {
        char name[8];
        snprintf(name, sizeof name, "%u", statuses[i]);
        ok = page_read(a, dir, name, &p->by_status[i]);
    }
    if (!ok) {
        snprintf(err, err_size, "cannot read the pages in \"%.*s\"",
            STR_ARG(dir));
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
