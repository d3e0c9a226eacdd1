#pragma once

/*
 * What the targets share: cuts of an input that depend on nothing but the
 * input, and properties of written heads.
 */

#include "base/bufq.h"
#include "base/mem.h"
#include "http/h1_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A sequence that repeats with its input: FNV-1a to begin with, then xorshift.
 */
static inline uint64_t
cuts_begin(struct str s)
{
    uint64_t x = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.n; i++) {
        x = (x ^ (uint8_t)s.p[i]) * 0x100000001b3u;
    }
    return x != 0 ? x : 1;
}

/* 1 to `max`, small ones more often. */
static inline size_t
cuts_next(uint64_t *x, size_t max)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    size_t n = *x % 3 == 0 ? 1 : (size_t)(*x >> 8) % (*x % 3 == 1 ? 9 : 999);
    n = n != 0 ? n : 1;
    return n < max ? n : max;
}

/* All of a queue, in the arena. */
static inline struct str
queue_text(struct arena *a, const struct bufq *q)
{
    char *p = arena_alloc(a, q->len + 1);
    return str_n(p, bufq_copy(q, p, q->len));
}

/* A whole head as bytes: every line ends in CRLF, nothing else is a control
 * byte, it ends where it is searched to end. */
static inline void
check_written(struct str s)
{
    struct h1_error err;
    size_t scanned = 0, n = 0;
    AN(h1_head_end(s, &scanned, &n, &err) == H1_OK);
    AN(n == s.n);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool is_crlf = (c == '\r' && s.p[i + 1] == '\n') ||
                       (c == '\n' && i != 0 && s.p[i - 1] == '\r');
        AN(is_crlf || c == '\t' || (c >= 0x20 && c != 0x7f));
    }
}

/* How many fields say where the body ends. */
static inline unsigned
count_framing(const struct head *h)
{
    unsigned n = 0;
    for (unsigned i = 0; i < h->n; i++) {
        n += field_name_eq(h->fields[i].name, STR("Content-Length")) ||
             field_name_eq(h->fields[i].name, STR("Transfer-Encoding"));
    }
    return n;
}

static inline enum h1_result
head_end(struct str in, enum h1_from from, size_t *scanned, size_t *n,
    struct h1_error *err)
{
    return from == H1_REQUEST ? h1_head_end(in, scanned, n, err)
                              : h1_response_end(in, scanned, n, err);
}

/* Feeds `in` as it would come from a socket: the head's end is found at the
 * same place as in the whole, or what is refused later is refused earlier. */
static inline enum h1_result
head_end_in_pieces(
    struct str in, enum h1_from from, bool byte_by_byte, size_t *n)
{
    struct h1_error err = { 0 };
    size_t scanned = 0, have = 0;
    uint64_t x = cuts_begin(in);
    enum h1_result r = H1_MORE;
    while (r == H1_MORE && have < in.n) {
        have += byte_by_byte ? 1 : cuts_next(&x, in.n - have);
        r = head_end(str_n(in.p, have), from, &scanned, n, &err);
        AN(r != H1_FULL);
        AN(r != H1_BAD || (err.kind != H1_E_NONE && err.text != NULL));
        AN(r != H1_MORE || scanned <= have);
    }
    return r;
}

/* Whether `in` begins with a whole head that may be parsed; *head is it.
 * Where cut input was refused, *must_refuse. */
static inline bool
find_head(struct str in, enum h1_from from, struct str *head, bool *must_refuse)
{
    struct h1_error err = { 0 };
    size_t scanned = 0, n = 0;
    *must_refuse = false;
    enum h1_result whole = head_end(in, from, &scanned, &n, &err);
    for (int i = 0; i < 2; i++) {
        size_t at = 0;
        enum h1_result cut = head_end_in_pieces(in, from, i == 0, &at);
        if (whole == H1_OK && cut == H1_BAD) {
            *must_refuse = true;
        } else {
            AN(cut == whole);
            AN(whole != H1_OK || at == n);
        }
    }
    *head = str_n(in.p, n);
    return whole == H1_OK;
}

static inline bool
is_codec_own(const struct field *f)
{
    switch ((enum field_id)f->id) {
    case FIELD_CONNECTION:
    case FIELD_CONTENT_LENGTH:
    case FIELD_KEEP_ALIVE:
    case FIELD_PROXY_CONNECTION:
    case FIELD_TE:
    case FIELD_TRANSFER_ENCODING:
    case FIELD_UPGRADE:
        return true;
    default:
        return false;
    }
}

/* The same fields in the same order, but for those that the codec owns. */
static inline void
check_same_fields(const struct head *a, const struct head *b)
{
    unsigned j = 0;
    for (unsigned i = 0; i < a->n; i++) {
        const struct field *f = &a->fields[i];
        AN(field_name_is_valid(f->name) && field_value_is_valid(f->value));
        if (is_codec_own(f)) {
            continue;
        }
        while (j < b->n && is_codec_own(&b->fields[j])) {
            j++;
        }
        AN(j < b->n);
        AN(str_eq(f->name, b->fields[j].name));
        AN(str_eq(f->value, b->fields[j].value));
        j++;
    }
    while (j < b->n && is_codec_own(&b->fields[j])) {
        j++;
    }
    AN(j == b->n);
}
