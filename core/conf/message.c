/*
 * Messages about a configuration: the first error, and warnings. set() and
 * check() of all rooms call it; it logs nothing.
 */

#include "conf/bind.h"

#include <stdarg.h>
#include <stdio.h>

#include "conf/bind_priv.h"

#define WARNINGS_MAX 100

struct conf_warning {
    struct str text;
    struct conf_warning *next;
};

/* Writes the message and its place. A long text of the token is cut short. */
static struct str
compose(struct conf *c, const struct token *at, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    AN(n >= 0);
    char *text = arena_alloc(c->arena, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, fmt, ap);
    if (at == NULL) {
        return str_n(text, (size_t)n);
    }
    char *hit = at->text.n > TOKEN_SHOWN_MAX
                    ? memmem(text, (size_t)n, at->text.p, at->text.n)
                    : NULL;
    if (hit == NULL) {
        return arena_printf(c->arena, "%s in %s:%u", text, at->file, at->line);
    }
    return arena_printf(c->arena, "%.*s...%s in %s:%u",
        (int)(hit - text) + TOKEN_SHOWN_MAX, text, hit + at->text.n, at->file,
        at->line);
}

static void
error_set(struct conf *c, const struct token *at, const char *fmt, va_list ap)
{
    struct str text = compose(c, at, fmt, ap);
    snprintf(c->error, sizeof c->error, "%.*s", STR_ARG(text));
}

bool
conf_error(struct bind *b, const struct token *at, const char *fmt, ...)
{
    va_list ap;
    if (b->conf->error[0] == '\0') {
        va_start(ap, fmt);
        error_set(b->conf, at, fmt, ap);
        va_end(ap);
    }
    return false;
}

int
conf_fail(struct conf *c, const struct token *at, const char *fmt, ...)
{
    va_list ap;
    if (c->error[0] == '\0') {
        va_start(ap, fmt);
        error_set(c, at, fmt, ap);
        va_end(ap);
    }
    return -1;
}

static void
warning_add(struct conf *c, struct str text)
{
    struct conf_warning **end = &c->warnings;
    while (*end != NULL) {
        if (str_eq((*end)->text, text)) {
            return;
        }
        end = &(*end)->next;
    }
    *end = arena_calloc(c->arena, sizeof **end);
    (*end)->text = text;
    c->n_warnings++;
}

void
conf_warn(struct conf *c, const struct token *at, const char *fmt, ...)
{
    va_list ap;
    if (c->n_warnings > WARNINGS_MAX) {
        return;
    }
    if (c->n_warnings == WARNINGS_MAX) {
        warning_add(c, STR("there is more to warn of, which is left out"));
        return;
    }
    va_start(ap, fmt);
    warning_add(c, compose(c, at, fmt, ap));
    va_end(ap);
}

bool
conf_warning(const struct conf *c, unsigned i, struct str *text)
{
    const struct conf_warning *w = c->warnings;
    while (w != NULL && i-- != 0) {
        w = w->next;
    }
    if (w == NULL) {
        return false;
    }
    *text = w->text;
    return true;
}

bool
conf_has_warning(const struct conf *c, struct str text)
{
    const struct conf_warning *w = c->warnings;
    while (w != NULL && !str_eq(w->text, text)) {
        w = w->next;
    }
    return w != NULL;
}
