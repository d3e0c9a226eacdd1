/*
 * zlib between two queues. A gunzip is at one of four places (enum place). A
 * gzip is flushed once each time that its input runs dry.
 */

#include "http/gzip.h"

#include <zlib.h>

#include "base/mem.h"
#include "http/gzip_head.h"
#include "http/gzip_zlib.h"

#define GZIP_WINDOW_BITS 13
#define GZIP_MEM_LEVEL 6

/* The contiguous room that a flush needs: with less, zlib writes its marker
 * twice. */
#define GZIP_ROOM 16

/* zlib counts in int. */
#define RUN_MAX (1u << 30)

enum place {
    AT_FIRST,  /* the body's first bytes have not all come */
    AT_MEMBER, /* inside a member */
    AT_NEXT,   /* behind a member: another one, zeros or the end follows */
    AT_ZEROS   /* behind the last member */
};

struct gunzip {
    unsigned magic;
    z_stream z;
    enum coding coding;
    enum place place;
    unsigned ratio;
    bool has_more; /* zlib has output that did not fit */
    uint64_t taken, given;
    const char *why;
};

#define GUNZIP_MAGIC 0x6712f1a7u

struct gzip {
    unsigned magic;
    z_stream z;
    bool is_flushed; /* zlib holds nothing that the other end could read */
    bool is_done;
};

#define GZIP_MAGIC 0x6712de7au

void *
gzip_zalloc(void *opaque, unsigned n, unsigned size)
{
    (void)opaque;
    return xcalloc((size_t)n * size);
}

void
gzip_zfree(void *opaque, void *p)
{
    (void)opaque;
    xfree(p);
}

struct gunzip *
gunzip_new(enum coding coding, unsigned ratio)
{
    AN(coding == CODING_GZIP || coding == CODING_DEFLATE);
    struct gunzip *g = xcalloc(sizeof *g);
    g->magic = GUNZIP_MAGIC;
    g->coding = coding;
    g->ratio = ratio;
    g->z.zalloc = gzip_zalloc;
    g->z.zfree = gzip_zfree;
    int r = inflateInit2(&g->z, coding == CODING_GZIP ? 16 + 15 : 15);
    AN(r == Z_OK);
    return g;
}

void
gunzip_free(struct gunzip *g)
{
    if (g != NULL) {
        CHECK(g, GUNZIP_MAGIC);
        g->magic = 0;
        (void)inflateEnd(&g->z);
        xfree(g);
    }
}

const char *
gunzip_why(const struct gunzip *g)
{
    CHECK(g, GUNZIP_MAGIC);
    AN(g->why != NULL);
    return g->why;
}

static enum gzip_io
bad(struct gunzip *g, const char *why)
{
    AZ(g->why);
    g->why = why;
    return GZIP_BAD;
}

static void
take(struct gunzip *g, struct bufq *in, size_t n)
{
    AN(n <= in->len);
    g->taken += n;
    bufq_consume(in, n);
}

/* Decides by the first bytes whether `deflate` is zlib's format or raw. False:
 * more bytes are needed. */
static bool
begin(struct gunzip *g, struct bufq *in, bool is_end)
{
    unsigned char first[2] = { 0 };
    AN(g->place == AT_FIRST);
    size_t n = bufq_copy(in, (char *)first, 2);
    if (n == 0 || (n == 1 && g->coding == CODING_DEFLATE && !is_end)) {
        return false;
    }
    if (g->coding == CODING_DEFLATE) {
        int r = inflateReset2(&g->z, n == 2 && gzip_is_zlib(first) ? 15 : -15);
        AN(r == Z_OK);
    }
    g->place = AT_MEMBER;
    return true;
}

/* Decides what follows a member. False: more bytes are needed. */
static bool
begin_next(struct gunzip *g, struct bufq *in)
{
    char first;
    AN(g->place == AT_NEXT);
    if (bufq_copy(in, &first, 1) == 0) {
        return false;
    }
    if (first != 0x1f || g->coding != CODING_GZIP) {
        g->place = AT_ZEROS;
        return true;
    }
    int r = inflateReset(&g->z);
    AN(r == Z_OK);
    g->place = AT_MEMBER;
    return true;
}

/* False: a byte other than zero follows. */
static bool
drop_zeros(struct gunzip *g, struct bufq *in)
{
    AN(g->place == AT_ZEROS);
    while (!bufq_is_empty(in)) {
        struct str run = bufq_peek(in);
        for (size_t i = 0; i < run.n; i++) {
            if (run.p[i] != '\0') {
                return false;
            }
        }
        take(g, in, run.n);
    }
    return true;
}

static bool
is_bomb(const struct gunzip *g)
{
    return g->ratio != 0 && g->given > GUNZIP_FREE &&
           g->given / g->ratio > g->taken;
}

/* One call of zlib's. */
static enum gzip_io
inflate_some(struct gunzip *g, struct bufq *in, struct bufq *out)
{
    struct str run = bufq_peek(in);
    size_t room, n = run.n < RUN_MAX ? run.n : RUN_MAX;
    char *to = bufq_reserve(out, 1, &room);
    AN(to != NULL && room < RUN_MAX);
    AN(g->place == AT_MEMBER);
    g->z.next_in = (unsigned char *)(n != 0 ? run.p : "");
    g->z.avail_in = (unsigned)n;
    g->z.next_out = (unsigned char *)to;
    g->z.avail_out = (unsigned)room;
    int r = inflate(&g->z, Z_SYNC_FLUSH);
    bufq_commit(out, room - g->z.avail_out);
    g->given += room - g->z.avail_out;
    take(g, in, n - g->z.avail_in);
    g->has_more = g->z.avail_out == 0;
    if (r == Z_STREAM_END) {
        g->has_more = false;
        g->place = AT_NEXT;
    } else if (r != Z_OK && r != Z_BUF_ERROR) {
        return bad(g, r == Z_NEED_DICT ? "it needs a dictionary"
                                       : "the compressed data is corrupt");
    }
    return is_bomb(g) ? bad(g, "it expands beyond gunzip_ratio") : GZIP_NEED;
}

/* All input is used up, and zlib holds no more output. */
static enum gzip_io
input_ends(struct gunzip *g, bool is_end)
{
    if (!is_end) {
        return GZIP_NEED;
    }
    if (g->place == AT_MEMBER || (g->place == AT_FIRST && g->taken != 0)) {
        return bad(g, "the compressed data is truncated");
    }
    return GZIP_DONE;
}

enum gzip_io
gunzip_run(struct gunzip *g, struct bufq *in, struct bufq *out, bool is_end)
{
    CHECK(g, GUNZIP_MAGIC);
    AZ(g->why);
    while (!bufq_is_empty(in) || g->has_more) {
        if (g->place == AT_FIRST && !begin(g, in, is_end)) {
            return GZIP_NEED;
        }
        if (g->place == AT_NEXT && !begin_next(g, in)) {
            break;
        }
        if (g->place == AT_ZEROS) {
            if (!drop_zeros(g, in)) {
                return bad(g, "something follows the compressed data");
            }
            break;
        }
        if (bufq_is_full(out)) {
            return GZIP_FULL;
        }
        enum gzip_io r = inflate_some(g, in, out);
        if (r == GZIP_BAD) {
            return r;
        }
    }
    return input_ends(g, is_end);
}

/* `bits` is deflateInit2()'s windowBits: negative for raw deflate, 16 more for
 * gzip's format. */
static struct gzip *
gzip_make(int level, int bits)
{
    AN(level >= 1 && level <= 9);
    struct gzip *g = xcalloc(sizeof *g);
    g->magic = GZIP_MAGIC;
    g->z.zalloc = gzip_zalloc;
    g->z.zfree = gzip_zfree;
    g->is_flushed = true;
    int r = deflateInit2(
        &g->z, level, Z_DEFLATED, bits, GZIP_MEM_LEVEL, Z_DEFAULT_STRATEGY);
    AN(r == Z_OK);
    return g;
}

struct gzip *
gzip_new(enum coding coding, int level)
{
    AN(coding == CODING_GZIP || coding == CODING_DEFLATE);
    return gzip_make(
        level, GZIP_WINDOW_BITS + (coding == CODING_GZIP ? 16 : 0));
}

/* zlib cannot write raw deflate with a window of 8 bits. With 9 bits it refers
 * back 250 bytes at most, which 8 bits allow. */
struct gzip *
gzip_resume(int level, unsigned window_bits, unsigned n_bits, unsigned bits)
{
    AN(window_bits >= 8 && window_bits <= 15);
    AN(n_bits <= 7 && bits >> n_bits == 0);
    int own = window_bits < 9                  ? 9
              : window_bits > GZIP_WINDOW_BITS ? GZIP_WINDOW_BITS
                                               : (int)window_bits;
    struct gzip *g = gzip_make(level, -own);
    int r = deflatePrime(&g->z, (int)n_bits, (int)bits);
    AN(r == Z_OK);
    return g;
}

void
gzip_free(struct gzip *g)
{
    if (g != NULL) {
        CHECK(g, GZIP_MAGIC);
        g->magic = 0;
        (void)deflateEnd(&g->z);
        xfree(g);
    }
}

/* One call of zlib's. True: the flush, or the end, is all out. */
static bool
deflate_some(struct gzip *g, struct bufq *in, struct bufq *out, int flush)
{
    struct str run = bufq_peek(in);
    size_t room, n = run.n < RUN_MAX ? run.n : RUN_MAX;
    char *to = bufq_reserve(out, GZIP_ROOM, &room);
    AN(to != NULL && room >= GZIP_ROOM && room < RUN_MAX);
    AZ(g->is_done);
    g->z.next_in = (unsigned char *)(n != 0 ? run.p : "");
    g->z.avail_in = (unsigned)n;
    g->z.next_out = (unsigned char *)to;
    g->z.avail_out = (unsigned)room;
    int r = deflate(&g->z, flush);
    AN(r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR);
    bufq_commit(out, room - g->z.avail_out);
    bufq_consume(in, n - g->z.avail_in);
    g->is_flushed = false;
    return flush == Z_FINISH ? r == Z_STREAM_END : g->z.avail_out != 0;
}

enum gzip_io
gzip_run(
    struct gzip *g, struct bufq *in, struct bufq *out, bool is_dry, bool is_end)
{
    CHECK(g, GZIP_MAGIC);
    while (!g->is_done) {
        bool is_last = bufq_peek(in).n == in->len;
        int flush = !is_last ? Z_NO_FLUSH
                    : is_end ? Z_FINISH
                    : is_dry ? Z_SYNC_FLUSH
                             : Z_NO_FLUSH;
        bool has_work =
            !bufq_is_empty(in) || is_end || (is_dry && !g->is_flushed);
        if (!has_work) {
            return GZIP_NEED;
        }
        if (bufq_room(out) < GZIP_ROOM) {
            return GZIP_FULL;
        }
        bool is_out = deflate_some(g, in, out, flush);
        g->is_flushed = is_out && flush == Z_SYNC_FLUSH;
        g->is_done = is_out && flush == Z_FINISH;
    }
    AN(bufq_is_empty(in));
    return GZIP_DONE;
}

const char *
gzip_library(void)
{
    return zlibVersion();
}
