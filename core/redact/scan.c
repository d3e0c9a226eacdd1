/*
 * Finds a text's runs of token bytes. It passes quickly over those that are
 * shorter than every form: it takes samples of 16 bytes, so close to each other
 * that a longer run has one, and measures a run only if a sample is of token
 * bytes. A run without escapes that lies in one piece is searched there; a
 * short one with escapes goes into a redact_whole; a long one with escapes, or
 * one that goes on behind the piece, into a redact_run.
 */

#include "redact/scan.h"

#include "redact/rows.h"
#include "redact/run.h"
#include "redact/token.h"
#include "redact/whole.h"

#define SAMPLES 64 /* of one call, as are ... */
#define BLOCKS 64

/* The most for feed.least, so that one block has the sample by which a run is
 * found, and all bytes before it that the run may have without another. */
#define LEAST_MAX 47

/* From such a feed.least on, samples far apart (take_sparse()) are quicker than
 * all blocks (take_dense()). */
#define SPARSE_LEAST 23

/* The work on one piece. */
struct feed {
    struct redact_scan *scan;
    const unsigned char *piece, *end;
    uint64_t offset; /* of the piece, in the text */
    uint64_t floor;  /* the bytes of the text before it were let go */
    unsigned least;  /* bytes of the shortest form; at most LEAST_MAX */
    const unsigned char
        *begin;       /* of the open run in the piece; NULL: none is */
    bool has_special; /* it has special bytes */
    bool has_plain;   /* it has 16 bytes in a row that are not */
    uint64_t last;    /* ... the last block's that are not special */
    bool is_open;     /* it began before the piece */
    bool is_end;      /* the text ends with the piece */
    redact_report *report;
    void *arg;
    struct redact_batch *batch;
    struct redact_whole *whole;
    struct redact_guesses *guesses; /* of runs in `whole` or in the piece */
    struct redact_run *run;         /* NULL: no run needed one yet */
};

static unsigned
least_of(const struct redact_scan *s)
{
    return (unsigned)redact_min(s->keys->shortest, LEAST_MAX);
}

void
redact_scan_init(struct redact_scan *s, const struct redact_keys *keys)
{
    CHECK(keys, REDACT_KEYS_MAGIC);
    *s = (struct redact_scan){ .magic = REDACT_SCAN_MAGIC, .keys = keys };
}

static void
run_free(struct redact_scan *s)
{
    redact_run_free(s->run);
    s->run = NULL;
}

void
redact_scan_fini(struct redact_scan *s)
{
    run_free(s);
    s->keys = NULL;
    s->magic = 0;
}

void
redact_scan_reset(struct redact_scan *s)
{
    CHECK(s, REDACT_SCAN_MAGIC);
    run_free(s);
    s->offset = s->open = s->released = 0;
}

size_t
redact_scan_held(const struct redact_scan *s)
{
    uint64_t from = s->open > s->released ? s->open : s->released;
    uint64_t n = s->offset - from;
    return n < REDACT_HELD_MAX ? (size_t)n : REDACT_HELD_MAX;
}

void
redact_scan_release(struct redact_scan *s)
{
    CHECK(s, REDACT_SCAN_MAGIC);
    s->released = s->offset;
}

static void
report(const struct feed *f, enum redact_event event, unsigned secret,
    uint64_t from, uint64_t to)
{
    from = from > f->floor ? from : f->floor;
    to = to > f->floor ? to : f->floor;
    AN(from <= to);
    f->report(f->arg, event, secret, from, to);
}

static void
on_hit(void *arg, const struct redact_span *span, enum redact_event event,
    unsigned secret, struct str bytes)
{
    struct feed *f = arg;
    struct redact_guesses *guesses = f->guesses;
    bool is_whole = redact_whole_has(f->whole, span);
    uint64_t from, to;
    if (span->whose != NULL && !is_whole) {
        redact_run_range(f->run, span, bytes, &from, &to);
        guesses = &f->run->guesses;
    } else {
        if (is_whole) {
            bytes =
                redact_whole_range(f->whole, span, f->scan->keys->simd, bytes);
        }
        const unsigned char *p = (const unsigned char *)bytes.p;
        from = f->offset + (uint64_t)(p - f->piece);
        to = from + bytes.n;
    }
    struct redact_guess guess = { secret, from, to };
    if (event == REDACT_FOUND) {
        redact_guesses_clear(guesses, from, to);
        report(f, event, secret, from, to);
    } else if (span->whose == NULL || !redact_guesses_add(guesses, guess)) {
        report(f, event, secret, from, to);
    }
}

/* Reports the guesses before `end`, where no form can be found any more. */
static void
tell_guesses(const struct feed *f, struct redact_guesses *guesses, uint64_t end)
{
    struct redact_guess g;
    while (redact_guesses_take(guesses, end, &g)) {
        report(f, REDACT_PROBED, g.secret, g.from, g.to);
    }
}

static inline bool
is_long(
    const struct feed *f, const unsigned char *from, const unsigned char *to)
{
    return (size_t)(to - from) >= f->scan->keys->shortest;
}

static void
run_begin(struct feed *f, const unsigned char *from)
{
    if (f->run == NULL) {
        f->run = redact_run_new(f->scan->keys);
    }
    redact_run_begin(f->run, f->batch, f->offset + (uint64_t)(from - f->piece));
}

static void
run_feed(struct feed *f, const unsigned char *from, const unsigned char *to)
{
    redact_run_feed(
        f->run, f->batch, str_n((const char *)from, (size_t)(to - from)));
}

/* Searches a run with escapes that the piece has whole. Backslashes at its end
 * (JSON in JSON has them before a quote) belong to no form. */
static void
run_escaped(struct feed *f, const unsigned char *from, const unsigned char *to,
    bool has_plain)
{
    while (to > from && to[-1] == '\\') {
        to--;
    }
    if (!is_long(f, from, to)) {
        return;
    }
    if (to - from <= REDACT_WHOLE_MAX) {
        redact_whole_add(
            f->whole, f->batch, from, (size_t)(to - from), has_plain);
    } else {
        run_begin(f, from);
        run_feed(f, from, to);
        redact_run_end(f->run, f->batch);
    }
}

/* Where the block at `p` has a backslash, or a '%' that begins an escape. */
static uint64_t
escapes_of(const struct feed *f, const unsigned char *p)
{
    const struct simd *simd = f->scan->keys->simd;
    unsigned char copy[BLOCK + 2];
    size_t n = (size_t)(f->end - p);
    uint64_t mask;
    if (n < sizeof copy) {
        memset(copy, 0, sizeof copy);
        memcpy(copy, p, n);
        p = copy;
    }
    simd->escapes(&redact_token, p, 1, &mask);
    return mask;
}

static bool
has_escapes(
    const struct feed *f, const unsigned char *from, const unsigned char *to)
{
    const unsigned char *p = from;
    while (to - p > BLOCK && escapes_of(f, p) == 0) {
        p += BLOCK;
    }
    return to - p > BLOCK ||
           (escapes_of(f, p) & low_bits((size_t)(to - p))) != 0;
}

/* The open run ends at `to`: searches it. */
static void
close_run(struct feed *f, const unsigned char *to)
{
    const unsigned char *from = f->begin;
    f->begin = NULL;
    if (f->is_open) {
        f->is_open = false;
        run_feed(f, from, to);
        redact_run_end(f->run, f->batch);
    } else if (!is_long(f, from, to)) {
        return;
    } else if (f->has_special && has_escapes(f, from, to)) {
        run_escaped(f, from, to, f->has_plain);
    } else if (f->has_plain) {
        redact_batch_run(f->batch, from, to);
    }
}

/* classify() for a block that is not whole in the piece. */
static __attribute__((noinline)) void
classify_edge(const struct feed *f, const unsigned char *p, size_t before,
    struct simd_masks *m)
{
    unsigned char copy[BLOCK] = { 0 };
    size_t behind = (size_t)(f->end - p), at = (size_t)(p - f->piece);
    size_t from = at < before ? before - at : 0;
    size_t to = redact_min(before + behind, BLOCK);
    memcpy(copy + from, p - (before - from), to - from);
    f->scan->keys->simd->classify(&redact_token, copy, 1, m);
}

/* Classifies the block that begins `before` bytes before `p`. Bytes outside the
 * piece count as no token bytes. */
static inline void
classify(const struct feed *f, const unsigned char *p, size_t before,
    struct simd_masks *m)
{
    if ((size_t)(p - f->piece) < before ||
        (size_t)(f->end - p) < BLOCK - before) {
        classify_edge(f, p, before, m);
    } else {
        f->scan->keys->simd->classify(&redact_token, p - before, 1, m);
    }
}

/* Notes what bytes the open run has in a block, where its bits are `its`. */
static void
note(struct feed *f, const struct simd_masks *m, uint64_t its)
{
    uint64_t plain = its & ~m->special;
    f->has_special |= plain != its;
    f->has_plain = f->has_plain || long_ends(f->last, plain) != 0;
    f->last = plain;
}

/* Follows the open run from `p` on. Returns its end. */
static const unsigned char *
follow(struct feed *f, const unsigned char *p)
{
    unsigned n = BLOCK;
    while (n == BLOCK && p != f->end) {
        struct simd_masks m;
        classify(f, p, 0, &m);
        n = row(m.in, 0);
        note(f, &m, low_bits(n));
        p += n;
    }
    return p;
}

/* Takes a run that begins at `p` with the `n` bytes of a block from `from` on:
 * it has special bytes, or goes on behind the block. Returns its end. */
static __attribute__((noinline)) const unsigned char *
take_any(struct feed *f, const unsigned char *p, const struct simd_masks *m,
    unsigned from, unsigned n)
{
    f->begin = p;
    f->has_special = f->has_plain = false;
    f->last = 0;
    note(f, m, low_bits(n) << from);
    p += n;
    if (from + n == BLOCK) {
        p = follow(f, p);
    }
    if (p != f->end) {
        close_run(f, p);
    }
    return p;
}

/* take_any() for a run that goes on behind the block. Most of them end in the
 * next block and have no special byte: those are searched at once. */
static __attribute__((noinline)) const unsigned char *
take_two(struct feed *f, const unsigned char *p, const struct simd_masks *m,
    unsigned from, unsigned n)
{
    const unsigned char *end = p + n;
    struct simd_masks next;
    if (f->end - end > BLOCK && !has_bits(m->special, from, n)) {
        classify(f, end, 0, &next);
        unsigned more = row(next.in, 0);
        if (more < BLOCK && !has_bits(next.special, 0, more)) {
            end += more;
            if (is_long(f, p, end)) {
                redact_batch_run(f->batch, p, end);
            }
            return end;
        }
    }
    return take_any(f, p, m, from, n);
}

/* Takes the run of the sample at `p`; with more than feed.least - 16 bytes
 * before it, another sample would have found it. Returns the run's end. */
static inline const unsigned char *
take_run(struct feed *f, const unsigned char *p)
{
    unsigned before = f->least - SIMD_SAMPLE;
    struct simd_masks m;
    classify(f, p, before, &m);
    unsigned more = last_row(m.in << 1 << (BLOCK - 1 - before));
    unsigned from = before - more, n = row(m.in >> from, 0);
    const unsigned char *begin = p - more, *end = begin + n;
    if (from + n == BLOCK) {
        return take_two(f, begin, &m, from, n);
    }
    if (end != f->end && !is_long(f, begin, end)) {
        return end;
    }
    if (end == f->end || has_bits(m.special, from, n)) {
        return take_any(f, begin, &m, from, n);
    }
    redact_batch_run(f->batch, begin, end);
    return end;
}

/* Takes the runs of the samples in `hits`; bit i is the sample at p + i * step.
 * A run may have several. Returns the end of the last run. */
static const unsigned char *
take_hits(struct feed *f, const unsigned char *p, size_t step, uint64_t hits)
{
    const unsigned char *end = p;
    for (; hits != 0; hits &= hits - 1) {
        const unsigned char *at = p + (unsigned)__builtin_ctzll(hits) * step;
        if (at >= end) {
            end = take_run(f, at);
        }
    }
    return end;
}

/* Finds runs by samples: each run of at least `least` bytes has one. */
static void
take_sparse(struct feed *f, const unsigned char *p)
{
    const struct simd *simd = f->scan->keys->simd;
    size_t step = f->least - SIMD_SAMPLE + 1;
    while (f->begin == NULL && f->end - p >= SIMD_SAMPLE) {
        size_t left = (size_t)(f->end - p) - SIMD_SAMPLE;
        bool is_last = left < SAMPLES * step;
        size_t n = is_last ? left / step + 1 : SAMPLES;
        uint64_t hits = simd->samples(&redact_token, p, step, n);
        const unsigned char *end = take_hits(f, p, step, hits);
        if (is_last) {
            return;
        }
        p += SAMPLES * step;
        p = p > end ? p : end;
    }
}

/* Takes the runs that are long enough at a bit of `ends` and end behind `done`.
 */
static const unsigned char *
take_ends(struct feed *f, const unsigned char *p, uint64_t ends,
    const unsigned char *done)
{
    while (ends != 0) {
        const unsigned char *end = p + (unsigned)__builtin_ctzll(ends) + 1;
        if (end > done) {
            done = take_run(f, end - SIMD_SAMPLE);
        }
        ends &= ~low_bits((size_t)(done - p));
    }
    return done;
}

/* Takes the runs of a block that end behind `done`. Its masks are last[1],
 * those of the block before last[0]; *ends is long_ends() of that one, then of
 * it. */
static inline const unsigned char *
take_block(struct feed *f, const unsigned char *p,
    const struct simd_masks *last, uint64_t *ends, const unsigned char *done)
{
    uint64_t before = *ends;
    *ends = long_ends(last[0].in, last[1].in);
    if (*ends == 0) {
        return done;
    }
    return take_ends(f, p, longer_ends(before, *ends, f->least), done);
}

/* Finds runs by the masks of all blocks; masks[0] is of the block before. */
static void
take_dense(struct feed *f, const unsigned char *p)
{
    struct simd_masks masks[1 + BLOCKS];
    const unsigned char *done = p;
    uint64_t ends = 0;
    masks[0] = (struct simd_masks){ 0, 0 };
    while (f->begin == NULL && f->end - p >= BLOCK) {
        size_t n = redact_min((size_t)(f->end - p) / BLOCK, BLOCKS);
        f->scan->keys->simd->classify(&redact_token, p, n, masks + 1);
        for (size_t i = 0; i < n; i++, p += BLOCK) {
            done = take_block(f, p, masks + i, &ends, done);
        }
        masks[0] = masks[n];
    }
    if (f->begin == NULL && p < f->end) {
        classify(f, p, 0, masks + 1);
        take_block(f, p, masks, &ends, done);
    }
}

/* Finds the run that is open at the piece's end; one not known yet is short. */
static void
find_open(struct feed *f)
{
    struct simd_masks m;
    if (f->begin == NULL) {
        classify(f, f->end, BLOCK, &m);
        unsigned n = last_row(m.in);
        AN(n < f->least);
        f->begin = n != 0 ? f->end - n : NULL;
    }
}

static void
take_piece(struct feed *f)
{
    const unsigned char *p = f->piece;
    if (f->begin != NULL) {
        p = follow(f, p);
        if (p == f->end) {
            return;
        }
        close_run(f, p);
    }
    if (f->least >= SPARSE_LEAST) {
        take_sparse(f, p);
    } else {
        take_dense(f, p);
    }
    find_open(f);
}

static void
keep_open(struct feed *f)
{
    struct redact_scan *s = f->scan;
    if (!f->is_open) {
        s->open = f->offset + (uint64_t)(f->begin - f->piece);
        run_begin(f, f->begin);
    }
    run_feed(f, f->begin, f->end);
    redact_run_step(f->run, f->batch);
    s->run = f->run;
}

static void
take(struct redact_scan *s, struct feed *f)
{
    CHECK(s->keys, REDACT_KEYS_MAGIC);
    AN(s->open <= s->offset && s->released <= s->offset);
    AN((s->run != NULL) == (s->open < s->offset));
    struct redact_batch batch;
    struct redact_whole whole;
    struct redact_guesses guesses;
    redact_guesses_init(&guesses);
    redact_batch_init(&batch, s->keys, on_hit, f);
    redact_whole_init(&whole);
    f->scan = s;
    f->batch = &batch;
    f->whole = &whole;
    f->guesses = &guesses;
    f->offset = s->offset;
    f->least = least_of(s);
    f->floor = s->offset - redact_scan_held(s);
    f->run = s->run;
    f->is_open = s->run != NULL;
    f->begin = f->is_open ? f->piece : NULL;
    take_piece(f);
    s->run = NULL;
    if (f->begin != NULL && f->is_end) {
        close_run(f, f->end);
    } else if (f->begin != NULL) {
        keep_open(f);
    }
    redact_batch_flush(&batch);
    s->offset += (uint64_t)(f->end - f->piece);
    s->open = s->run != NULL ? s->open : s->offset;
    tell_guesses(f, &guesses, s->open);
    if (f->run != NULL) {
        tell_guesses(f, &f->run->guesses, s->open);
    }
    if (s->run == NULL) {
        redact_run_free(f->run);
    }
}

void
redact_scan_feed(
    struct redact_scan *s, struct str bytes, redact_report *fn, void *arg)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    struct feed f = {
        .piece = p, .end = p + bytes.n, .report = fn, .arg = arg
    };
    if (bytes.n != 0) {
        take(s, &f);
    }
}

void
redact_scan_last(
    struct redact_scan *s, struct str bytes, redact_report *fn, void *arg)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    struct feed f = {
        .piece = p, .end = p + bytes.n, .is_end = true, .report = fn, .arg = arg
    };
    take(s, &f);
}

void
redact_scan_end(struct redact_scan *s, redact_report *fn, void *arg)
{
    redact_scan_last(s, STR(""), fn, arg);
}

/* Whether a text of at most a block has a run with room for a form. */
static bool
has_long_run(const struct redact_scan *s, struct str text)
{
    unsigned char block[BLOCK] = { 0 };
    struct simd_masks m;
    AN(text.n <= BLOCK);
    memcpy(block, text.p, text.n);
    s->keys->simd->classify(&redact_token, block, 1, &m);
    return long_runs(m.in, least_of(s)) != 0;
}

void
redact_scan_text(
    struct redact_scan *s, struct str text, redact_report *fn, void *arg)
{
    redact_scan_reset(s);
    if (text.n > BLOCK || has_long_run(s, text)) {
        redact_scan_last(s, text, fn, arg);
    }
}

void
redact_scan_change(
    struct redact_scan *s, const struct redact_keys *keys, unsigned n)
{
    CHECK(keys, REDACT_KEYS_MAGIC);
    AN(n <= keys->n && n <= s->keys->n);
    s->keys = keys;
    if (s->run != NULL) {
        redact_run_change(s->run, keys, n);
    }
}
