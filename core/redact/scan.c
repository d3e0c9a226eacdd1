/*
 * Cuts a text into runs of token bytes, 64 bytes at a time. A run that begins
 * and ends in a piece and has no escapes is looked at where it lies; one that
 * goes on behind the piece, or has some, in a redact_run.
 */

#include "redact/scan.h"

#include "base/mem.h"
#include "redact/run.h"
#include "redact/token.h"
#include "redact/undo.h"

#define BLOCK 64
#define BLOCKS 64 /* classified at once */

/* One piece's work. */
struct feed {
    struct redact_scan *scan;
    const unsigned char *piece, *end;
    uint64_t offset;            /* of the piece */
    uint64_t floor;             /* what is before it was let go */
    struct simd_masks last;     /* of the block before */
    const unsigned char *begin; /* of the run that is open; NULL: none, or it is
                                   short and began in that block */
    bool has_escapes;           /* that run, in the piece */
    bool is_open;               /* it began before the piece */
    bool is_end;                /* of the text too */
    redact_report *report;
    void *arg;
    struct redact_batch *batch;
    struct redact_run *run; /* for runs that end in the piece; NULL: none yet */
};

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

/* The rest of the run may yet show that it was none. */
static void
guess(struct feed *f, struct redact_run *r, struct redact_guess g)
{
    if (r->n_guesses < REDACT_GUESSES) {
        r->guesses[r->n_guesses++] = g;
    } else {
        report(f, REDACT_PROBED, g.secret, g.from, g.to);
    }
}

/* A form stands there: no guess was made at these bytes. */
static void
clear_guesses(struct redact_run *r, uint64_t from, uint64_t to)
{
    unsigned n = 0;
    for (unsigned i = 0; i < r->n_guesses; i++) {
        if (r->guesses[i].to <= from || r->guesses[i].from >= to) {
            r->guesses[n++] = r->guesses[i];
        }
    }
    r->n_guesses = n;
}

static void
on_hit(void *arg, const struct redact_span *span, enum redact_event event,
    unsigned secret, struct str bytes)
{
    struct feed *f = arg;
    struct redact_run *r = f->run;
    const unsigned char *p = (const unsigned char *)bytes.p;
    if (span->whose == NULL) {
        uint64_t at = f->offset + (uint64_t)(p - f->piece);
        report(f, event, secret, at, at + bytes.n);
        return;
    }
    uint64_t from, to;
    redact_run_range(r, span, bytes, &from, &to);
    if (event == REDACT_FOUND) {
        clear_guesses(r, from, to);
        report(f, event, secret, from, to);
    } else {
        guess(f, r, (struct redact_guess){ secret, from, to });
    }
}

/* Those of runs that have ended. */
static void
tell_guesses(const struct feed *f, struct redact_run *r, uint64_t open)
{
    unsigned n = 0;
    for (unsigned i = 0; i < r->n_guesses; i++) {
        struct redact_guess g = r->guesses[i];
        if (g.to > open) {
            r->guesses[n++] = g;
        } else {
            report(f, REDACT_PROBED, g.secret, g.from, g.to);
        }
    }
    r->n_guesses = n;
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

/* A run that the piece has whole, of enough bytes. The backslashes that it may
 * end with, before a quote of JSON in JSON, are of no form. */
static void
run_whole(struct feed *f, const unsigned char *from, const unsigned char *to,
    bool has_escapes)
{
    while (has_escapes && to > from && to[-1] == '\\') {
        to--;
    }
    if (to - from < WORTH_MIN) {
        return;
    }
    if (has_escapes && redact_undo_any(from, (size_t)(to - from))) {
        run_begin(f, from);
        run_feed(f, from, to);
        redact_run_end(f->run, f->batch);
    } else {
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
    } else if (to - from >= WORTH_MIN) {
        run_whole(f, from, to, f->has_escapes);
    }
}

/* Bit i: the mask has bits i to i + 15. */
static inline uint64_t
long_runs(uint64_t mask)
{
    mask &= mask >> 1;
    mask &= mask >> 2;
    mask &= mask >> 4;
    return mask & mask >> 8;
}

/* Whether 16 bits in a row end in the mask, be it that they begin in the one
 * before it. */
static inline bool
has_long_end(uint64_t last, uint64_t mask)
{
    mask &= mask << 1 | last >> 63;
    last &= last << 1;
    mask &= mask << 2 | last >> 62;
    last &= last << 2;
    mask &= mask << 4 | last >> 60;
    last &= last << 4;
    return (mask & (mask << 8 | last >> 56)) != 0;
}

/* The bits of a mask from `from` on that are set, as many as in a row. */
static inline unsigned
row(uint64_t mask, unsigned from)
{
    uint64_t others = ~(mask >> from);
    return others != 0 ? (unsigned)__builtin_ctzll(others) : BLOCK;
}

/* ... and those at its end. */
static inline unsigned
last_row(uint64_t mask)
{
    return mask != UINT64_MAX ? (unsigned)__builtin_clzll(~mask) : BLOCK;
}

/* Whether bits [from, from + n) have one; n is at most 63. */
static inline bool
has_bits(uint64_t mask, unsigned from, unsigned n)
{
    return (mask >> from & ((UINT64_C(1) << n) - 1)) != 0;
}

/* The run that is open where `p` is, if it is not known: it began in the block
 * before. */
static inline void
recall_open(struct feed *f, const unsigned char *p)
{
    unsigned n = last_row(f->last.in);
    if (f->begin == NULL && n != 0) {
        f->begin = p - n;
        f->has_escapes = f->last.special >> (BLOCK - n) != 0;
    }
}

/* Long runs that end in a block, and the open one if it is long already:
 * recall_open() finds a short one. */
static void
take_block(struct feed *f, const unsigned char *p, struct simd_masks m)
{
    uint64_t mask = m.in;
    recall_open(f, p);
    if (f->begin == NULL && mask == UINT64_MAX) {
        f->begin = p;
        f->has_escapes = false;
    }
    if (f->begin != NULL) {
        unsigned n = row(mask, 0);
        if (n == BLOCK) {
            f->has_escapes |= m.special != 0;
            return;
        }
        f->has_escapes |= has_bits(m.special, 0, n);
        close_run(f, p + n);
        mask &= UINT64_MAX << n;
    }
    unsigned open = last_row(mask);
    mask &= open != 0 ? UINT64_MAX >> open : UINT64_MAX;
    if (open >= WORTH_MIN) {
        f->begin = p + BLOCK - open;
        f->has_escapes = m.special >> (BLOCK - open) != 0;
    }
    for (uint64_t runs = long_runs(mask); runs != 0; runs = long_runs(mask)) {
        unsigned from = (unsigned)__builtin_ctzll(runs);
        unsigned n = row(mask, from);
        run_whole(f, p + from, p + from + n, has_bits(m.special, from, n));
        mask &= ~(((UINT64_C(1) << n) - 1) << from);
    }
}

/* What is left behind the last whole block; the zeroes are no token bytes. */
static void
take_rest(struct feed *f, const unsigned char *p)
{
    unsigned char block[BLOCK] = { 0 };
    unsigned n = (unsigned)(f->end - p);
    struct simd_masks m;
    if (n == 0) {
        return;
    }
    memcpy(block, p, n);
    f->scan->keys->simd->classify(&redact_token, block, 1, &m);
    for (unsigned i = 0; i < n; i++) {
        unsigned k = row(m.in, i);
        if (k != 0 && f->begin == NULL) {
            f->begin = p + i;
            f->has_escapes = false;
        }
        f->has_escapes |= has_bits(m.special, i, k);
        i += k;
        if (i < n && f->begin != NULL) {
            close_run(f, p + i);
        }
    }
}

static void
take_piece(struct feed *f)
{
    struct simd_masks masks[BLOCKS];
    const unsigned char *p = f->piece;
    while (f->end - p >= BLOCK) {
        size_t n = (size_t)(f->end - p) / BLOCK;
        n = n < BLOCKS ? n : BLOCKS;
        f->scan->keys->simd->classify(&redact_token, p, n, masks);
        for (size_t i = 0; i < n; i++, p += BLOCK) {
            if (f->begin != NULL || has_long_end(f->last.in, masks[i].in)) {
                take_block(f, p, masks[i]);
            }
            f->last = masks[i];
        }
    }
    recall_open(f, p);
    take_rest(f, p);
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
    redact_batch_init(&batch, s->keys, on_hit, f);
    f->scan = s;
    f->batch = &batch;
    f->offset = s->offset;
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
    if (f->run != NULL) {
        tell_guesses(f, f->run, s->open);
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
redact_scan_end(struct redact_scan *s, redact_report *fn, void *arg)
{
    struct feed f = { .is_end = true, .report = fn, .arg = arg };
    f.piece = f.end = (const unsigned char *)"";
    take(s, &f);
}

void
redact_scan_text(
    struct redact_scan *s, struct str text, redact_report *fn, void *arg)
{
    const unsigned char *p = (const unsigned char *)text.p;
    struct feed f = {
        .piece = p, .end = p + text.n, .is_end = true, .report = fn, .arg = arg
    };
    redact_scan_reset(s);
    take(s, &f);
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
