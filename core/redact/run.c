/*
 * A stage tries a window when the bytes of any form that it may be of are there
 * or the run has ended: so nothing waits for a form in particular. What a stage
 * keeps behind that is as long as the longest form.
 */

#include "redact/run.h"

#include "base/mem.h"
#include "redact/undo.h"

/* Taken at once. */
#define CHUNK 1024

/* What may lie between the history and the end: windows that wait, an escape
 * that is not decided. */
#define WAITING (2 * (REDACT_WINDOW + REDACT_STRIDE_MAX + REDACT_ESCAPE_MAX))

/* What may be read, and written, behind them. */
#define SLACK 64

_Static_assert(2 * REDACT_FORM_MAX + WAITING + CHUNK <= 64 * REDACT_MARKS_MAX,
    "the marks of a stage's bytes");

static void
measure(struct redact_run *r, const struct redact_keys *keys)
{
    AN(keys->longest <= REDACT_FORM_MAX);
    r->keys = keys;
    r->history = keys->longest;
    r->room = 2 * r->history + WAITING + CHUNK;
}

static void
stage_alloc(struct redact_run *r, struct redact_stage *st, bool is_first)
{
    st->bytes = xrealloc(st->bytes, r->room + SLACK);
    if (!is_first) {
        st->at = xrealloc(st->at, (r->room + SLACK) * sizeof *st->at);
    }
}

static uint32_t
stage_offset(const struct redact_stage *st, size_t i)
{
    return st->at != NULL ? st->at[i] : st->first + (uint32_t)i;
}

struct redact_run *
redact_run_new(const struct redact_keys *keys, uint64_t offset)
{
    struct redact_run *r = xcalloc(sizeof *r);
    measure(r, keys);
    r->end = offset;
    r->stages[0].first = (uint32_t)offset;
    stage_alloc(r, &r->stages[0], true);
    return r;
}

void
redact_run_free(struct redact_run *r)
{
    if (r == NULL) {
        return;
    }
    for (unsigned i = 0; i < REDACT_STAGES; i++) {
        xfree(r->stages[i].bytes);
        xfree(r->stages[i].at);
    }
    xfree(r);
}

void
redact_run_range(const struct redact_run *r, const struct redact_span *s,
    struct str bytes, uint64_t *from, uint64_t *to)
{
    const struct redact_stage *st = s->whose;
    size_t i = (size_t)((const unsigned char *)bytes.p - st->bytes);
    uint32_t end = (uint32_t)r->end;
    AN(i + bytes.n <= st->n);
    *from = r->end - (uint32_t)(end - stage_offset(st, i));
    *to = r->end - (uint32_t)(end - stage_offset(st, i + bytes.n));
}

/* All bytes that are not waited for, but the history before those. */
static void
stage_trim(const struct redact_run *r, struct redact_stage *st)
{
    size_t first = st->next < st->undone ? st->next : st->undone;
    if (first <= r->history) {
        return;
    }
    size_t gone = first - r->history;
    st->n -= gone;
    st->next -= gone;
    st->undone -= gone;
    st->first += (uint32_t)gone;
    memmove(st->bytes, st->bytes + gone, st->n);
    if (st->at != NULL) {
        memmove(st->at, st->at + gone, (st->n + 1) * sizeof *st->at);
    }
}

static void
stage_try(struct redact_batch *b, const struct redact_run *r,
    struct redact_stage *st, bool is_end)
{
    size_t wait = is_end ? 0 : r->keys->stride;
    if (st->n >= st->next + REDACT_WINDOW + wait) {
        struct redact_span span = { st->bytes, st->bytes + st->n, st };
        st->next = redact_batch_add(b, &span, st->next, wait);
    }
}

static void stage_step(
    struct redact_run *r, struct redact_batch *b, unsigned i, bool is_end);

static size_t
smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The offsets of `n` bytes and of their end, to a stage's end. */
static void
copy_offsets(const struct redact_stage *from, struct redact_stage *to, size_t n)
{
    typedef uint32_t four __attribute__((vector_size(16)));
    if (from->at != NULL) {
        memcpy(
            to->at + to->n, from->at + from->undone, (n + 1) * sizeof *to->at);
        return;
    }
    uint32_t at = stage_offset(from, from->undone);
    four next = { at, at + 1, at + 2, at + 3 };
    for (size_t i = 0; i <= n; i += 4, next += 4) {
        memcpy(to->at + to->n + i, &next, sizeof next);
    }
}

/* Plain bytes for the next stage. */
static void
stage_copy(struct redact_run *r, struct redact_batch *b, unsigned i, size_t n)
{
    struct redact_stage *from = &r->stages[i], *to = &r->stages[i + 1];
    while (n != 0) {
        size_t k = smaller(n, r->room - to->n);
        memcpy(to->bytes + to->n, from->bytes + from->undone, k);
        copy_offsets(from, to, k);
        to->n += k;
        to->quiet += k;
        from->undone += k;
        n -= k;
        if (to->n == r->room) {
            stage_step(r, b, i + 1, false);
        }
    }
}

/* A byte for the next stage that was an escape. */
static void
stage_put(struct redact_run *r, struct redact_batch *b, unsigned i,
    const struct redact_escape *e)
{
    struct redact_stage *from = &r->stages[i], *to = &r->stages[i + 1];
    from->undone += e->n;
    to->bytes[to->n++] = e->byte;
    to->at[to->n] = stage_offset(from, from->undone);
    to->quiet = 0;
    if (to->n == r->room) {
        stage_step(r, b, i + 1, false);
    }
}

/* The next stage begins with what may be of a form that has the escape. */
static void
stage_begin(struct redact_run *r, unsigned i, size_t escape)
{
    struct redact_stage *from = &r->stages[i], *to = &r->stages[i + 1];
    if (to->bytes == NULL) {
        stage_alloc(r, to, false);
    }
    from->undone = escape - smaller(escape, r->history);
    to->n = to->next = to->undone = to->quiet = 0;
    to->at[0] = stage_offset(from, from->undone);
    to->is_on = true;
}

/* Plain bytes before `to` for the next stage, which ends when it has had no
 * escape for long. */
static void
undo_plain(struct redact_run *r, struct redact_batch *b, unsigned i, size_t end)
{
    struct redact_stage *st = &r->stages[i], *to = &r->stages[i + 1];
    size_t quiet = r->history + REDACT_STRIDE_MAX + REDACT_WINDOW;
    stage_copy(r, b, i, smaller(end - st->undone, quiet - to->quiet));
    if (to->quiet == quiet) {
        stage_step(r, b, i + 1, true);
        st->undone = end;
    }
}

/* Gives a stage's bytes to the next one, for as long as there are escapes. */
static void
undo(struct redact_run *r, struct redact_batch *b, unsigned i, bool is_end)
{
    struct redact_stage *st = &r->stages[i], *to = &r->stages[i + 1];
    struct redact_marks marks;
    size_t base = st->undone;
    redact_marks_init(
        &marks, r->keys->classify, st->bytes + base, st->n - base);
    for (;;) {
        struct redact_escape e =
            redact_undo_next(&marks, st->undone - base, is_end);
        e.at += base;
        if (to->is_on) {
            undo_plain(r, b, i, e.at);
        }
        if (e.n == 0) {
            st->undone = e.at;
            break;
        }
        if (!to->is_on) {
            stage_begin(r, i, e.at);
            stage_copy(r, b, i, e.at - st->undone);
        }
        stage_put(r, b, i, &e);
    }
    if (to->is_on) {
        stage_step(r, b, i + 1, is_end);
    }
}

/* What a stage has got. */
static void
stage_step(
    struct redact_run *r, struct redact_batch *b, unsigned i, bool is_end)
{
    struct redact_stage *st = &r->stages[i];
    stage_try(b, r, st, is_end);
    if (i + 1 < REDACT_STAGES) {
        undo(r, b, i, is_end);
    } else {
        st->undone = st->n;
    }
    redact_batch_flush(b);
    stage_trim(r, st);
    st->is_on = !is_end;
}

void
redact_run_feed(struct redact_run *r, struct redact_batch *b, struct str bytes)
{
    struct redact_stage *st = &r->stages[0];
    while (bytes.n != 0) {
        size_t n = smaller(bytes.n, r->room - st->n);
        memcpy(st->bytes + st->n, bytes.p, n);
        st->n += n;
        r->end += n;
        bytes = str_skip(bytes, n);
        stage_step(r, b, 0, false);
    }
}

void
redact_run_end(struct redact_run *r, struct redact_batch *b)
{
    stage_step(r, b, 0, true);
}

/* Only ever to more room: what is there stays. */
void
redact_run_change(
    struct redact_run *r, const struct redact_keys *keys, unsigned n)
{
    unsigned n_guesses = 0;
    for (unsigned i = 0; i < r->n_guesses; i++) {
        if (r->guesses[i].secret < n) {
            r->guesses[n_guesses++] = r->guesses[i];
        }
    }
    r->n_guesses = n_guesses;
    size_t history = r->history, room = r->room;
    measure(r, keys);
    r->history = history > r->history ? history : r->history;
    if (room >= r->room) {
        r->room = room;
        return;
    }
    for (unsigned i = 0; i < REDACT_STAGES; i++) {
        struct redact_stage *st = &r->stages[i];
        if (st->bytes != NULL) {
            stage_alloc(r, st, i == 0);
        }
    }
}
