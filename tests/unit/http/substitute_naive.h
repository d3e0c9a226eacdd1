#pragma once

/*
 * What fill.c has to do, done to a whole text: JSON by a parser that descends,
 * forms by splitting. For the fuzz target, which holds the two against each
 * other.
 */

#include "base/json.h"
#include "http/substitute.h"

struct naive {
    struct str text;
    size_t at;
    const struct substitute_rule *rules;
    unsigned n_rules;
    const struct str *values; /* of the rules, escaped */
    struct str path[JSON_DEPTH_MAX + 1];
    size_t depth;
    unsigned n_found;
    struct bufq *out;
    struct arena *arena;
};

static bool naive_value(struct naive *v);

static int
naive_peek(const struct naive *v)
{
    return v->at < v->text.n ? (unsigned char)v->text.p[v->at] : -1;
}

static void
naive_give(struct naive *v, size_t n)
{
    bufq_append(v->out, str_n(v->text.p + v->at, n));
    v->at += n;
}

static bool
naive_take(struct naive *v, char c)
{
    if (naive_peek(v) != c) {
        return false;
    }
    naive_give(v, 1);
    return true;
}

static void
naive_blanks(struct naive *v)
{
    while (naive_take(v, ' ') || naive_take(v, '\t') || naive_take(v, '\n') ||
           naive_take(v, '\r')) {
    }
}

static int
naive_hex(const struct naive *v, size_t at)
{
    int code = 0;
    for (size_t i = at; i < at + 4; i++) {
        int digit = i < v->text.n ? ascii_hex((unsigned char)v->text.p[i]) : -1;
        if (digit < 0) {
            return -1;
        }
        code = code * 16 + digit;
    }
    return code;
}

/* A character: its code unit, or the code point where it stands as it is; how
 * many bytes it takes. -1: none. */
static int
naive_char(const struct naive *v, size_t at, size_t *n)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    struct str rest = str_skip(v->text, at);
    *n = utf8_length(rest);
    if (*n == 0 || (unsigned char)rest.p[0] < 0x20 || rest.p[0] == '"') {
        return -1;
    }
    if (rest.p[0] != '\\') {
        return *n == 1 ? rest.p[0] : 0x110000;
    }
    *n = rest.n > 1 && rest.p[1] == 'u' ? 6 : 2;
    if (*n == 6) {
        return naive_hex(v, at + 2);
    }
    const char *found =
        rest.n > 1 && rest.p[1] != '\0' ? strchr(from, rest.p[1]) : NULL;
    return found != NULL ? to[found - from] : -1;
}

/* The placeholder of that rule at `at`: how many bytes it takes, else 0. */
static size_t
naive_match(const struct naive *v, size_t at, struct str placeholder)
{
    size_t start = at, n;
    for (size_t i = 0; i < placeholder.n; i++) {
        if (naive_char(v, at, &n) != placeholder.p[i]) {
            return 0;
        }
        at += n;
    }
    return at - start;
}

static bool
naive_is_named(const struct naive *v, const struct json_pointer *p)
{
    bool is_it = p->n == v->depth;
    for (size_t i = 0; i < v->depth && is_it; i++) {
        is_it = v->path[i].p != NULL && str_eq(p->tokens[i], v->path[i]);
    }
    return is_it;
}

static bool
naive_text(struct naive *v)
{
    size_t n;
    naive_give(v, 1);
    while (naive_peek(v) != '"') {
        size_t best = 0, longest = 0, bytes = 0;
        for (unsigned i = 0; i < v->n_rules; i++) {
            struct str p = v->rules[i].placeholder;
            size_t k = naive_is_named(v, v->rules[i].pointer)
                           ? naive_match(v, v->at, p)
                           : 0;
            if (k != 0 && p.n > longest) {
                longest = p.n;
                bytes = k;
                best = i;
            }
        }
        if (longest != 0) {
            bufq_append(v->out, v->values[best]);
            v->at += bytes;
            v->n_found++;
        } else if (naive_char(v, v->at, &n) >= 0) {
            naive_give(v, n);
        } else {
            return false;
        }
    }
    return naive_take(v, '"');
}

static size_t
naive_utf8(unsigned c, char *to)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    size_t n = c < 0x10000 ? 3 : 4;
    to[0] = (char)(n == 3 ? 0xe0 | c >> 12 : 0xf0 | c >> 18);
    to[n - 3] = (char)(n == 3 ? to[0] : (char)(0x80 | (c >> 12 & 63)));
    to[n - 2] = (char)(0x80 | (c >> 6 & 63));
    to[n - 1] = (char)(0x80 | (c & 63));
    return n;
}

/* A key's characters; p NULL: half a surrogate pair is in it. */
static bool
naive_key(struct naive *v, struct str *key)
{
    char *to = arena_alloc(v->arena, v->text.n + 1);
    size_t n, k = 0;
    bool is_whole = true;
    if (naive_peek(v) != '"') {
        return false;
    }
    naive_give(v, 1);
    while (naive_peek(v) != '"') {
        int c = naive_char(v, v->at, &n), low;
        if (c < 0) {
            return false;
        }
        low = n == 6 && v->at + 8 <= v->text.n &&
                      v->text.p[v->at + 6] == '\\' &&
                      v->text.p[v->at + 7] == 'u'
                  ? naive_hex(v, v->at + 8)
                  : -1;
        if (n == 6 && c >= 0xd800 && c < 0xdc00 && low >= 0xdc00 &&
            low < 0xe000) {
            n = 12;
            c = 0x10000 + (c - 0xd800) * 0x400 + (low - 0xdc00);
        }
        is_whole = is_whole && (c < 0xd800 || c > 0xdfff);
        if (c == 0x110000) {
            memcpy(to + k, v->text.p + v->at, n);
            k += n;
        } else {
            k += naive_utf8((unsigned)c, to + k);
        }
        naive_give(v, n);
    }
    *key = is_whole ? str_n(to, k) : STR_NONE;
    return naive_take(v, '"');
}

/* Rules whose pointer goes on from here by `key`. */
static uint32_t
naive_on_path(const struct naive *v, struct str key)
{
    uint32_t found = 0;
    for (unsigned i = 0; i < v->n_rules; i++) {
        const struct json_pointer *p = v->rules[i].pointer;
        bool is_it = p->n > v->depth && key.p != NULL &&
                     str_eq(p->tokens[v->depth], key);
        for (size_t k = 0; k < v->depth && is_it; k++) {
            is_it = v->path[k].p != NULL && str_eq(p->tokens[k], v->path[k]);
        }
        found |= is_it ? 1u << i : 0;
    }
    return found;
}

static bool
naive_inside(struct naive *v, struct str key)
{
    v->path[v->depth++] = key;
    bool ok = naive_value(v);
    v->depth--;
    return ok;
}

static bool
naive_object(struct naive *v)
{
    uint32_t seen = 0;
    naive_blanks(v);
    if (naive_take(v, '}')) {
        return true;
    }
    do {
        struct str key;
        naive_blanks(v);
        if (!naive_key(v, &key)) {
            return false;
        }
        uint32_t here = naive_on_path(v, key);
        naive_blanks(v);
        if ((seen & here) != 0 || !naive_take(v, ':') ||
            !naive_inside(v, key)) {
            return false;
        }
        seen |= here;
        naive_blanks(v);
    } while (naive_take(v, ','));
    return naive_take(v, '}');
}

static bool
naive_array(struct naive *v)
{
    unsigned n = 0;
    naive_blanks(v);
    if (naive_take(v, ']')) {
        return true;
    }
    do {
        struct str index = arena_printf(v->arena, "%u", n++);
        if (!naive_inside(v, index)) {
            return false;
        }
        naive_blanks(v);
    } while (naive_take(v, ','));
    return naive_take(v, ']');
}

static size_t
naive_digits(struct naive *v)
{
    size_t n = 0;
    while (naive_peek(v) >= '0' && naive_peek(v) <= '9') {
        naive_give(v, 1);
        n++;
    }
    return n;
}

static bool
naive_number(struct naive *v)
{
    naive_take(v, '-');
    if (!naive_take(v, '0') && naive_digits(v) == 0) {
        return false;
    }
    if (naive_take(v, '.') && naive_digits(v) == 0) {
        return false;
    }
    if (naive_take(v, 'e') || naive_take(v, 'E')) {
        if (!naive_take(v, '+')) {
            naive_take(v, '-');
        }
        return naive_digits(v) != 0;
    }
    return true;
}

static bool
naive_literal(struct naive *v, struct str s)
{
    bool is_it = str_starts(str_skip(v->text, v->at), s);
    naive_give(v, is_it ? s.n : 0);
    return is_it;
}

static bool
naive_value(struct naive *v)
{
    naive_blanks(v);
    switch (naive_peek(v)) {
    case '"':
        return naive_text(v);
    case '{':
    case '[':
        if (v->depth == JSON_DEPTH_MAX) {
            return false;
        }
        return naive_take(v, '{') ? naive_object(v)
                                  : naive_take(v, '[') && naive_array(v);
    case 't':
        return naive_literal(v, STR("true"));
    case 'f':
        return naive_literal(v, STR("false"));
    case 'n':
        return naive_literal(v, STR("null"));
    default:
        return naive_number(v);
    }
}

/* False: it is no JSON, or ambiguous. */
static bool
naive_fill(struct naive *v)
{
    bool ok = naive_value(v);
    naive_blanks(v);
    return ok && v->at == v->text.n;
}

/* A character of a form, decoded, and how many bytes it takes; -1: an escape
 * that is none. */
static int
form_char(struct str s, size_t at, size_t *n)
{
    unsigned char c = (unsigned char)s.p[at];
    *n = 1;
    if (c != '%') {
        return c == '+' ? ' ' : c;
    }
    *n = 3;
    int high = at + 1 < s.n ? ascii_hex((unsigned char)s.p[at + 1]) : -1;
    int low = at + 2 < s.n ? ascii_hex((unsigned char)s.p[at + 2]) : -1;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* How many bytes of `s` from `at` on are `text`, encoded; SIZE_MAX: none. */
static size_t
form_match(struct str s, size_t at, struct str text)
{
    size_t start = at, n;
    for (size_t i = 0; i < text.n; i++) {
        if (at >= s.n || form_char(s, at, &n) != (unsigned char)text.p[i]) {
            return SIZE_MAX;
        }
        at += n;
    }
    return at - start;
}

static void
form_value(struct naive *v, struct str name, struct str value)
{
    size_t at = 0, n;
    while (at < value.n && value.p[at] != ';') {
        size_t longest = 0, bytes = 0;
        unsigned best = 0;
        for (unsigned i = 0; i < v->n_rules; i++) {
            struct str p = v->rules[i].placeholder;
            size_t k = form_match(value, at, p);
            bool is_for = form_match(name, 0, v->rules[i].name) == name.n;
            if (is_for && k != SIZE_MAX && p.n > longest) {
                longest = p.n;
                bytes = k;
                best = i;
            }
        }
        if (longest != 0) {
            bufq_append(v->out, v->values[best]);
            v->n_found++;
            at += bytes;
        } else {
            form_char(value, at, &n);
            bufq_append(v->out, str_n(value.p + at, n));
            at += n;
        }
    }
    bufq_append(v->out, str_skip(value, at));
}

/* False: an escape is none. */
static bool
naive_form(struct naive *v)
{
    struct str rest = v->text, part;
    size_t n;
    for (size_t at = 0; at < v->text.n; at += n) {
        if (form_char(v->text, at, &n) < 0) {
            return false;
        }
    }
    for (bool is_first = true; str_cut(&rest, '&', &part); is_first = false) {
        size_t eq = str_find(part, '=');
        size_t head = eq < part.n ? eq + 1 : eq;
        bufq_append(v->out, is_first ? STR("") : STR("&"));
        bufq_append(v->out, str_n(part.p, head));
        form_value(v, str_n(part.p, eq), str_skip(part, head));
    }
    return true;
}
