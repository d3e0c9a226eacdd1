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

static void
measure(struct redact_run *r, const struct redact_keys *keys)
{
    r->stride = keys->stride;
    r->history = keys->longest;
    r->room = 2 * r->history + WAITING + CHUNK;
}

static void
stage_begin(struct redact_run *r, struct redact_stage *st, uint32_t at)
{
    if (st->bytes == NULL) {
        st->bytes = xalloc(r->room);
        st->at = xalloc((r->room + 1) * sizeof *st->at);
    }
    st->n = st->next = st->undone = st->quiet = 0;
    st->at[0] = at;
    st->is_on = true;
}

struct redact_run *
redact_run_new(const struct redact_keys *keys, uint64_t offset)
{
    struct redact_run *r = xcalloc(sizeof *r);
    measure(r, keys);
    r->end = offset;
    stage_begin(r, &r->stages[0], (uint32_t)offset);
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
    AN(i + bytes.n <= st->n);
    *from = r->end - (uint32_t)((uint32_t)r->end - st->at[i]);
    *to = r->end - (uint32_t)((uint32_t)r->end - st->at[i + bytes.n]);
}

/* All bytes that are not waited for, and the history behind them. */
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
    memmove(st->bytes, st->bytes + gone, st->n);
    memmove(st->at, st->at + gone, (st->n + 1) * sizeof *st->at);
}

static void
stage_try(struct redact_run *r, struct redact_batch *b, struct redact_stage *st,
    bool is_end)
{
    size_t wait = is_end ? 0 : r->stride;
    if (st->n < st->next + REDACT_WINDOW + wait) {
        return;
    }
    struct redact_span span = { st->bytes, st->bytes + st->n, st };
    st->next = redact_batch_add(b, &span, st->next, wait);
}

static void stage_step(
    struct redact_run *r, struct redact_batch *b, unsigned i, bool is_end);

static size_t
smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Plain bytes to a stage, as many as there is room for before it is stepped. */
static void
stage_copy(struct redact_run *r, struct redact_batch *b, unsigned i, size_t n)
{
    struct redact_stage *from = &r->stages[i], *to = &r->stages[i + 1];
    while (n != 0) {
        size_t k = smaller(n, r->room - to->n);
        memcpy(to->bytes + to->n, from->bytes + from->undone, k);
        memcpy(
            to->at + to->n, from->at + from->undone, (k + 1) * sizeof *to->at);
        to->n += k;
        to->quiet += k;
        from->undone += k;
        n -= k;
        if (to->n == r->room) {
            stage_step(r, b, i + 1, false);
        }
    }
}

/* Up to an escape that the next stage is not on for: it begins with what may be
 * of a form before it. False: there is none. */
static bool
undo_begin(struct redact_run *r, unsigned i, bool is_end)
{
    struct redact_stage *st = &r->stages[i];
    for (;;) {
        const unsigned char *p = st->bytes + st->undone;
        st->undone += redact_undo_find(p, st->n - st->undone);
        if (st->undone == st->n) {
            return false;
        }
        unsigned char byte;
        p = st->bytes + st->undone;
        unsigned n = redact_undo(p, st->n - st->undone, &byte);
        if (n == 0 && !is_end) {
            return false;
        }
        if (n > 1) {
            break;
        }
        st->undone++;
    }
    st->undone -= smaller(st->undone, r->history);
    stage_begin(r, &r->stages[i + 1], st->at[st->undone]);
    return true;
}

/* One escape, or a byte that begins none. False: it is not there whole. */
static bool
undo_escape(
    struct redact_run *r, struct redact_batch *b, unsigned i, bool is_end)
{
    struct redact_stage *from = &r->stages[i], *to = &r->stages[i + 1];
    const unsigned char *p = from->bytes + from->undone;
    unsigned char byte;
    unsigned n = redact_undo(p, from->n - from->undone, &byte);
    if (n == 0 && !is_end) {
        return false;
    }
    if (n <= 1) {
        stage_copy(r, b, i, 1);
        return true;
    }
    from->undone += n;
    to->bytes[to->n++] = byte;
    to->at[to->n] = from->at[from->undone];
    to->quiet = 0;
    if (to->n == r->room) {
        stage_step(r, b, i + 1, false);
    }
    return true;
}

/* Gives a stage's bytes to the next one, for as long as there are escapes. */
static void
undo(struct redact_run *r, struct redact_batch *b, unsigned i, bool is_end)
{
    struct redact_stage *st = &r->stages[i], *to = &r->stages[i + 1];
    size_t quiet = r->history + REDACT_STRIDE_MAX + REDACT_WINDOW;
    while (st->undone < st->n) {
        if (!to->is_on && !undo_begin(r, i, is_end)) {
            return;
        }
        size_t n = redact_undo_find(st->bytes + st->undone, st->n - st->undone);
        n = smaller(n, quiet - to->quiet);
        stage_copy(r, b, i, n);
        if (to->quiet == quiet) {
            stage_step(r, b, i + 1, true);
        } else if (st->undone < st->n && !undo_escape(r, b, i, is_end)) {
            break;
        }
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
        for (size_t i = 0; i < n; i++) {
            st->at[++st->n] = (uint32_t)++r->end;
        }
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
            st->bytes = xrealloc(st->bytes, r->room);
            st->at = xrealloc(st->at, (r->room + 1) * sizeof *st->at);
        }
    }
}
