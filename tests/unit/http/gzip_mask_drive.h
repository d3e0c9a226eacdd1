#pragma once

/*
 * Drives a gzip_mask as a pump does, with a filter between its ends that masks
 * one secret, and holds what leaves to what zlib alone says of the body: that
 * it is the body itself, or the masked text; and that nothing leaves of a block
 * whose text is not cleared. The unit tests' and the fuzz target's.
 */

#include "base/mem.h"
#include "http/gzip_mask.h"

#include <stdlib.h>

#include <zlib.h>

#define DRIVE_SECRET "S3CRET-0123456789"

/* A place in the body up to which it may leave once the text is cleared. */
struct mark {
    uint64_t bits, text;
};

/* The body by zlib. */
struct plain {
    struct mark *marks;
    size_t n_marks;
    char *text; /* what stands behind the last member is the text's too */
    size_t n, room;
    bool is_whole; /* not truncated, not corrupt */
};

/* The filter: it holds the run of token bytes that is open, so that where it
 * may hold less than the secret it may miss one. What it has given back is the
 * text that has to arrive. */
struct filter {
    char *kept;
    struct bufq back;
    size_t n, room, hold_max;
    uint64_t taken, given;
    bool has_masked;
};

struct drive {
    struct gzip_mask *mask;
    struct filter filter;
    struct bufq in, text, masked, out;
    struct bufq all; /* that left, of which so much is checked: */
    size_t checked;
    enum gzip_io result;
    size_t most; /* memory */
    unsigned looked;
};

static inline void
add_mark(struct plain *p, uint64_t bits)
{
    p->marks = xgrow(p->marks, p->n_marks, sizeof *p->marks);
    p->marks[p->n_marks++] = (struct mark){ bits, p->n };
}

static inline void
add_text(struct plain *p, const void *s, size_t n)
{
    if (p->n + n >= p->room) {
        p->room = 2 * (p->n + n) + 1;
        p->text = xrealloc(p->text, p->room);
    }
    memcpy(p->text + p->n, s, n);
    p->n += n;
}

/* Bytes of a gzip header; 0: it is not all there, or none. */
static inline size_t
head_size(const unsigned char *s, size_t n)
{
    size_t at = 10;
    if (n < at || s[0] != 0x1f || s[1] != 0x8b || s[2] != 8 || s[3] & 0xe0) {
        return 0;
    }
    if (s[3] & 4) {
        at += at + 2 <= n ? 2u + s[at] + 256u * s[at + 1] : n;
    }
    for (int flag = 8; flag <= 16; flag *= 2) {
        if (s[3] & flag) {
            while (at < n && s[at] != 0) {
                at++;
            }
            at++;
        }
    }
    at += s[3] & 2 ? 2 : 0;
    return at <= n ? at : 0;
}

/* One stream of bare deflate; how many bytes it has, 0: it is not whole. */
static inline size_t
walk(struct plain *p, const unsigned char *s, size_t n, uint64_t before)
{
    unsigned char text[4096];
    z_stream z = { .next_in = (unsigned char *)s, .avail_in = (unsigned)n };
    int r = inflateInit2(&z, -15);
    AN(r == Z_OK);
    do {
        z.next_out = text;
        z.avail_out = sizeof text;
        r = inflate(&z, Z_BLOCK);
        add_text(p, text, sizeof text - z.avail_out);
        if (r == Z_OK && (z.data_type & 192) == 128) {
            add_mark(p, before + 8 * z.total_in - (z.data_type & 7));
        }
    } while (r == Z_OK);
    (void)inflateEnd(&z);
    return r == Z_STREAM_END ? z.total_in : 0;
}

static inline bool
is_zlib(const unsigned char *s, size_t n)
{
    return n >= 2 && (s[0] & 15) == 8 && s[0] >> 4 <= 7 &&
           (s[0] * 256 + s[1]) % 31 == 0 && !(s[1] & 32);
}

static inline void
plain_make(struct plain *p, struct str body, enum coding c)
{
    const unsigned char *s = (const unsigned char *)body.p;
    size_t at = 0, n = body.n;
    *p = (struct plain){ .is_whole = true };
    add_mark(p, 0);
    add_text(p, "", 0);
    do {
        size_t head = c == CODING_GZIP ? head_size(s + at, n - at)
                      : is_zlib(s, n)  ? 2
                                       : 0;
        size_t check = c == CODING_GZIP ? 8 : head != 0 ? 4 : 0;
        if (n == 0 || (c == CODING_GZIP && head == 0)) {
            p->is_whole = n == 0;
            return;
        }
        add_mark(p, 8 * (at + head));
        size_t used = walk(p, s + at + head, n - at - head, 8 * (at + head));
        if (used == 0 || n - at - head - used < check) {
            p->is_whole = false;
            return;
        }
        at += head + used + check;
        add_mark(p, 8 * at);
    } while (
        c == CODING_GZIP && n - at >= 2 && s[at] == 0x1f && s[at + 1] == 0x8b);
    for (; at < n; at++) {
        add_text(p, s + at, 1);
        add_mark(p, 8 * (at + 1));
    }
}

static inline void
plain_free(struct plain *p)
{
    xfree(p->marks);
    xfree(p->text);
}

static inline unsigned
mask(char *s, size_t n)
{
    const size_t k = sizeof DRIVE_SECRET - 1;
    unsigned found = 0;
    for (char *at = s; n - (size_t)(at - s) >= k; found++) {
        at = memmem(at, n - (size_t)(at - s), DRIVE_SECRET, k);
        if (at == NULL) {
            break;
        }
        memset(at, '*', k);
        at += k;
    }
    return found;
}

static inline bool
is_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || c == '-';
}

static inline void
filter_take(struct filter *f, struct bufq *in)
{
    if (bufq_is_empty(in)) {
        return;
    }
    if (f->n + in->len > f->room) {
        f->room = 2 * (f->n + in->len);
        f->kept = xrealloc(f->kept, f->room);
    }
    f->taken += in->len;
    f->n += bufq_copy(in, f->kept + f->n, in->len);
    bufq_consume(in, in->len);
    f->has_masked = mask(f->kept, f->n) != 0 || f->has_masked;
}

static inline void
filter_give(struct filter *f, struct bufq *out, bool is_end)
{
    size_t held = 0;
    while (!is_end && held < f->hold_max && held < f->n &&
           is_token(f->kept[f->n - held - 1])) {
        held++;
    }
    if (f->n == held) {
        return;
    }
    size_t n = bufq_write(out, str_n(f->kept, f->n - held));
    bufq_append(&f->back, str_n(f->kept, n));
    f->given += n;
    f->n -= n;
    memmove(f->kept, f->kept + n, f->n);
}

static inline void
on_look(void *arg, char *text, size_t n)
{
    struct drive *d = arg;
    d->looked++;
    d->filter.has_masked = mask(text, n) != 0 || d->filter.has_masked;
}

static inline void
drive_init(struct drive *d, enum coding c, int level, unsigned ratio,
    size_t hold_max, size_t out_max)
{
    *d = (struct drive){ .filter = { .hold_max = hold_max } };
    d->mask = gzip_mask_new(c, level, ratio, on_look, d);
    bufq_init(&d->filter.back, SIZE_MAX);
    bufq_init(&d->in, SIZE_MAX);
    bufq_init(&d->text, 64 * 1024);
    bufq_init(&d->masked, 64 * 1024);
    bufq_init(&d->out, out_max);
    bufq_init(&d->all, SIZE_MAX);
}

static inline void
drive_fini(struct drive *d)
{
    gzip_mask_free(d->mask);
    xfree(d->filter.kept);
    bufq_fini(&d->filter.back);
    bufq_fini(&d->in);
    bufq_fini(&d->text);
    bufq_fini(&d->masked);
    bufq_fini(&d->out);
    bufq_fini(&d->all);
}

/* Each stage until it neither takes nor gives; whether anything moved. */
static inline bool
pass(struct drive *d, bool is_end)
{
    size_t in = d->in.len, text = d->text.len, was_in, was_out;
    uint64_t given = d->filter.given, taken = d->filter.taken;
    bool has_moved = false;
    enum gzip_io r;
    do {
        was_in = d->in.len;
        was_out = d->text.len;
        r = gzip_mask_read(d->mask, &d->in, &d->text, is_end);
        AN(r != GZIP_BAD && d->text.len <= d->text.limit);
    } while (r == GZIP_FULL && !bufq_is_full(&d->text) &&
             (was_in != d->in.len || was_out != d->text.len));
    has_moved = in != d->in.len || text != d->text.len;
    bool is_last = r == GZIP_DONE;
    filter_take(&d->filter, &d->text);
    filter_give(&d->filter, &d->masked, is_last);
    has_moved =
        has_moved || given != d->filter.given || taken != d->filter.taken;
    is_last = is_last && d->filter.n == 0;
    while (!bufq_is_full(&d->out)) {
        size_t had_in = d->masked.len, had_out = d->out.len;
        d->result =
            gzip_mask_write(d->mask, &d->masked, &d->out, true, is_last);
        bool moves = had_in != d->masked.len || had_out != d->out.len;
        has_moved = has_moved || moves || d->result == GZIP_BUSY;
        if (!moves && d->result != GZIP_BUSY) {
            break;
        }
    }
    size_t memory = gzip_mask_memory(d->mask);
    d->most = memory > d->most ? memory : d->most;
    return has_moved;
}

/* Until nothing moves. */
static inline void
drive_run(struct drive *d, bool is_end)
{
    bool has_moved = true;
    while (has_moved) {
        has_moved = pass(d, is_end);
        has_moved = bufq_move(&d->all, &d->out, SIZE_MAX) != 0 || has_moved;
        if (d->result == GZIP_BAD || d->result == GZIP_DONE) {
            break;
        }
    }
}

/* Of a body of which `body` was fed and nothing was masked: no more has left
 * than is cleared; *is_all: that is all that may. */
static inline void
drive_check_passed(
    struct drive *d, const struct plain *p, struct str body, bool *is_all)
{
    uint64_t may = 0, fed = 8 * (body.n - d->in.len);
    for (size_t i = 0; i < p->n_marks; i++) {
        if (p->marks[i].text <= d->filter.given && p->marks[i].bits <= fed) {
            may = p->marks[i].bits;
        }
    }
    AN(d->all.len <= may / 8);
    *is_all = d->all.len == may / 8;
    while (d->checked < d->all.len) {
        struct str run = bufq_peek_at(&d->all, d->checked);
        AN(memcmp(run.p, body.p + d->checked, run.n) == 0);
        d->checked += run.n;
    }
}
