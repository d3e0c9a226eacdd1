#pragma once

/*
 * What sandbox/echo.c finds, the slow and plain way: each form as a list of
 * sets of bytes, made by encoding the secret, and tried from every offset.
 * For its unit test and its fuzz target.
 */

#include <stdlib.h>

#include "base/digest.h"
#include "sandbox/echo.h"

#define NAIVE_SECRET_MAX 64
#define NAIVE_TEXT_MAX 1024
#define NAIVE_SYMBOLS_MAX (NAIVE_SECRET_MAX * 4 / 3 + 8)

struct naive_form {
    bool is_text;
    size_t n, n_rest; /* symbols of the secret's; one more that is in part */
    bool is_in[NAIVE_SYMBOLS_MAX][256];
};

struct naive {
    struct str secret;
    struct naive_form forms[4];
    unsigned seen[NAIVE_SYMBOLS_MAX + 1][NAIVE_TEXT_MAX + 1];
    unsigned round; /* what `seen` holds of this one */
};

static inline void
naive_allow(bool set[256], char c)
{
    set[(unsigned char)c] = true;
    if (c == '+') {
        set['-'] = true;
    } else if (c == '/') {
        set['_'] = true;
    }
}

/* What `lead` bytes and the secret look like in base64, whatever stands around
 * them: characters that do not change with it. */
static inline void
naive_base64(struct naive_form *f, struct str secret, unsigned lead)
{
    char plain[NAIVE_SECRET_MAX + 8];
    char text[2][NAIVE_SECRET_MAX * 2 + 16];
    size_t total = lead + secret.n + 3, first = 0, end;
    for (int fill = 0; fill < 2; fill++) {
        memset(plain, fill ? 0xff : 0, sizeof plain);
        memcpy(plain + lead, secret.p, secret.n);
        base64_encode(str_n(plain, total), text[fill]);
    }
    while (text[0][first] != text[1][first]) {
        first++;
    }
    end = first;
    while (end < total * 4 / 3 && text[0][end] == text[1][end]) {
        naive_allow(f->is_in[end - first], text[0][end]);
        end++;
    }
    f->n = end - first;
    f->n_rest = (lead + secret.n) * 8 % 6 != 0;
    for (int b = 0; b < 256 && f->n_rest != 0; b++) {
        plain[lead + secret.n] = (char)b;
        base64_encode(str_n(plain, total), text[0]);
        naive_allow(f->is_in[f->n], text[0][end]);
    }
}

static inline struct naive *
naive_new(struct str secret)
{
    struct naive *nv = calloc(1, sizeof *nv);
    AN(nv != NULL && secret.n <= NAIVE_SECRET_MAX);
    nv->secret = secret;
    nv->forms[0].is_text = true;
    nv->forms[0].n = secret.n;
    for (size_t i = 0; i < secret.n; i++) {
        nv->forms[0].is_in[i][(unsigned char)secret.p[i]] = true;
    }
    for (unsigned lead = 0; lead < 3; lead++) {
        naive_base64(&nv->forms[1 + lead], secret, lead);
    }
    return nv;
}

/* `n` hex digits; -1. */
static inline long
naive_hex(struct str s, size_t at, size_t n)
{
    char digits[5] = { 0 };
    if (at + n > s.n) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        if (ascii_hex((unsigned char)s.p[at + i]) < 0) {
            return -1;
        }
        digits[i] = s.p[at + i];
    }
    return strtol(digits, NULL, 16);
}

static inline size_t
naive_utf8(long c, char to[4])
{
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 63));
        to[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 63));
    to[2] = (char)(0x80 | (c >> 6 & 63));
    to[3] = (char)(0x80 | (c & 63));
    return 4;
}

static inline void naive_try(struct naive *nv, const struct naive_form *f,
    struct str s, size_t at, size_t symbol, size_t from, bool *mask);

/* `c` stood at `at` in `n` bytes of text. */
static inline void
naive_byte(struct naive *nv, const struct naive_form *f, struct str s,
    size_t at, size_t n, long c, size_t symbol, size_t from, bool *mask)
{
    if (c >= 0 && c < 256 && f->is_in[symbol][c]) {
        naive_try(nv, f, s, at + n, symbol + 1, from, mask);
    }
}

static inline void
naive_character(struct naive *nv, const struct naive_form *f, struct str s,
    size_t at, size_t n, long c, size_t symbol, size_t from, bool *mask)
{
    char text[4];
    naive_byte(nv, f, s, at, n, c, symbol, from, mask);
    if (!f->is_text || c < 0x80 || (c >= 0xd800 && c < 0xe000)) {
        return;
    }
    size_t bytes = naive_utf8(c, text);
    for (size_t i = 0; i < bytes; i++) {
        if (symbol + i >= f->n || nv->secret.p[symbol + i] != text[i]) {
            return;
        }
    }
    naive_try(nv, f, s, at + n, symbol + bytes, from, mask);
}

static inline void
naive_json(struct naive *nv, const struct naive_form *f, struct str s,
    size_t at, size_t symbol, size_t from, bool *mask)
{
    static const char pairs[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    for (const char *p = pairs; at + 1 < s.n && *p != '\0'; p += 2) {
        if (s.p[at + 1] == *p) {
            naive_byte(nv, f, s, at, 2, p[1], symbol, from, mask);
        }
    }
    if (at + 6 > s.n || s.p[at + 1] != 'u') {
        return;
    }
    long c = naive_hex(s, at + 2, 4);
    if (c < 0) {
        return;
    }
    naive_character(nv, f, s, at, 6, c, symbol, from, mask);
    bool is_pair = c >= 0xd800 && c < 0xdc00 && at + 12 <= s.n &&
                   s.p[at + 6] == '\\' && s.p[at + 7] == 'u';
    long low = is_pair ? naive_hex(s, at + 8, 4) : -1;
    if (low >= 0xdc00 && low <= 0xdfff) {
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        naive_character(nv, f, s, at, 12, c, symbol, from, mask);
    }
}

/* The form goes on at `at` with that symbol; it began at `from`. */
static inline void
naive_try(struct naive *nv, const struct naive_form *f, struct str s, size_t at,
    size_t symbol, size_t from, bool *mask)
{
    if (nv->seen[symbol][at] == nv->round) {
        return;
    }
    nv->seen[symbol][at] = nv->round;
    if (symbol >= f->n) {
        memset(mask + from, true, at - from);
    }
    if (at == s.n || symbol == f->n + f->n_rest) {
        return;
    }
    unsigned char c = (unsigned char)s.p[at];
    naive_byte(nv, f, s, at, 1, c, symbol, from, mask);
    if (f->is_text && c == '+') {
        naive_byte(nv, f, s, at, 1, ' ', symbol, from, mask);
    }
    if (c == '%') {
        long value = naive_hex(s, at + 1, 2);
        naive_byte(nv, f, s, at, 3, value, symbol, from, mask);
    } else if (c == '\\') {
        naive_json(nv, f, s, at, symbol, from, mask);
    }
}

/* mask[i]: byte i of the text is part of a form. */
static inline void
naive_mask(struct naive *nv, struct str s, bool *mask)
{
    AN(s.n <= NAIVE_TEXT_MAX);
    memset(mask, 0, s.n * sizeof *mask);
    for (int i = 0; i < 4; i++) {
        for (size_t from = 0; from < s.n; from++) {
            nv->round++;
            naive_try(nv, &nv->forms[i], s, from, 0, from, mask);
        }
    }
}

/* The same by echo.c, the text cut into pieces of `piece` bytes, the first of
 * `first`. Checks what the header says of ranges. */
struct naive_marks {
    struct echo *echo;
    bool *mask;
    uint64_t oldest, last; /* held when the piece began; the last end */
};

static inline void
naive_found(void *arg, unsigned secret, uint64_t from, uint64_t to)
{
    struct naive_marks *m = arg;
    AN(secret < m->echo->keys->n);
    AN(from < to && to <= m->echo->offset + 1);
    AN(from >= m->oldest && (to >= m->last || m->echo->has_missed));
    memset(m->mask + from, true, (size_t)(to - from) * sizeof *m->mask);
    m->last = to;
}

static inline void
naive_echo(struct echo *e, struct str s, size_t first, size_t piece, bool *mask)
{
    struct naive_marks m = { e, mask, 0, 0 };
    memset(mask, 0, s.n * sizeof *mask);
    echo_reset(e);
    for (size_t at = 0; at < s.n;) {
        size_t n = at == 0 ? first : piece;
        n = n < s.n - at ? n : s.n - at;
        m.oldest = at - echo_held(e);
        /* a copy of its own, so that reading past it is seen */
        char *copy = malloc(n + 1);
        AN(copy != NULL);
        memcpy(copy, s.p + at, n);
        echo_feed(e, str_n(copy, n), naive_found, &m);
        free(copy);
        at += n;
        AN(e->offset == at && echo_held(e) <= at);
    }
}
