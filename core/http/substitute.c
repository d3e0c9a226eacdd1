/*
 * Scans the body, holds the bytes that may begin a placeholder, and replaces
 * placeholders. A value that was put in is not scanned again. Of several
 * placeholders that stand at one place the longest counts, as in headers and
 * queries.
 */

#include "http/substitute.h"

#include "base/json.h"
#include "http/query.h"

/* The most bytes of an encoded character of a placeholder: \u0041, %41. */
#define RAW_MAX 6

static void
scan_init(struct substitution *f, struct arena *a)
{
    struct str *names = arena_calloc(a, f->n_rules * sizeof *names);
    const struct json_pointer **pointers =
        arena_calloc(a, f->n_rules * sizeof *pointers);
    for (unsigned i = 0; i < f->n_rules; i++) {
        names[i] = f->rules[i].name;
        pointers[i] = f->rules[i].pointer;
    }
    if (f->kind == SUBSTITUTE_JSON) {
        json_scan_init(&f->scan.json, pointers, f->n_rules);
    } else {
        form_scan_init(&f->scan.form, names, f->n_rules);
    }
}

void
substitute_init(struct substitution *f, enum substitute_kind kind,
    struct arena *a, const struct substitute_rule *rules, unsigned n)
{
    AN(n != 0 && n <= SCAN_FIELDS_MAX);
    *f = (struct substitution){
        .kind = kind, .rules = rules, .n_rules = n, .longest = 1
    };
    for (unsigned i = 0; i < n; i++) {
        struct str p = rules[i].placeholder;
        AN(p.n != 0 && p.n <= SUBSTITUTE_PLACEHOLDER_MAX);
        unsigned char c = (unsigned char)p.p[0];
        f->first[c / 8] |= (uint8_t)(1u << c % 8);
        f->longest = p.n > f->longest ? p.n : f->longest;
    }
    f->chars = arena_calloc(a, f->longest);
    f->sizes = arena_calloc(a, f->longest);
    f->raw = arena_calloc(a, (f->longest + 1) * RAW_MAX);
    scan_init(f, a);
}

void
substitute_on_value(struct substitution *f, substitute_value *value, void *arg)
{
    AN(value != NULL);
    f->value = value;
    f->arg = arg;
}

void
substitute_on_raw(struct substitution *f, substitute_raw *see)
{
    f->see_raw = see;
}

static enum scan
scan_byte(struct substitution *f, char byte, int *c)
{
    enum scan r;
    if (f->kind == SUBSTITUTE_JSON) {
        r = json_scan_byte(&f->scan.json, (unsigned char)byte);
        *c = f->scan.json.c;
        return r;
    }
    r = form_scan_byte(&f->scan.form, (unsigned char)byte);
    *c = f->scan.form.c;
    return r;
}

static size_t
scan_plain(const struct substitution *f, struct str bytes)
{
    return f->kind == SUBSTITUTE_JSON ? json_scan_plain(&f->scan.json, bytes)
                                      : form_scan_plain(&f->scan.form, bytes);
}

static bool
scan_is_done(const struct substitution *f)
{
    return f->kind == SUBSTITUTE_JSON ? json_scan_is_done(&f->scan.json)
                                      : form_scan_is_done(&f->scan.form);
}

static uint32_t
scan_named(const struct substitution *f)
{
    return f->kind == SUBSTITUTE_JSON ? f->scan.json.named : f->scan.form.named;
}

/* The bytes in `raw` of the first k held characters. */
static size_t
size_of(const struct substitution *f, size_t k)
{
    size_t bytes = 0;
    AN(k <= f->n);
    for (size_t i = 0; i < k; i++) {
        bytes += f->sizes[i];
    }
    return bytes;
}

/* The first k characters are held no more. */
static void
drop(struct substitution *f, size_t k)
{
    size_t bytes = size_of(f, k);
    AN(bytes <= f->size && f->size <= f->n_raw);
    f->n -= k;
    f->size -= bytes;
    f->n_raw -= bytes;
    memmove(f->chars, f->chars + k, f->n);
    memmove(f->sizes, f->sizes + k, f->n);
    memmove(f->raw, f->raw + bytes, f->n_raw);
}

static void
give_raw(struct substitution *f, struct bufq *out, size_t k)
{
    bufq_append(out, str_n(f->raw, size_of(f, k)));
    drop(f, k);
}

/* Whether the held text, from character `at` on, begins with the rule's
 * placeholder, or is the beginning of it. */
static bool
is_begun(const struct substitution *f, size_t at, unsigned rule)
{
    struct str p = f->rules[rule].placeholder;
    AN(at < f->n);
    size_t n = f->n - at < p.n ? f->n - at : p.n;
    return (f->named >> rule & 1) != 0 && memcmp(f->chars + at, p.p, n) == 0;
}

/* The rule of the longest placeholder with which the held text begins; n_rules:
 * none. *is_open: with more text it may be a longer one. */
static unsigned
find_held(const struct substitution *f, bool *is_open)
{
    unsigned best = f->n_rules;
    size_t longest = 0;
    *is_open = false;
    for (unsigned i = 0; i < f->n_rules; i++) {
        size_t n = f->rules[i].placeholder.n;
        if (!is_begun(f, 0, i)) {
            continue;
        }
        if (n > f->n) {
            *is_open = true;
        } else if (n > longest) {
            best = i;
            longest = n;
        }
    }
    return best;
}

/* The first character, behind the very first, at which a placeholder may begin.
 */
static size_t
next_begin(const struct substitution *f)
{
    for (size_t at = 1; at < f->n; at++) {
        for (unsigned i = 0; i < f->n_rules; i++) {
            if (is_begun(f, at, i)) {
                return at;
            }
        }
    }
    return f->n;
}

static enum substitute_result
replace(struct substitution *f, unsigned rule)
{
    AN(rule < f->n_rules && f->value != NULL);
    AZ(f->pending.n);
    if (!f->value(f->arg, rule, &f->pending)) {
        return SUBSTITUTE_REFUSED;
    }
    f->total += f->pending.n;
    if (f->total > SUBSTITUTE_VALUES_MAX) {
        return SUBSTITUTE_TOO_LONG;
    }
    drop(f, f->rules[rule].placeholder.n);
    return SUBSTITUTE_MORE;
}

static bool
give_pending(struct substitution *f, struct bufq *out)
{
    if (f->pending.n != 0) {
        bufq_mark_secret(out);
        size_t n = bufq_write(out, f->pending);
        f->pending = str_skip(f->pending, n);
    }
    return f->pending.n == 0;
}

static void
tell_raw(const struct substitution *f, struct str bytes)
{
    if (f->is_bad && f->see_raw != NULL && bytes.n != 0) {
        f->see_raw(f->arg, bytes);
    }
}

/* The field's text has ended: gives the rest of the held bytes, and `tail`. */
static void
end_text(struct substitution *f, struct bufq *out)
{
    AN(f->is_bad || f->n == 0);
    bufq_append(out, str_n(f->raw, f->n_raw));
    tell_raw(f, str_n(f->raw, f->n_raw));
    if (f->has_tail) {
        tell_raw(f, str_n(&f->tail, 1));
        bufq_append(out, str_n(&f->tail, 1));
    }
    f->n_raw = f->n = f->size = 0;
    f->has_tail = false;
}

/* Replaces or passes the held text, as far as it can be decided. */
static enum substitute_result
settle(struct substitution *f, struct bufq *out, bool is_end)
{
    bool is_over = is_end || f->has_tail, is_open;
    while (give_pending(f, out)) {
        if (f->n == 0 || f->is_bad) {
            if (is_over) {
                end_text(f, out);
            }
            return SUBSTITUTE_MORE;
        }
        unsigned rule = find_held(f, &is_open);
        if (is_open && !is_over) {
            return SUBSTITUTE_MORE;
        }
        if (rule == f->n_rules) {
            give_raw(f, out, next_begin(f));
            continue;
        }
        enum substitute_result r = replace(f, rule);
        if (r != SUBSTITUTE_MORE) {
            return r;
        }
    }
    return SUBSTITUTE_FULL;
}

/* Holds a byte that did not pass at once. */
static void
hold(struct substitution *f, enum scan r, char byte, int c)
{
    if (r == SCAN_END || r == SCAN_BAD) {
        f->is_bad = f->is_bad || r == SCAN_BAD;
        f->has_tail = true;
        f->tail = byte;
        return;
    }
    AN(r == SCAN_PART || r == SCAN_CHAR);
    AN(f->n < f->longest);
    AN(f->n_raw < (f->longest + 1) * RAW_MAX);
    f->named = scan_named(f);
    f->raw[f->n_raw++] = byte;
    if (r == SCAN_CHAR) {
        f->chars[f->n] = c > 0 ? (char)c : '\0'; /* no placeholder has a NUL */
        f->sizes[f->n] = (uint8_t)(f->n_raw - f->size);
        f->n++;
        f->size = f->n_raw;
    }
}

static bool
may_begin(const struct substitution *f, int c)
{
    return c >= 0 && (f->first[c / 8] >> c % 8 & 1) != 0;
}

/* Passes the rest of a malformed body. */
static void
pass_rest(const struct substitution *f, struct bufq *in, struct bufq *out)
{
    while (!bufq_is_empty(in) && !bufq_is_full(out)) {
        struct str run = bufq_peek_for(in, out);
        tell_raw(f, run);
        size_t moved = bufq_move(out, in, run.n);
        AN(moved == run.n);
    }
}

/* Moves the bytes that pass, and holds at most one that does not. */
static void
take(struct substitution *f, struct bufq *in, struct bufq *out)
{
    struct str run = bufq_peek(in);
    size_t n = 0, room = bufq_room(out);
    run.n = run.n < room ? run.n : room;
    if (f->is_bad) {
        pass_rest(f, in, out);
        return;
    }
    while (n < run.n) {
        size_t plain = scan_plain(f, str_skip(run, n));
        n += plain;
        if (plain != 0) {
            continue;
        }
        int c;
        char byte = run.p[n];
        enum scan r = scan_byte(f, byte, &c);
        bool is_passed = r == SCAN_PASS ||
                         (r == SCAN_CHAR && f->n_raw == 0 && !may_begin(f, c));
        if (!is_passed) {
            size_t moved = bufq_move(out, in, n);
            AN(moved == n);
            bufq_consume(in, 1);
            hold(f, r, byte, c);
            return;
        }
        n++;
    }
    bufq_move(out, in, n);
}

/* No byte will follow. */
static enum substitute_result
end_body(struct substitution *f, struct bufq *out)
{
    f->is_bad = f->is_bad || !scan_is_done(f);
    if (f->is_bad && f->total != 0) {
        return SUBSTITUTE_MALFORMED;
    }
    enum substitute_result r = settle(f, out, true);
    return r == SUBSTITUTE_MORE ? SUBSTITUTE_DONE : r;
}

enum substitute_result
substitute_run(
    struct substitution *f, struct bufq *in, struct bufq *out, bool is_end)
{
    for (;;) {
        if (f->is_bad && f->total != 0) {
            return SUBSTITUTE_MALFORMED;
        }
        enum substitute_result r = settle(f, out, false);
        if (r != SUBSTITUTE_MORE) {
            return r;
        }
        if (bufq_is_empty(in)) {
            return is_end ? end_body(f, out) : SUBSTITUTE_MORE;
        }
        if (bufq_is_full(out)) {
            return SUBSTITUTE_FULL;
        }
        take(f, in, out);
    }
}

/* Returns the length; writes unless `to` is NULL. */
static size_t
escape_json(struct str s, char *to)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        char code[] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
        struct str piece = str_n(s.p + i, 1);
        if (c == '"' || c == '\\') {
            code[1] = (char)c;
            piece = str_n(code, 2);
        } else if (c < 0x20 || c == 0x7f) {
            piece = str_n(code, sizeof code);
        }
        if (to != NULL) {
            memcpy(to + n, piece.p, piece.n);
        }
        n += piece.n;
    }
    return n;
}

static bool
is_utf8(struct str s)
{
    while (s.n != 0) {
        size_t n = utf8_length(s);
        if (n == 0) {
            return false;
        }
        s = str_skip(s, n);
    }
    return true;
}

struct str
substitute_escape(enum substitute_kind kind, struct arena *a, struct str value)
{
    char *to;
    if (kind == SUBSTITUTE_FORM) {
        to = arena_alloc(a, value.n * 3 + 1);
        return str_n(to, query_encode(value, to));
    }
    if (!is_utf8(value)) {
        return STR_NONE;
    }
    to = arena_alloc(a, escape_json(value, NULL) + 1);
    return str_n(to, escape_json(value, to));
}
