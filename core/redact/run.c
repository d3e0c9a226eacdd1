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
#define SLACK 128

_Static_assert(2 * REDACT_FORM_MAX + WAITING + CHUNK <= 64 * REDACT_MARKS_MAX,
    "the marks of a stage's bytes");

static void
measure(struct redact_run *r, const struct redact_keys *keys)
{
    AN(keys->longest <= REDACT_FORM_MAX);
    r->keys = keys;
    r->history =
        keys->longest > REDACT_HISTORY_MIN ? keys->longest : REDACT_HISTORY_MIN;
    r->room = 2 * r->history + WAITING + CHUNK;
}

static void
stage_alloc(struct redact_run *r, struct redact_stage *st)
{
    st->bytes = xrealloc(st->bytes, r->room + SLACK);
    st->at = xrealloc(st->at, (r->room + SLACK) * sizeof *st->at);
}

struct redact_run *
redact_run_new(const struct redact_keys *keys)
{
    struct redact_run *r = xcalloc(sizeof *r);
    measure(r, keys);
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

/* The offset of byte `i` of a stretch that begins at `base`. */
static uint32_t
offset_of(const struct redact_run *r, const struct redact_stage *st,
    size_t base, size_t i)
{
    return st == r->stages ? st->at[base] + (uint32_t)(i - base) : st->at[i];
}

void
redact_run_range(const struct redact_run *r, const struct redact_span *s,
    struct str bytes, uint64_t *from, uint64_t *to)
{
    const struct redact_stage *st = s->whose;
    size_t base = (size_t)(s->from - st->bytes);
    size_t i = (size_t)((const unsigned char *)bytes.p - st->bytes);
    uint32_t end = (uint32_t)r->end;
    AN(i + bytes.n <= st->n);
    *from = r->end - (uint32_t)(end - offset_of(r, st, base, i));
    *to = r->end - (uint32_t)(end - offset_of(r, st, base, i + bytes.n));
}

static size_t
smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* A stretch begins, behind another if there is room for more than its start. */
static void
stage_begin(struct redact_run *r, struct redact_batch *b,
    struct redact_stage *st, uint32_t at)
{
    AZ(st->is_on);
    if (st->bytes == NULL) {
        stage_alloc(r, st);
    }
    st->base = st->n != 0 ? st->n + 1 : 0;
    if (st->base + r->history + WAITING > r->room) {
        redact_batch_flush(b);
        st->base = 0;
    }
    st->n = st->next = st->undone = st->base;
    st->quiet = 0;
    st->at[st->n] = at;
    st->is_on = true;
}

/* Makes room: all goes but what is waited for, and the history before it. */
static void
stage_trim(
    const struct redact_run *r, struct redact_batch *b, struct redact_stage *st)
{
    size_t first = smaller(st->next, st->undone);
    size_t gone = first - smaller(first - st->base, r->history);
    redact_batch_flush(b);
    st->at[gone] = offset_of(r, st, st->base, gone);
    st->n -= gone;
    st->next -= gone;
    st->undone -= gone;
    st->base = 0;
    memmove(st->bytes, st->bytes + gone, st->n);
    size_t n = st == r->stages ? 0 : st->n;
    memmove(st->at, st->at + gone, (n + 1) * sizeof *st->at);
}

static void
stage_try(const struct redact_run *r, struct redact_batch *b,
    struct redact_stage *st, bool is_end)
{
    size_t wait = is_end ? 0 : r->keys->stride;
    if (st->n - st->base < r->keys->shortest) {
        return; /* no form has so few bytes */
    }
    if (st->n >= st->next + REDACT_WINDOW + wait) {
        struct redact_span span = { st->bytes + st->base, st->bytes + st->n,
            st };
        st->next =
            st->base + redact_batch_add(b, &span, st->next - st->base, wait);
    }
}

static void stage_step(
    struct redact_run *r, struct redact_batch *b, unsigned i, bool is_end);

/* What a stage holds is looked at when it is full, and when no more comes. */
static void
stage_room(struct redact_run *r, struct redact_batch *b, unsigned i)
{
    struct redact_stage *st = &r->stages[i];
    if (st->n == r->room) {
        stage_step(r, b, i, false);
        stage_trim(r, b, st);
    }
    AN(st->n < r->room);
}

/* The offsets of the next `n` bytes to be given on, and of their end. */
static void
copy_offsets(const struct redact_run *r, const struct redact_stage *from,
    uint32_t *to, size_t n)
{
    typedef uint32_t four __attribute__((vector_size(16)));
    if (from != r->stages) {
        memcpy(to, from->at + from->undone, (n + 1) * sizeof *to);
        return;
    }
    uint32_t at = offset_of(r, from, from->base, from->undone);
    four next = { at, at + 1, at + 2, at + 3 };
    for (size_t i = 0; i <= n; i += 4, next += 4) {
        memcpy(to + i, &next, sizeof next);
    }
}

/* Plain bytes for the next stage. */
static void
stage_copy(struct redact_run *r, struct redact_batch *b, unsigned i, size_t n)
{
    struct redact_stage *from = &r->stages[i], *to = &r->stages[i + 1];
    while (n != 0) {
        stage_room(r, b, i + 1);
        size_t k = smaller(n, r->room - to->n);
        memcpy(to->bytes + to->n, from->bytes + from->undone, k);
        copy_offsets(r, from, to->at + to->n, k);
        to->n += k;
        to->quiet += k;
        from->undone += k;
        n -= k;
    }
}

/* A byte for the next stage that was an escape, and those behind it that are
 * percent-encoded too, as a text may be that is encoded byte for byte. */
static void
stage_put(struct redact_run *r, struct redact_batch *b, unsigned i,
    const struct redact_escape *e)
{
    struct redact_stage *from = &r->stages[i], *to = &r->stages[i + 1];
    stage_room(r, b, i + 1);
    unsigned char byte = e->byte;
    from->undone += e->n;
    to->quiet = 0;
    for (;;) {
        to->bytes[to->n++] = byte;
        to->at[to->n] = offset_of(r, from, from->base, from->undone);
        const unsigned char *p = from->bytes + from->undone;
        if (to->n == r->room || from->n - from->undone < 3 || p[0] != '%') {
            return;
        }
        byte = redact_undo_digits(p + 1);
        if (byte == 0) {
            return;
        }
        from->undone += 3;
    }
}

/* The next stage begins with what may be of a form that has the escape. */
static void
undo_begin(
    struct redact_run *r, struct redact_batch *b, unsigned i, size_t escape)
{
    struct redact_stage *st = &r->stages[i];
    st->undone = escape - smaller(escape - st->base, r->history);
    stage_begin(
        r, b, &r->stages[i + 1], offset_of(r, st, st->base, st->undone));
    stage_copy(r, b, i, escape - st->undone);
}

/* Plain bytes before `end` for the next stage, whose stretch ends when it has
 * had no escape for long. */
static void
undo_plain(struct redact_run *r, struct redact_batch *b, unsigned i, size_t end)
{
    struct redact_stage *st = &r->stages[i], *to = &r->stages[i + 1];
    size_t quiet = r->history + 1; /* a form's, and the rest of its bits */
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
    size_t from = st->undone;
    redact_marks_init(&marks, r->keys->simd, st->bytes + from, st->n - from);
    for (;;) {
        struct redact_escape e =
            redact_undo_next(&marks, st->undone - from, is_end);
        e.at += from;
        if (to->is_on) {
            undo_plain(r, b, i, e.at);
        }
        if (e.n == 0) {
            st->undone = e.at;
            break;
        }
        if (!to->is_on) {
            undo_begin(r, b, i, e.at);
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
    stage_try(r, b, st, is_end);
    if (i + 1 < REDACT_STAGES) {
        undo(r, b, i, is_end);
    } else {
        st->undone = st->n;
    }
    st->is_on = !is_end;
}

void
redact_run_begin(struct redact_run *r, struct redact_batch *b, uint64_t offset)
{
    r->end = offset;
    stage_begin(r, b, &r->stages[0], (uint32_t)offset);
}

void
redact_run_feed(struct redact_run *r, struct redact_batch *b, struct str bytes)
{
    struct redact_stage *st = &r->stages[0];
    while (bytes.n != 0) {
        stage_room(r, b, 0);
        size_t n = smaller(bytes.n, r->room - st->n);
        memcpy(st->bytes + st->n, bytes.p, n);
        st->n += n;
        r->end += n;
        bytes = str_skip(bytes, n);
    }
}

void
redact_run_step(struct redact_run *r, struct redact_batch *b)
{
    stage_step(r, b, 0, false);
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
    redact_guesses_change(&r->guesses, n);
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
            stage_alloc(r, st);
        }
    }
}
