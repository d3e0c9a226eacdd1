#pragma once

/*
 * What redact/scan.c finds, the slow and plain way: the text, and the text with
 * its escapes undone up to four times, each searched at every place for every
 * form, which is made by encoding the secret.
 */

#include <stdlib.h>

#include "base/digest.h"
#include "redact/scan.h"
#include "redact/token.h"

#define NAIVE_TEXT_MAX 8192
#define NAIVE_FORM_MAX (WORTH_MAX * 2)

struct naive_form {
    size_t n;
    bool has_rest;
    char text[NAIVE_FORM_MAX];
};

struct naive {
    unsigned n;
    struct naive_form *forms;
};

/* The text after some undoing, and where each byte of it began. */
struct naive_level {
    size_t n;
    unsigned char bytes[NAIVE_TEXT_MAX];
    size_t at[NAIVE_TEXT_MAX + 1];
};

/* Characters that stay, whatever stands around the run behind `lead` bytes. */
static inline void
naive_base64(struct naive_form *f, struct str run, unsigned lead, bool is_url)
{
    static char plain[WORTH_MAX + 8], text[2][NAIVE_FORM_MAX + 16];
    size_t total = lead + run.n + 3, first = 0, end;
    for (int fill = 0; fill < 2; fill++) {
        memset(plain, fill ? 0xff : 0, sizeof plain);
        memcpy(plain + lead, run.p, run.n);
        base64_encode(str_n(plain, total), text[fill]);
    }
    while (text[0][first] != text[1][first]) {
        first++;
    }
    end = first;
    while (end < total * 4 / 3 && text[0][end] == text[1][end]) {
        char c = text[0][end];
        f->text[end - first] = !is_url || (c != '+' && c != '/') ? c
                               : c == '+'                        ? '-'
                                                                 : '_';
        end++;
    }
    f->n = end - first;
    f->has_rest = (lead + run.n) * 8 % 6 != 0;
}

static inline void
naive_add(struct naive *nv, struct str secret)
{
    struct str run;
    size_t at = 0;
    while (worth_next(secret, &at, &run)) {
        nv->forms = realloc(nv->forms, (nv->n + 7) * sizeof *nv->forms);
        AN(nv->forms != NULL);
        struct naive_form *f = nv->forms + nv->n;
        memcpy(f->text, run.p, run.n);
        f->n = run.n;
        f->has_rest = false;
        for (unsigned i = 0; i < 6; i++) {
            naive_base64(f + 1 + i, run, i % 3, i >= 3);
        }
        nv->n += 7;
    }
}

static inline struct naive *
naive_new(const struct str *secrets, unsigned n)
{
    struct naive *nv = calloc(1, sizeof *nv);
    AN(nv != NULL);
    for (unsigned i = 0; i < n; i++) {
        naive_add(nv, secrets[i]);
    }
    return nv;
}

static inline void
naive_free(struct naive *nv)
{
    free(nv->forms);
    free(nv);
}

static inline bool
naive_is_token(unsigned char c)
{
    return c != '\0' && strchr("abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789+/-_.~%\\",
                            c) != NULL;
}

/* The escape at `p`, of `n` bytes; 0: none that is a token byte's. */
static inline size_t
naive_escape(const unsigned char *p, size_t n, unsigned char *to)
{
    static const char *const heads[] = { "%", "\\x", "\\u00" };
    for (unsigned i = 0; i < LEN(heads); i++) {
        size_t k = strlen(heads[i]);
        if (n >= k + 2 && memcmp(p, heads[i], k) == 0 && ascii_hex(p[k]) >= 0 &&
            ascii_hex(p[k + 1]) >= 0) {
            int c = ascii_hex(p[k]) * 16 + ascii_hex(p[k + 1]);
            *to = (unsigned char)c;
            return c < 0x80 && naive_is_token(*to) ? k + 2 : 0;
        }
    }
    if (n >= 2 && p[0] == '\\' && p[1] != '\0' &&
        strchr("\\/+-_.~", p[1]) != NULL) {
        *to = p[1];
        return 2;
    }
    return 0;
}

/* False: there was no escape. */
static inline bool
naive_undo(const struct naive_level *from, struct naive_level *to)
{
    bool is_any = false;
    to->n = 0;
    for (size_t i = 0; i < from->n;) {
        unsigned char c = from->bytes[i];
        size_t k = naive_escape(from->bytes + i, from->n - i, &c);
        to->bytes[to->n] = c;
        to->at[to->n++] = from->at[i];
        is_any |= k != 0;
        i += k != 0 ? k : 1;
    }
    to->at[to->n] = from->at[from->n];
    return is_any;
}

static inline void
naive_search(const struct naive *nv, const struct naive_level *l, bool *mask)
{
    for (unsigned k = 0; k < nv->n; k++) {
        const struct naive_form *f = &nv->forms[k];
        for (size_t i = 0; i + f->n <= l->n; i++) {
            if (memcmp(l->bytes + i, f->text, f->n) != 0) {
                continue;
            }
            size_t end = i + f->n;
            unsigned char c = end < l->n ? l->bytes[end] : '%';
            end += f->has_rest && naive_is_token(c) && c != '%' && c != '\\';
            memset(mask + l->at[i], true, l->at[end] - l->at[i]);
        }
    }
}

/* mask[i]: byte i of the text is part of a form. */
static inline void
naive_mask(const struct naive *nv, struct str s, bool *mask)
{
    static struct naive_level levels[2];
    AN(s.n <= NAIVE_TEXT_MAX);
    memset(mask, 0, s.n * sizeof *mask);
    memcpy(levels[0].bytes, s.p, s.n);
    levels[0].n = s.n;
    for (size_t i = 0; i <= s.n; i++) {
        levels[0].at[i] = i;
    }
    naive_search(nv, &levels[0], mask);
    for (unsigned i = 1; i < 5; i++) {
        if (!naive_undo(&levels[(i + 1) % 2], &levels[i % 2])) {
            return;
        }
        naive_search(nv, &levels[i % 2], mask);
    }
}

/* What a filter would hold of the text so far. */
static inline size_t
naive_held(struct str s)
{
    size_t n = 0;
    while (n < s.n && n < REDACT_HELD_MAX &&
           naive_is_token((unsigned char)s.p[s.n - 1 - n])) {
        n++;
    }
    return n;
}

/* The same by scan.c, the text cut into pieces of `piece` bytes, the first of
 * `first`. Checks what the header says of ranges and of what is held. */
struct naive_marks {
    struct redact_scan *scan;
    bool *mask;
    unsigned n_found, n_probed;
    uint64_t oldest, newest; /* held when the piece began; the piece's end */
};

static inline void
naive_report(void *arg, enum redact_event event, unsigned secret, uint64_t from,
    uint64_t to)
{
    struct naive_marks *m = arg;
    AN(secret < m->scan->keys->n);
    AN(from >= m->oldest && from <= to && to <= m->newest);
    if (event == REDACT_PROBED) {
        m->n_probed++;
        return;
    }
    m->n_found++;
    memset(m->mask + from, true, (size_t)(to - from) * sizeof *m->mask);
}

static inline void
naive_piece(struct naive_marks *m, struct str piece)
{
    /* a copy of its own, so that reading past it is seen */
    char *copy = malloc(piece.n + (piece.n == 0));
    AN(copy != NULL);
    memcpy(copy, piece.p, piece.n);
    m->oldest = m->scan->offset - redact_scan_held(m->scan);
    m->newest = m->scan->offset + piece.n;
    redact_scan_feed(m->scan, str_n(copy, piece.n), naive_report, m);
    free(copy);
    AN(m->scan->offset == m->newest);
}

static inline struct naive_marks
naive_scan(struct redact_scan *s, struct str text, size_t first, size_t piece,
    bool *mask)
{
    struct naive_marks m = { .scan = s, .mask = mask };
    memset(mask, 0, text.n * sizeof *mask);
    redact_scan_reset(s);
    for (size_t at = 0; at < text.n;) {
        size_t n = at == 0 ? first : piece;
        n = n < text.n - at ? n : text.n - at;
        naive_piece(&m, str_n(text.p + at, n));
        at += n;
        AN(redact_scan_held(s) == naive_held(str_n(text.p, at)));
    }
    m.oldest = s->offset - redact_scan_held(s);
    m.newest = s->offset;
    redact_scan_end(s, naive_report, &m);
    AN(redact_scan_held(s) == 0 && s->run == NULL);
    return m;
}
