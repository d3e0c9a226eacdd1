/*
 * `token file:PATH` or `env:VAR`. A token is read while the configuration is
 * bound; its SHA-256 is kept, and the token is wiped. A variable is erased from
 * the environment when it is first read; its digest is kept for the later
 * configurations of this process, which cannot read it any more.
 */

#include "sandbox/sandbox_conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/log.h"

/* With the longest id a token must fit into CREDENTIALS_MAX. */
#define TOKEN_MAX 512

/* The digests of variables that were erased: the only state of the process in
 * this file. */
static struct erased {
    struct str name;
    uint8_t sha256[SHA256_SIZE];
    struct erased *next;
} * erased_first;

static struct erased *
erased_find(struct str name)
{
    struct erased *e = erased_first;
    while (e != NULL && !str_eq(e->name, name)) {
        e = e->next;
    }
    return e;
}

static void
erased_set(struct str name, const uint8_t digest[SHA256_SIZE])
{
    struct erased *e = erased_find(name);
    if (e == NULL) {
        e = xcalloc(sizeof *e);
        e->name = str_n(xstrndup(name), name.n);
        e->next = erased_first;
        erased_first = e;
    }
    memcpy(e->sha256, digest, SHA256_SIZE);
}

/* Takes off the newline that editors and echo leave at the end. */
static struct str
without_newline(struct str s)
{
    s.n -= str_ends(s, STR("\r\n")) ? 2 : str_ends(s, STR("\n")) ? 1 : 0;
    return s;
}

/* Hashes a token if clients can send it: RFC 7617 allows no control bytes. */
static bool
token_hash(struct bind *b, struct sandbox_token *k, struct str s)
{
    struct str from = k->at->text;
    if (s.n == 0) {
        return conf_error(
            b, k->at, "the token in \"%.*s\" is empty", STR_ARG(from));
    }
    if (s.n > TOKEN_MAX) {
        return conf_error(b, k->at,
            "the token in \"%.*s\" is longer than %d bytes", STR_ARG(from),
            TOKEN_MAX);
    }
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == 0x7f) {
            return conf_error(b, k->at,
                "the token in \"%.*s\" has a control byte", STR_ARG(from));
        }
    }
    sha256(s, k->sha256);
    return true;
}

/* Reads the whole file, or its first `size` bytes; -1 with errno. */
static ssize_t
file_read(const char *path, char *buf, size_t size)
{
    size_t n = 0;
    ssize_t got = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return -1;
    }
    while (n < size) {
        got = read(fd, buf + n, size - n);
        if (got <= 0) {
            break;
        }
        n += (size_t)got;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return got < 0 ? -1 : (ssize_t)n;
}

static bool
token_from_file(struct bind *b, struct sandbox_token *k, struct str path)
{
    struct conf *c = bind_conf(b);
    char buf[TOKEN_MAX + 3], why[LOG_ERRNO_MAX];
    struct str full = path.n != 0 && path.p[0] == '/'
                          ? path
                          : arena_printf(c->arena, "%.*s%.*s",
                                STR_ARG(c->prefix), STR_ARG(path));
    ssize_t n = file_read(full.p, buf, sizeof buf);
    if (n < 0) {
        return conf_error(b, k->at, "open() \"%.*s\" failed%s", STR_ARG(full),
            log_errno_text(errno, why));
    }
    bool ok = token_hash(b, k, without_newline(str_n(buf, (size_t)n)));
    mem_wipe(buf, sizeof buf);
    return ok;
}

static bool
token_from_env(struct bind *b, struct sandbox_token *k, struct str name)
{
    char *value = getenv(name.p);
    if (value != NULL) {
        bool ok = token_hash(b, k, without_newline(str_of(value)));
        mem_wipe(value, strlen(value));
        unsetenv(name.p);
        if (ok) {
            erased_set(name, k->sha256);
        }
        return ok;
    }
    const struct erased *e = erased_find(name);
    if (e == NULL) {
        return conf_error(b, k->at, "environment variable \"%.*s\" is not set",
            STR_ARG(name));
    }
    memcpy(k->sha256, e->sha256, SHA256_SIZE);
    return true;
}

/* The error does not show the argument: it may be a token written inline. */
bool
set_token(struct bind *b, const struct directive *d, void *field)
{
    struct sandbox_token *k = arena_calloc(bind_conf(b)->arena, sizeof *k);
    struct str source = d->args[0].text;
    k->at = &d->args[0];
    *(struct sandbox_token **)field = k;
    bool is_look = bind_conf(b)->is_look;
    if (is_look) {
        sha256(source, k->sha256); /* two of one source are still an error */
    }
    if (str_starts(source, STR("file:")) && source.n > 5) {
        return is_look || token_from_file(b, k, str_skip(source, 5));
    }
    if (str_starts(source, STR("env:")) && source.n > 4) {
        return is_look || token_from_env(b, k, str_skip(source, 4));
    }
    return conf_error(
        b, k->at, "a token must be \"file:PATH\" or \"env:NAME\"");
}
