/*
 * The lexer. Only tree.c calls it; it knows nothing of directives, and reads
 * no file.
 */

#include "conf/lex.h"

#include <stdarg.h>
#include <stdio.h>

void
lex_init(struct lexer *x, struct arena *a, struct str text, const char *file)
{
    *x = (struct lexer){ .arena = a, .text = text, .file = file, .line = 1 };
    if (str_starts(text, STR("\xef\xbb\xbf"))) {
        x->pos = x->line_start = 3;
    }
}

static void lex_fail(struct lexer *x, const char *fmt, ...) printf_like(2, 3);

static void
lex_fail(struct lexer *x, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(x->message, sizeof x->message, fmt, ap);
    va_end(ap);
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
lex_at_end(const struct lexer *x)
{
    return x->pos == x->text.n;
}

static char
lex_peek(const struct lexer *x)
{
    AN(x->pos < x->text.n);
    return x->text.p[x->pos];
}

static void
lex_step(struct lexer *x)
{
    if (lex_peek(x) == '\n') {
        x->line++;
        x->line_start = x->pos + 1;
    }
    x->pos++;
}

/* Whether only blanks, or a byte order mark, stand before the next item on its
 * line. */
static bool
lex_begins_line(const struct lexer *x)
{
    size_t at = x->line_start;
    while (at < x->pos && is_blank(x->text.p[at])) {
        at++;
    }
    return at == x->pos;
}

static void
lex_skip_blanks(struct lexer *x)
{
    bool in_comment = false;
    while (!lex_at_end(x)) {
        char c = lex_peek(x);
        if (c == '#') {
            in_comment = true;
        } else if (c == '\n') {
            in_comment = false;
        } else if (c == '\0' || (!in_comment && !is_blank(c))) {
            return;
        }
        lex_step(x);
    }
}

static void
lex_place(const struct lexer *x, struct token *t)
{
    AN(x->line_start <= x->pos && x->pos <= x->text.n);
    *t = (struct token){ .text = STR(""),
        .file = x->file,
        .line = x->line,
        .column = (unsigned)(x->pos - x->line_start + 1),
        .begins_line = lex_begins_line(x) };
}

/* What a resolved escape stands for; '\0' if the backslash stays. */
static char
unescape(char c)
{
    switch (c) {
    case '"':
    case '\'':
    case '\\':
        return c;
    case 't':
        return '\t';
    case 'r':
        return '\r';
    case 'n':
        return '\n';
    default:
        return '\0';
    }
}

static struct str
lex_resolve(struct arena *a, struct str raw)
{
    char *p = arena_alloc(a, raw.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < raw.n; i++) {
        char c = raw.p[i];
        char to = c == '\\' && i + 1 < raw.n ? unescape(raw.p[i + 1]) : '\0';
        if (to != '\0') {
            i++;
        }
        p[n++] = to != '\0' ? to : c;
    }
    AN(n <= raw.n);
    p[n] = '\0';
    return str_n(p, n);
}

/* Whether an unquoted word ends before `c`. */
static bool
ends_word(char c, bool is_variable)
{
    return is_blank(c) || c == ';' || (c == '{' && !is_variable);
}

/* Reads from the word's first byte (`quote` not 0: behind that quote) up to the
 * byte that ends it, which it does not take. False at the end of the text. */
static bool
lex_scan(struct lexer *x, char quote)
{
    bool is_variable = false;
    while (!lex_at_end(x)) {
        char c = lex_peek(x);
        if (quote != '\0' ? c == quote : ends_word(c, is_variable)) {
            return true;
        }
        is_variable = c == '$' || (c == '{' && is_variable);
        lex_step(x);
        if (c == '\\' && !lex_at_end(x)) {
            lex_step(x);
        }
    }
    return false;
}

static enum lex
lex_word_is_open(struct lexer *x, char quote)
{
    if (quote != '\0') {
        lex_fail(x, "unexpected end of file, missing terminating %c", quote);
    } else {
        lex_fail(x, "unexpected end of file, expecting \";\" or \"}\"");
    }
    return LEX_ERROR;
}

static enum lex
lex_word(struct lexer *x, struct token *t)
{
    char first = lex_peek(x);
    char quote = first == '"' || first == '\'' ? first : '\0';
    if (quote != '\0') {
        lex_step(x);
    }
    size_t start = x->pos;
    if (!lex_scan(x, quote)) {
        return lex_word_is_open(x, quote);
    }
    struct str raw = str_n(x->text.p + start, x->pos - start);
    if (raw.n > LEX_WORD_MAX) {
        lex_fail(x, "too long parameter \"%.10s...\"", raw.p);
        return LEX_ERROR;
    }
    if (str_find(raw, '\0') < raw.n) {
        lex_fail(x, "a NUL byte");
        return LEX_ERROR;
    }
    if (quote != '\0') {
        AZ(x->was_quoted);
        lex_step(x);
        x->was_quoted = true;
    }
    t->text = lex_resolve(x->arena, raw);
    t->is_quoted = quote != '\0';
    x->in_directive = true;
    return LEX_WORD;
}

/* As in nginx, a blank, `;`, `{` or `)` must follow a closing quote. */
static bool
lex_check_quote(struct lexer *x)
{
    bool was_quoted = x->was_quoted;
    x->was_quoted = false;
    if (!was_quoted || lex_at_end(x) || is_blank(lex_peek(x)) ||
        memchr(";{)", lex_peek(x), 3) != NULL) {
        return true;
    }
    lex_fail(x, "unexpected \"%c\"", lex_peek(x));
    return false;
}

static enum lex
lex_punctuation(struct lexer *x, char c)
{
    bool is_close = c == '}';
    AZ(x->was_quoted);
    if (x->in_directive == is_close) {
        lex_fail(x, "unexpected \"%c\"", c);
        return LEX_ERROR;
    }
    lex_step(x);
    x->in_directive = false;
    return is_close ? LEX_CLOSE : c == '{' ? LEX_OPEN : LEX_END;
}

enum lex
lex_next(struct lexer *x, struct token *t)
{
    lex_place(x, t);
    if (!lex_check_quote(x)) {
        return LEX_ERROR;
    }
    lex_skip_blanks(x);
    lex_place(x, t);
    if (lex_at_end(x)) {
        if (x->in_directive) {
            return lex_word_is_open(x, '\0');
        }
        return LEX_EOF;
    }
    char c = lex_peek(x);
    if (c == ';' || c == '{' || c == '}') {
        return lex_punctuation(x, c);
    }
    if (c == '\0') {
        lex_fail(x, "a NUL byte");
        return LEX_ERROR;
    }
    return lex_word(x, t);
}
