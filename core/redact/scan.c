/*
 * Cuts a text into runs of token bytes, 64 bytes at a time. A run that is
 * shorter than every form is passed over. One that begins and ends in a piece
 * and has no escapes is looked at where it lies; a short one that has some, in
 * a redact_whole; and in a redact_run, one that is long or goes on behind the
 * piece.
 */

#include "redact/scan.h"

#include "redact/rows.h"
#include "redact/run.h"
#include "redact/token.h"
#include "redact/whole.h"

#define BLOCKS 64 /* classified at once */

/* One piece's work. */
struct feed {
    struct redact_scan *scan;
    const unsigned char *piece, *end;
    uint64_t offset; /* of the piece */
    uint64_t floor;  /* what is before it was let go */
    unsigned least;  /* bytes of a run that is looked at, or BLOCK */
    const unsigned char
        *begin;       /* of the run that is open; NULL: none, or it is
                         below `least` and began in the block before */
    bool has_escapes; /* that run, in the piece; what may be some */
    bool has_plain;   /* ... 16 bytes in a row, none special */
    bool is_open;     /* it began before the piece */
    bool is_end;      /* of the text too */
    redact_report *report;
    void *arg;
    struct redact_batch *batch;
    struct redact_whole *whole;
    struct redact_guesses *guesses; /* of short runs */
    struct redact_run *run; /* for runs that end in the piece; NULL: none yet */
};

static unsigned
least_of(const struct redact_scan *s)
{
    size_t n = s->keys->shortest;
    return n < BLOCK ? (unsigned)n : BLOCK;
}

void
redact_scan_init(struct redact_scan *s, const struct redact_keys *keys)
{
    *s = (struct redact_scan){ .keys = keys };
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
}

void
redact_scan_reset(struct redact_scan *s)
{
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
    s->released = s->offset;
}

static void
report(const struct feed *f, enum redact_event event, unsigned secret,
    uint64_t from, uint64_t to)
{
    from = from > f->floor ? from : f->floor;
    to = to > f->floor ? to : f->floor;
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

/* Those of runs that have ended before `end`. */
static void
tell_guesses(const struct feed *f, struct redact_guesses *guesses, uint64_t end)
{
    struct redact_guess g;
    while (redact_guesses_take(guesses, end, &g)) {
        report(f, REDACT_PROBED, g.secret, g.from, g.to);
    }
}

/* Whether the run may hold a form. */
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

/* A run with escapes that the piece has whole. The backslashes that it may end
 * with, before a quote of JSON in JSON, are of no form. */
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

/* A run that the piece has whole, of enough bytes. */
static inline void
run_whole(struct feed *f, const unsigned char *from, const unsigned char *to,
    bool has_escapes, bool has_plain)
{
    if (has_escapes) {
        run_escaped(f, from, to, has_plain);
    } else if (has_plain) {
        struct redact_span span = { from, to, NULL };
        redact_batch_add(f->batch, &span, 0, 0);
    }
}

/* The open run ends at `to`. */
static inline void
close_run(struct feed *f, const unsigned char *to)
{
    const unsigned char *from = f->begin;
    f->begin = NULL;
    if (f->is_open) {
        f->is_open = false;
        run_feed(f, from, to);
        redact_run_end(f->run, f->batch);
    } else if (is_long(f, from, to)) {
        run_whole(f, from, to, f->has_escapes, f->has_plain);
    }
}

/* Where the special bytes of a block are: a backslash, or a '%' that begins an
 * escape. */
static uint64_t
escapes_of(const struct feed *f, const unsigned char *p, uint64_t special)
{
    unsigned char copy[BLOCK + 2] = { 0 };
    size_t n = (size_t)(f->end - p);
    uint64_t mask;
    if (special == 0) {
        return 0;
    }
    if (n < sizeof copy) {
        memcpy(copy, p, n);
        p = copy;
    }
    f->scan->keys->simd->escapes(&redact_token, p, 1, &mask);
    return mask;
}

/* The run that is open where `p` is, if it is not known: it began in the block
 * before. */
static inline void
recall_open(
    struct feed *f, const unsigned char *p, const struct simd_masks *last)
{
    unsigned n = last_row(last->in);
    if (f->begin == NULL && n != 0) {
        uint64_t special = last->special >> (BLOCK - n);
        uint64_t plain = last->in & ~last->special;
        f->begin = p - n;
        f->has_escapes = special != 0 &&
                         escapes_of(f, p - BLOCK, special) >> (BLOCK - n) != 0;
        f->has_plain = long_runs(plain, REDACT_WINDOW) >> (BLOCK - n) != 0;
    }
}

/* Where 16 bytes in a row end that are not special. */
static inline uint64_t
plain_ends(const struct simd_masks *last, const struct simd_masks *m)
{
    return long_ends(last->in & ~last->special, m->in & ~m->special);
}

/* Long runs that end in a block, the one behind `last`, and the open one if it
 * is long already: recall_open() finds a short one. */
static void
take_block(struct feed *f, const unsigned char *p,
    const struct simd_masks *last, const struct simd_masks *m)
{
    uint64_t mask = m->in, escapes = escapes_of(f, p, m->special);
    uint64_t plain = plain_ends(last, m);
    recall_open(f, p, last);
    if (f->begin == NULL && mask == UINT64_MAX) {
        f->begin = p;
        f->has_escapes = f->has_plain = false;
    }
    if (f->begin != NULL) {
        unsigned n = row(mask, 0);
        uint64_t its = n < BLOCK ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
        f->has_escapes |= (escapes & its) != 0;
        f->has_plain |= (plain & its) != 0;
        if (n == BLOCK) {
            return;
        }
        close_run(f, p + n);
        mask &= ~its;
    }
    unsigned open = last_row(mask);
    mask &= open != 0 ? UINT64_MAX >> open : UINT64_MAX;
    if (open >= WORTH_MIN) {
        f->begin = p + BLOCK - open;
        f->has_escapes = escapes >> (BLOCK - open) != 0;
        f->has_plain = plain >> (BLOCK - open) != 0;
    }
    uint64_t runs = mask != 0 ? long_runs(mask, f->least) : 0;
    for (; runs != 0; runs = long_runs(mask, f->least)) {
        unsigned from = (unsigned)__builtin_ctzll(runs);
        unsigned n = row(mask, from);
        run_whole(f, p + from, p + from + n, has_bits(escapes, from, n),
            has_bits(plain, from, n));
        mask &= ~(((UINT64_C(1) << n) - 1) << from);
    }
}

/* What is left behind the last whole block; the zeroes are no token bytes. */
static void
take_rest(struct feed *f, const unsigned char *p, const struct simd_masks *last)
{
    unsigned char block[BLOCK] = { 0 };
    unsigned n = (unsigned)(f->end - p);
    struct simd_masks m;
    if (n == 0) {
        return;
    }
    memcpy(block, p, n);
    f->scan->keys->simd->classify(&redact_token, block, 1, &m);
    uint64_t escapes = escapes_of(f, p, m.special);
    uint64_t plain = plain_ends(last, &m);
    for (unsigned i = 0; i < n; i++) {
        unsigned k = row(m.in, i);
        if (k != 0 && f->begin == NULL) {
            f->begin = p + i;
            f->has_escapes = f->has_plain = false;
        }
        f->has_escapes |= has_bits(escapes, i, k);
        f->has_plain |= has_bits(plain, i, k);
        i += k;
        if (i < n && f->begin != NULL) {
            close_run(f, p + i);
        }
    }
}

/* Blocks in which no run is open, nor ends that is long enough, are passed
 * over. The masks of the block before the first stand before theirs; `ends` is
 * where 16 bytes in a row end in it. */
static uint64_t
take_blocks(struct feed *f, const unsigned char *p,
    const struct simd_masks *masks, size_t n, uint64_t ends)
{
    for (size_t i = 0; i < n; i++, p += BLOCK) {
        uint64_t before = ends;
        ends = long_ends(masks[i].in, masks[i + 1].in);
        if (f->begin != NULL ||
            (ends != 0 && longer_ends(before, ends, f->least) != 0)) {
            take_block(f, p, &masks[i], &masks[i + 1]);
        }
    }
    return ends;
}

static void
take_piece(struct feed *f)
{
    struct simd_masks masks[1 + BLOCKS];
    uint64_t ends = 0;
    const unsigned char *p = f->piece;
    masks[0] = (struct simd_masks){ 0, 0 };
    while (f->end - p >= BLOCK) {
        size_t n = (size_t)(f->end - p) / BLOCK;
        n = n < BLOCKS ? n : BLOCKS;
        f->scan->keys->simd->classify(&redact_token, p, n, masks + 1);
        ends = take_blocks(f, p, masks, n, ends);
        masks[0] = masks[n];
        p += n * BLOCK;
    }
    recall_open(f, p, masks);
    take_rest(f, p, masks);
}

/* The run that is open at the end of the piece, to be gone on with. */
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
    struct redact_batch batch;
    struct redact_whole whole;
    struct redact_guesses guesses;
    guesses.n = 0;
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

/* Of at most a block: as most values of fields are. */
static bool
has_long_run(const struct redact_scan *s, struct str text)
{
    unsigned char block[BLOCK] = { 0 };
    struct simd_masks m;
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
    AN(n <= keys->n);
    s->keys = keys;
    if (s->run != NULL) {
        redact_run_change(s->run, keys, n);
    }
}
