/*
 * Strings with variables. A string is cut once into literals and variables, and
 * rendered into an arena as often as it is needed.
 */

#include "conf/value.h"

#include "base/regex.h"
#include "conf/bind_priv.h"

#define PIECES_MAX 64

struct piece {
    struct str text; /* a literal, or what follows the variable's prefix */
    const struct var_def *def; /* NULL: a literal */
    void *arg;
};

struct value {
    struct piece *pieces;
    unsigned n;
    bool has_secret;
};

static bool
is_name_byte(char c)
{
    return ascii_is_alpha((unsigned char)c) ||
           ascii_is_digit((unsigned char)c) || c == '_';
}

/* How well `def` fits the name; 0: not at all. A longer prefix fits better, and
 * the whole name best. */
static size_t
var_fit(const struct var_def *def, struct str name)
{
    struct str own = str_of(def->name);
    if (def->flags & VAR_CAPTURE) {
        return 0;
    }
    if (def->flags & VAR_PREFIX) {
        return name.n > own.n && str_starts(name, own) ? own.n : 0;
    }
    return str_eq(name, own) ? SIZE_MAX : 0;
}

/* The definition of any part that fits best; *rest is what follows a prefix. */
static const struct var_def *
var_find(const struct conf *c, struct str name, struct str *rest)
{
    const struct var_def *found = NULL;
    size_t best = 0;
    for (unsigned i = 0; i < c->n_parts; i++) {
        const struct var_def *v = c->parts[i]->vars;
        for (; v != NULL && v->name != NULL; v++) {
            size_t fit = var_fit(v, name);
            if (fit > best) {
                best = fit;
                found = v;
            }
        }
    }
    *rest = best != SIZE_MAX ? str_skip(name, best) : name;
    return found;
}

static const struct var_def *
var_capture(const struct conf *c)
{
    for (unsigned i = 0; i < c->n_parts; i++) {
        const struct var_def *v = c->parts[i]->vars;
        for (; v != NULL && v->name != NULL; v++) {
            if (v->flags & VAR_CAPTURE) {
                return v;
            }
        }
    }
    return NULL;
}

/* $0 to $9, or a named group, of the nearest block with a regex. */
static bool
capture_find(const struct regex *re, struct str name, uintptr_t *number)
{
    if (re == NULL) {
        return false;
    }
    if (name.n == 1 && ascii_is_digit((unsigned char)name.p[0])) {
        *number = (uintptr_t)(name.p[0] - '0');
        return true;
    }
    for (unsigned i = 0; i < regex_names(re); i++) {
        unsigned at;
        if (str_eq(regex_name(re, i, &at), name) && at < REGEX_CAPTURES) {
            *number = at;
            return true;
        }
    }
    return false;
}

static bool
piece_resolve(struct bind *b, const struct token *t, struct str name,
    bool with_secrets, struct piece *p)
{
    uintptr_t number;
    const struct conf *c = b->conf;
    if (capture_find(b->scope->captures, name, &number)) {
        p->def = var_capture(c);
        p->text = name;
        p->arg = (void *)number;
    } else {
        p->def = var_find(c, name, &p->text);
    }
    if (p->def == NULL) {
        return conf_error(b, t, "unknown \"%.*s\" variable", STR_ARG(name));
    }
    if ((p->def->flags & VAR_SECRET) && !with_secrets) {
        return conf_error(
            b, t, "a secret may not stand in \"%.*s\"", STR_ARG(t->text));
    }
    return p->def->prepare == NULL || p->def->prepare(b, t, p->text, &p->arg);
}

/* The name at the start of `s`, which begins behind the '$'; n 0: there is
 * none. *used is its length with braces. The number of a capture is one digit,
 * as in nginx: "$12" is $1 and "2". */
static struct str
name_cut(struct str s, size_t *used)
{
    size_t n = 0;
    bool is_braced = s.n != 0 && s.p[0] == '{';
    struct str name = is_braced ? str_skip(s, 1) : s;
    bool is_capture = name.n != 0 && ascii_is_digit((unsigned char)name.p[0]);
    while (n < name.n && is_name_byte(name.p[n]) && !(is_capture && n == 1)) {
        n++;
    }
    *used = n + (is_braced ? 2 : 0);
    if (is_braced && (n >= name.n || name.p[n] != '}')) {
        return STR_NONE;
    }
    return str_n(name.p, n);
}

static bool
value_cut(
    struct bind *b, const struct token *t, bool with_secrets, struct value *v)
{
    struct str s = t->text;
    while (s.n != 0) {
        if (v->n + 2 > PIECES_MAX) {
            return conf_error(b, t, "too many variables");
        }
        size_t dollar = str_find(s, '$');
        if (dollar != 0) {
            v->pieces[v->n++].text = str_n(s.p, dollar);
            s = str_skip(s, dollar);
            continue;
        }
        size_t used;
        struct str name = name_cut(str_skip(s, 1), &used);
        struct piece *p = &v->pieces[v->n++];
        if (name.n == 0) {
            return conf_error(
                b, t, "invalid variable name in \"%.*s\"", STR_ARG(t->text));
        }
        if (!piece_resolve(b, t, name, with_secrets, p)) {
            return false;
        }
        v->has_secret = v->has_secret || (p->def->flags & VAR_SECRET);
        s = str_skip(s, used + 1);
    }
    return true;
}

struct value *
value_compile(struct bind *b, const struct token *t, bool with_secrets)
{
    struct arena *a = b->conf->arena;
    struct value *v = arena_calloc(a, sizeof *v);
    struct piece pieces[PIECES_MAX];
    memset(pieces, 0, sizeof pieces);
    v->pieces = pieces;
    if (!value_cut(b, t, with_secrets, v)) {
        return NULL;
    }
    v->pieces = arena_alloc(a, (v->n + 1) * sizeof *pieces);
    memcpy(v->pieces, pieces, v->n * sizeof *pieces);
    return v;
}

bool
value_is_literal(const struct value *v, struct str *text)
{
    bool is_literal = v->n == 0 || (v->n == 1 && v->pieces[0].def == NULL);
    if (is_literal) {
        *text = v->n != 0 ? v->pieces[0].text : STR("");
    }
    return is_literal;
}

bool
value_has_secret(const struct value *v)
{
    return v->has_secret;
}

bool
value_var(const struct value *v, unsigned i, const struct var_def **def,
    struct str *name, void **arg)
{
    for (unsigned k = 0; k < v->n; k++) {
        if (v->pieces[k].def != NULL && i-- == 0) {
            *def = v->pieces[k].def;
            *name = v->pieces[k].text;
            *arg = v->pieces[k].arg;
            return true;
        }
    }
    return false;
}

bool
value_eval(const struct value *v, void *ctx, struct arena *a, struct str *out)
{
    struct str parts[PIECES_MAX];
    size_t total = 0;
    for (unsigned i = 0; i < v->n; i++) {
        const struct piece *p = &v->pieces[i];
        parts[i] = p->text;
        if (p->def != NULL &&
            !p->def->get(ctx, a, p->text, p->arg, &parts[i])) {
            return false;
        }
        total += parts[i].n;
    }
    if (v->n == 1) {
        *out = parts[0];
        return true;
    }
    char *to = arena_alloc(a, total + 1);
    size_t n = 0;
    for (unsigned i = 0; i < v->n; i++) {
        if (parts[i].n != 0) {
            memcpy(to + n, parts[i].p, parts[i].n);
        }
        n += parts[i].n;
    }
    *out = str_n(to, n);
    return true;
}
