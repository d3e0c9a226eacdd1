/*
 * A secret decides what is done in one place alone, first_of(): it says whether
 * a tag of the table is the tag of a window and, if so, whether a form stands
 * there. All code before it takes the same steps whatever the secrets are.
 */

#include "redact/window.h"

/* The index of the first value that is not 0; n: all are. It branches on each
 * value, so that no result is computed from them; it is not inlined, so that
 * memcheck_test.c can name it. */
static __attribute__((noinline)) unsigned
first_of(const uint32_t *values, unsigned n)
{
    unsigned i = 0;
    while (i < n && values[i] == 0) {
        i++;
    }
    return i;
}

void
redact_batch_init(struct redact_batch *b, const struct redact_keys *keys,
    redact_hit *hit, void *arg)
{
    b->keys = keys;
    b->hit = hit;
    b->arg = arg;
    b->n = b->n_spans = 0;
}

size_t
redact_batch_add(struct redact_batch *b, const struct redact_span *span,
    size_t from, size_t wait)
{
    size_t stride = b->keys->stride, n = (size_t)(span->to - span->from);
    size_t first = b->keys->shortest - REDACT_WINDOW;
    from = from > first ? from : first;
    if (from + REDACT_WINDOW + wait > n) {
        return from;
    }
    AN(b->n < REDACT_BATCH && b->n_spans < REDACT_BATCH);
    const unsigned char *at = span->from + from;
    const unsigned char *last = span->to - wait - REDACT_WINDOW;
    while (at <= last) {
        unsigned i = b->n;
        b->spans[b->n_spans++] = *span;
        do {
            b->at[i++] = at;
            at += stride;
        } while (at <= last && i < REDACT_BATCH);
        b->n = i;
        if (i == REDACT_BATCH) {
            redact_batch_flush(b);
        }
    }
    return (size_t)(at - span->from);
}

/* Whether the form has these bytes from `from` on. Takes the same time whatever
 * they are. */
static bool
stands(const struct redact_form *f, size_t from, struct str bytes)
{
    uint32_t difference = 0;
    for (size_t i = 0; i < bytes.n; i++) {
        difference |= redact_form_byte(f, from + i) ^ (unsigned char)bytes.p[i];
    }
    return first_of(&difference, 1) == 1;
}

/* Whether the whole form ends at `end`. `bytes` are then its place, with the
 * character behind it that has the last of its bits. */
static bool
is_whole(const struct redact_form *f, const struct redact_span *span,
    const unsigned char *end, struct str *bytes)
{
    size_t n = redact_form_length(f);
    if (end > span->to || (size_t)(end - span->from) < n) {
        return false;
    }
    *bytes = str_n((const char *)end - n, n);
    if (!stands(f, 0, *bytes)) {
        return false;
    }
    bytes->n += redact_form_has_rest(f) && end < span->to && *end != '%' &&
                *end != '\\';
    return true;
}

/* Compares all windows with one tag, from `window` on: reports forms that stand
 * there whole, and sets *guessed for one whose window stands there alone. */
static bool
settle_tag(struct redact_batch *b, const struct redact_span *span,
    const unsigned char *at, uint32_t window, unsigned *guessed)
{
    const struct redact_keys *k = b->keys;
    bool is_found = false;
    for (; window != REDACT_NONE; window = k->next[window]) {
        AN(window / k->stride < k->n_forms);
        const struct redact_form *f = &k->forms[window / k->stride];
        size_t back = window % k->stride;
        AN(redact_form_length(f) >= REDACT_WINDOW + back);
        struct str bytes = str_n((const char *)at, REDACT_WINDOW), whole;
        if (is_whole(f, span, at + REDACT_WINDOW + back, &whole)) {
            is_found = true;
            b->hit(b->arg, span, REDACT_FOUND, f->secret, whole);
        } else if (stands(f, redact_form_length(f) - REDACT_WINDOW - back,
                       bytes)) {
            *guessed = f->secret;
        }
    }
    return is_found;
}

/* A window's tag is in the table. When a form stands there whole, another one
 * that shares the window's bytes is not a guess. */
static void
settle(struct redact_batch *b, const unsigned char *at, const uint32_t tag[4])
{
    const struct redact_keys *k = b->keys;
    uint32_t buckets[2] = { tag[1] & k->mask, tag[2] & k->mask };
    unsigned guessed = k->n;
    bool is_found = false;
    const struct redact_span *span = &b->spans[b->n_spans - 1];
    while (at < span->from || at >= span->to) {
        AN(span > b->spans);
        span--; /* most windows are of the last span */
    }
    for (unsigned i = 0; i < 2 && (i == 0 || buckets[1] != buckets[0]); i++) {
        for (unsigned s = 0; s < 4; s++) {
            uint32_t is_it = k->buckets[buckets[i]][s] == tag[0];
            if (first_of(&is_it, 1) == 0) {
                is_found |= settle_tag(
                    b, span, at, k->first[buckets[i] * 4 + s], &guessed);
            }
        }
    }
    if (!is_found && guessed < k->n) {
        b->hit(b->arg, span, REDACT_PROBED, guessed,
            str_n((const char *)at, REDACT_WINDOW));
    }
}

/* Not 0 where a tag in the window's two buckets is the window's. */
static inline redact_bucket
look_up(const struct redact_keys *k, const uint32_t tag[4])
{
    redact_bucket want = { tag[0], tag[0], tag[0], tag[0] };
    redact_bucket one = k->buckets[tag[1] & k->mask];
    redact_bucket two = k->buckets[tag[2] & k->mask];
    return (redact_bucket)((one == want) | (two == want));
}

void
redact_batch_flush(struct redact_batch *b)
{
    uint32_t tags[REDACT_BATCH][4], any[4];
    redact_bucket all = { 0 };
    if (b->n == 0) {
        return;
    }
    redact_prf_tags(&b->keys->prf, b->at, b->n, tags);
    for (unsigned i = 0; i < b->n; i++) {
        all |= look_up(b->keys, tags[i]);
    }
    memcpy(any, &all, sizeof any);
    if (first_of(any, 4) < 4) {
        for (unsigned i = 0; i < b->n; i++) {
            redact_bucket its = look_up(b->keys, tags[i]);
            memcpy(any, &its, sizeof any);
            if (first_of(any, 4) < 4) {
                settle(b, b->at[i], tags[i]);
            }
        }
    }
    b->n = b->n_spans = 0;
}
