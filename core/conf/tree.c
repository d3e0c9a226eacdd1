/*
 * Reads files into a tree of directives. Follows `include`, within bounds, and
 * knows no other directive. bind.c calls it.
 */

#include "conf/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/lex.h"

#define INCLUDE_DEPTH_MAX 16
#define BLOCK_DEPTH_MAX 32
#define FILES_MAX 1024
#define BYTES_MAX (64u << 20)

struct reader {
    struct arena *arena;
    struct str dir; /* of the main file, with '/'; p NULL: no includes */
    struct tree_file *files, **files_end;
    unsigned n_files, include_depth;
    size_t n_bytes;
    char *err;
    size_t err_size;
};

/* Where the next directive goes. */
struct place {
    struct directive **end;
    unsigned depth;
};

static bool reader_fail(struct reader *r, const struct token *at,
    const char *fmt, ...) printf_like(3, 4);

static bool
reader_fail(struct reader *r, const struct token *at, const char *fmt, ...)
{
    char what[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (at != NULL) {
        snprintf(r->err, r->err_size, "%s in %s:%u", what, at->file, at->line);
    } else {
        snprintf(r->err, r->err_size, "%s", what);
    }
    return false;
}

static bool parse_block(struct reader *r, struct lexer *x, struct place *to,
    const struct directive *parent);
static bool read_file(struct reader *r, const char *path,
    const struct token *at, struct place *to);

/* Reads an open file whole. A pipe or a device could block or never end, so it
 * reads regular files only. */
static bool
read_fd(struct reader *r, int fd, struct str name, const struct token *at)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return reader_fail(r, at, "\"%s\" is not a regular file", name.p);
    }
    if (st.st_size < 0 || (uint64_t)st.st_size > BYTES_MAX - r->n_bytes) {
        return reader_fail(
            r, at, "configuration is over 64m with \"%s\"", name.p);
    }
    char why[LOG_ERRNO_MAX];
    size_t size = (size_t)st.st_size, n = 0;
    char *text = arena_alloc(r->arena, size + 1);
    while (n < size) {
        ssize_t got = read(fd, text + n, size - n);
        if (got < 0 && errno != EINTR) {
            return reader_fail(r, at, "read() \"%s\" failed%s", name.p,
                log_errno_text(errno, why));
        }
        if (got == 0) {
            break; /* it shrank meanwhile */
        }
        n += got > 0 ? (size_t)got : 0;
    }
    text[n] = '\0';
    r->n_bytes += n;
    AN(r->n_bytes <= BYTES_MAX);
    struct tree_file *f = arena_calloc(r->arena, sizeof *f);
    *f = (struct tree_file){ name, str_n(text, n), NULL };
    *r->files_end = f;
    r->files_end = &f->next;
    return true;
}

static bool
open_file(struct reader *r, struct str name, const struct token *at)
{
    char why[LOG_ERRNO_MAX];
    if (r->n_files++ == FILES_MAX) {
        return reader_fail(
            r, at, "more than %u configuration files", FILES_MAX);
    }
    int fd = open(name.p, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return reader_fail(r, at, "open() \"%s\" failed%s", name.p,
            log_errno_text(errno, why));
    }
    bool ok = read_fd(r, fd, name, at);
    close(fd);
    return ok;
}

static bool
read_file(struct reader *r, const char *path, const struct token *at,
    struct place *to)
{
    struct str name = arena_dup(r->arena, str_of(path));
    struct tree_file **slot = r->files_end;
    if (!open_file(r, name, at)) {
        return false;
    }
    AN(*slot != NULL && (*slot)->next == NULL);
    struct lexer x;
    lex_init(&x, r->arena, (*slot)->text, name.p);
    return parse_block(r, &x, to, NULL);
}

static bool
read_glob(struct reader *r, const char *pattern, const struct token *at,
    struct place *to)
{
    glob_t g = { 0 };
    int rc = glob(pattern, 0, NULL, &g); /* sorted by name */
    bool ok = rc == 0 || rc == GLOB_NOMATCH ||
              reader_fail(r, at, "glob() \"%s\" failed", pattern);
    for (size_t i = 0; rc == 0 && ok && i < g.gl_pathc; i++) {
        ok = read_file(r, g.gl_pathv[i], at, to);
    }
    globfree(&g);
    return ok;
}

static bool
include(struct reader *r, const struct directive *d, struct place *to)
{
    if (r->dir.p == NULL) {
        return reader_fail(
            r, &d->name, "\"include\" directive is not allowed here");
    }
    if (d->n_args != 1) {
        return reader_fail(r, &d->name,
            "invalid number of arguments in \"include\" directive");
    }
    const struct token *arg = &d->args[0];
    if (r->include_depth == INCLUDE_DEPTH_MAX) {
        return reader_fail(r, arg,
            "\"include\" is nested over %u deep: a loop?", INCLUDE_DEPTH_MAX);
    }
    struct str dir =
        arg->text.n != 0 && arg->text.p[0] == '/' ? STR("") : r->dir;
    struct str path =
        arena_printf(r->arena, "%.*s%.*s", STR_ARG(dir), STR_ARG(arg->text));
    bool is_glob = arg->text.p[strcspn(arg->text.p, "*?[")] != '\0';
    r->include_depth++;
    bool ok =
        is_glob ? read_glob(r, path.p, arg, to) : read_file(r, path.p, arg, to);
    AN(r->include_depth != 0);
    r->include_depth--;
    return ok;
}

/* Reads the words behind the name, up to `;` or `{`. LEX_ERROR: the message is
 * recorded. */
static enum lex
parse_args(struct reader *r, struct lexer *x, struct directive *d)
{
    struct token t, *args = NULL;
    enum lex what = lex_next(x, &t);
    while (what == LEX_WORD) {
        args = xgrow(args, d->n_args, sizeof *args);
        args[d->n_args++] = t;
        what = lex_next(x, &t);
    }
    if (d->n_args != 0) {
        d->args = arena_alloc(r->arena, d->n_args * sizeof *args);
        memcpy(d->args, args, d->n_args * sizeof *args);
    }
    xfree(args);
    if (what == LEX_ERROR) {
        reader_fail(r, &t, "%s", x->message);
    }
    return what;
}

static bool
parse_children(
    struct reader *r, struct lexer *x, struct directive *d, unsigned depth)
{
    if (depth == BLOCK_DEPTH_MAX) {
        return reader_fail(
            r, &d->name, "blocks are nested over %u deep", BLOCK_DEPTH_MAX);
    }
    AN(!d->is_block && d->children == NULL);
    struct place inside = { &d->children, depth + 1 };
    d->is_block = true;
    return parse_block(r, x, &inside, d);
}

static bool
parse_directive(struct reader *r, struct lexer *x, const struct token *name,
    struct place *to)
{
    struct directive *d = arena_calloc(r->arena, sizeof *d);
    d->name = *name;
    enum lex what = parse_args(r, x, d);
    if (what == LEX_ERROR) {
        return false;
    }
    if (str_eq(d->name.text, STR("include"))) {
        return what == LEX_END ? include(r, d, to)
                               : reader_fail(r, &d->name,
                                     "directive \"include\" is not "
                                     "terminated by \";\"");
    }
    AZ(*to->end);
    *to->end = d;
    to->end = &d->next;
    return what != LEX_OPEN || parse_children(r, x, d, to->depth);
}

/* Reads up to the `}` of `parent`; NULL: up to the end of the file. */
static bool
parse_block(struct reader *r, struct lexer *x, struct place *to,
    const struct directive *parent)
{
    struct token t;
    enum lex what = lex_next(x, &t);
    while (what == LEX_WORD) {
        if (!parse_directive(r, x, &t, to)) {
            return false;
        }
        what = lex_next(x, &t);
    }
    if (what == LEX_ERROR) {
        return reader_fail(r, &t, "%s", x->message);
    }
    if (what == LEX_CLOSE && parent == NULL) {
        return reader_fail(r, &t, "unexpected \"}\"");
    }
    if (what == LEX_EOF && parent != NULL) {
        return reader_fail(r, &t,
            "unexpected end of file, expecting \"}\" of \"%.*s\" on line %u",
            (int)(parent->name.text.n < TOKEN_SHOWN_MAX ? parent->name.text.n
                                                        : TOKEN_SHOWN_MAX),
            parent->name.text.p, parent->name.line);
    }
    return true;
}

struct directive *
tree_read_files(struct arena *a, const char *path, struct tree_file **files,
    char *err, size_t err_size)
{
    const char *slash = strrchr(path, '/');
    struct reader r = { .arena = a,
        .dir =
            slash != NULL ? str_n(path, (size_t)(slash - path) + 1) : STR(""),
        .err = err,
        .err_size = err_size };
    struct directive *first = NULL;
    struct place to = { &first, 0 };
    r.files_end = &r.files;
    err[0] = '\0';
    bool ok = read_file(&r, path, NULL, &to);
    *files = r.files;
    return ok ? first : NULL;
}

struct directive *
tree_read(struct arena *a, const char *path, char *err, size_t err_size)
{
    struct tree_file *files;
    return tree_read_files(a, path, &files, err, err_size);
}

struct directive *
tree_parse(struct arena *a, struct str text, const char *name, char *err,
    size_t err_size)
{
    struct reader r = { .arena = a, .err = err, .err_size = err_size };
    struct directive *first = NULL;
    struct place to = { &first, 0 };
    struct lexer x;
    err[0] = '\0';
    lex_init(&x, a, text, arena_dup(a, str_of(name)).p);
    return parse_block(&r, &x, &to, NULL) ? first : NULL;
}
