/*
 * A stage looks up a window when `stride` bytes follow it, or when the run has
 * ended: then the stage has all bytes of any form that the window may be part
 * of, and no window waits for one form alone. Of what was looked up, a stage
 * keeps as many bytes as the longest form has.
 */

#include "redact/run.h"

#include "base/mem.h"
#include "redact/undo.h"

/* So many bytes are taken at once. */
#define CHUNK 1024

/* What may lie between the history and the end: windows that cannot be looked
 * up yet, and the start of an escape. */
#define WAITING (2 * (REDACT_WINDOW + REDACT_STRIDE_MAX + REDACT_ESCAPE_MAX))

/* So many bytes behind a stage's bytes may be read and written. */
#define SLACK 128

_Static_assert(2 * REDACT_FORM_MAX + WAITING + CHUNK <= 64 * REDACT_MARKS_MAX,
    "the marks of a stage's bytes");

static void
measure(struct redact_run *r, const struct redact_keys *keys)
{
    CHECK(keys, REDACT_KEYS_MAGIC);
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
    r->magic = REDACT_RUN_MAGIC;
    measure(r, keys);
    return r;
}

void
redact_run_free(struct redact_run *r)
{
    if (r == NULL) {
        return;
    }
    CHECK(r, REDACT_RUN_MAGIC);
    for (unsigned i = 0; i < REDACT_STAGES; i++) {
        xfree(r->stages[i].bytes);
        xfree(r->stages[i].at);
    }
    r->magic = 0;
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
    CHECK(r, REDACT_RUN_MAGIC);
    const struct redact_stage *st = s->whose;
    AN(st >= r->stages && st < r->stages + REDACT_STAGES);
    size_t base = (size_t)(s->from - st->bytes);
    size_t i = (size_t)((const unsigned char *)bytes.p - st->bytes);
    uint32_t end = (uint32_t)r->end;
    AN(i + bytes.n <= st->n);
    *from = r->end - (uint32_t)(end - offset_of(r, st, base, i));
    *to = r->end - (uint32_t)(end - offset_of(r, st, base, i + bytes.n));
}

/* A stretch begins behind those before it, or where these leave too little
 * room, at the start of the stage's memory. */
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

/* Makes room: keeps what is still to be looked up or undone, and the history
 * before that. */
static void
stage_trim(
    const struct redact_run *r, struct redact_batch *b, struct redact_stage *st)
{
    size_t first = redact_min(st->next, st->undone);
    AN(st->base <= first && first <= st->n);
    size_t gone = first - redact_min(first - st->base, r->history);
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

/* Makes room for a byte at least: a full stage is searched first. */
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

/* Writes to `to` the offsets of the next `n` bytes to be undone, and of their
 * end. */
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

/* Gives `n` bytes that are no escape to the next stage. */
static void
stage_copy(struct redact_run *r, struct redact_batch *b, unsigned i, size_t n)
{
    struct redact_stage *from = &r->stages[i], *to = &r->stages[i + 1];
    while (n != 0) {
        stage_room(r, b, i + 1);
        size_t k = redact_min(n, r->room - to->n);
        memcpy(to->bytes + to->n, from->bytes + from->undone, k);
        copy_offsets(r, from, to->at + to->n, k);
        to->n += k;
        to->quiet += k;
        from->undone += k;
        n -= k;
    }
}

/* Gives the byte of an escape to the next stage, and at once the bytes of all
 * escapes of '%' that follow it: some texts encode every byte. */
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

/* Starts the next stage, with the bytes before the escape that may belong to a
 * form with it. */
static void
undo_begin(
    struct redact_run *r, struct redact_batch *b, unsigned i, size_t escape)
{
    struct redact_stage *st = &r->stages[i];
    st->undone = escape - redact_min(escape - st->base, r->history);
    stage_begin(
        r, b, &r->stages[i + 1], offset_of(r, st, st->base, st->undone));
    stage_copy(r, b, i, escape - st->undone);
}

/* Gives the bytes before `end`, which are no escapes, to the next stage. After
 * too many of them its stretch ends. */
static void
undo_plain(struct redact_run *r, struct redact_batch *b, unsigned i, size_t end)
{
    struct redact_stage *st = &r->stages[i], *to = &r->stages[i + 1];
    size_t quiet =
        r->history + 1; /* a form, and the character with its last bits */
    stage_copy(r, b, i, redact_min(end - st->undone, quiet - to->quiet));
    if (to->quiet == quiet) {
        stage_step(r, b, i + 1, true);
        st->undone = end;
    }
}

/* Undoes the escapes of stage `i`: gives its bytes to the next stage, from
 * shortly before an escape until long after it. */
static void
undo(struct redact_run *r, struct redact_batch *b, unsigned i, bool is_end)
{
    AN(i + 1 < REDACT_STAGES);
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

/* Looks up the windows of stage `i`, then undoes its escapes. */
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
    CHECK(r, REDACT_RUN_MAGIC);
    r->end = offset;
    stage_begin(r, b, &r->stages[0], (uint32_t)offset);
}

void
redact_run_feed(struct redact_run *r, struct redact_batch *b, struct str bytes)
{
    CHECK(r, REDACT_RUN_MAGIC);
    struct redact_stage *st = &r->stages[0];
    AN(st->is_on);
    while (bytes.n != 0) {
        stage_room(r, b, 0);
        size_t n = redact_min(bytes.n, r->room - st->n);
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

/* The room only grows: what the stages hold stays. */
void
redact_run_change(
    struct redact_run *r, const struct redact_keys *keys, unsigned n)
{
    CHECK(r, REDACT_RUN_MAGIC);
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
