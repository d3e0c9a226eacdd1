/*
 * These runs are so short that in a redact_run every stage would hold all of
 * the run, in one stretch: so a stage is nothing but its bytes.
 */

#include "redact/whole.h"

#include "redact/undo.h"

/* So many bytes are copied at once. */
#define CHUNK 16

/* The bytes of a run in all stages, and what may be read behind them. */
#define ROOM (REDACT_STAGES * (REDACT_WHOLE_MAX + CHUNK) + 128)

void
redact_whole_init(struct redact_whole *w)
{
    _Static_assert(ROOM <= sizeof w->bytes, "a run of the largest");
    w->n = 0;
    w->used = 0;
}

static void
whole_flush(struct redact_whole *w, struct redact_batch *b)
{
    redact_batch_flush(b);
    redact_whole_init(w);
}

/* Reads and writes up to a chunk behind the `n` bytes. */
static void
copy(unsigned char *to, const unsigned char *from, size_t n)
{
    for (size_t i = 0; i < n; i += CHUNK) {
        memcpy(to + i, from + i, CHUNK);
    }
}

/* Writes the bytes to `to` with their escapes undone. Returns how many it
 * wrote; 0: there is no escape. */
static size_t
whole_undo(const struct simd *simd, const unsigned char *p, size_t n,
    unsigned char *to)
{
    struct redact_marks marks;
    size_t at = 0, done = 0;
    redact_marks_init(&marks, simd, p, n);
    struct redact_escape e = redact_undo_next(&marks, 0, true);
    if (e.n == 0) {
        return 0;
    }
    while (e.n != 0) {
        copy(to + done, p + at, e.at - at);
        done += e.at - at;
        to[done++] = e.byte;
        at = e.at + e.n;
        e = redact_undo_next(&marks, at, true);
    }
    copy(to + done, p + at, n - at);
    return done + n - at;
}

/* The index in this stage, `n` bytes at `p`, of what byte `i` of the next stage
 * was made of. */
static size_t
whole_before(
    const struct simd *simd, const unsigned char *p, size_t n, size_t i)
{
    struct redact_marks marks;
    size_t at = 0;
    redact_marks_init(&marks, simd, p, n);
    for (;;) {
        struct redact_escape e = redact_undo_next(&marks, at, true);
        if (e.n == 0 || i <= e.at - at) {
            return at + i;
        }
        i -= e.at - at + 1;
        at = e.at + e.n;
    }
}

struct str
redact_whole_range(const struct redact_whole *w, const struct redact_span *s,
    const struct simd *simd, struct str bytes)
{
    const struct redact_whole_run *r = s->whose;
    AN(redact_whole_has(w, s));
    unsigned stage = 0;
    while (r->bytes[stage] != s->from) {
        stage++;
        AN(stage < REDACT_STAGES);
    }
    size_t from = (size_t)((const unsigned char *)bytes.p - s->from);
    size_t to = from + bytes.n;
    AN(to <= r->n[stage]);
    for (; stage > 0; stage--) {
        const unsigned char *p = r->bytes[stage - 1];
        from = whole_before(simd, p, r->n[stage - 1], from);
        to = whole_before(simd, p, r->n[stage - 1], to);
    }
    return str_n((const char *)r->begin + from, to - from);
}

void
redact_whole_add(struct redact_whole *w, struct redact_batch *b,
    const unsigned char *run, size_t n, bool has_plain)
{
    AN(n <= REDACT_WHOLE_MAX);
    if (w->n == LEN(w->runs) || sizeof w->bytes - w->used < ROOM) {
        whole_flush(w, b);
    }
    struct redact_whole_run *r = &w->runs[w->n++];
    unsigned char *p = w->bytes + w->used;
    memcpy(p, run, n);
    r->begin = run;
    for (unsigned i = 0; i < REDACT_STAGES && n >= b->keys->shortest; i++) {
        struct redact_span span = { p, p + n, r };
        r->bytes[i] = p;
        r->n[i] = n;
        if (i != 0 || has_plain) {
            redact_batch_add(b, &span, 0, 0);
        }
        p += n + CHUNK;
        n = i + 1 < REDACT_STAGES ? whole_undo(b->keys->simd, r->bytes[i], n, p)
                                  : 0;
    }
    w->used = (size_t)(p - w->bytes);
}
