/*
 * Calls zlib's inflate() with Z_BLOCK, which stops at each block's end and
 * tells in data_type how many bits of the last byte are unused. At the end of
 * the last block it stops twice.
 */

#include "http/gzip_blocks.h"

#include <zlib.h>

#include "base/mem.h"
#include "http/gzip_zlib.h"

#define AT_END 128
#define IN_LAST 64
#define BITS_LEFT 7

/* zlib counts in int. */
#define RUN_MAX (1u << 30)

struct gzip_blocks {
    unsigned magic;
    bool has_more;
    z_stream z;
};

#define GZIP_BLOCKS_MAGIC 0x6712b10cu

struct gzip_blocks *
gzip_blocks_new(void)
{
    struct gzip_blocks *b = xcalloc(sizeof *b);
    b->magic = GZIP_BLOCKS_MAGIC;
    b->z.zalloc = gzip_zalloc;
    b->z.zfree = gzip_zfree;
    int r = inflateInit2(&b->z, -15);
    AN(r == Z_OK);
    return b;
}

void
gzip_blocks_free(struct gzip_blocks *b)
{
    if (b != NULL) {
        CHECK(b, GZIP_BLOCKS_MAGIC);
        b->magic = 0;
        (void)inflateEnd(&b->z);
        xfree(b);
    }
}

void
gzip_blocks_reset(struct gzip_blocks *b)
{
    CHECK(b, GZIP_BLOCKS_MAGIC);
    int r = inflateReset(&b->z);
    AN(r == Z_OK);
    b->has_more = false;
}

void
gzip_blocks_resume(struct gzip_blocks *b, const struct gzip_ring *r,
    uint64_t at, unsigned n_bits, unsigned bits)
{
    uint64_t from = at < GZIP_RING_SIZE ? 0 : at - GZIP_RING_SIZE;
    AN(n_bits <= 7 && bits >> n_bits == 0);
    gzip_blocks_reset(b);
    while (from != at) { /* zlib appends the second run to the first */
        size_t n = gzip_ring_run(from, at - from);
        const char *p = r->bytes + from % GZIP_RING_SIZE;
        int ret =
            inflateSetDictionary(&b->z, (const unsigned char *)p, (unsigned)n);
        AN(ret == Z_OK);
        from += n;
    }
    int ret = inflatePrime(&b->z, (int)n_bits, (int)bits);
    AN(ret == Z_OK);
}

bool
gzip_blocks_has_more(const struct gzip_blocks *b)
{
    CHECK(b, GZIP_BLOCKS_MAGIC);
    return b->has_more;
}

enum gzip_block
gzip_blocks_run(struct gzip_blocks *b, struct str in, char *to, size_t room,
    struct gzip_blocks_run *run)
{
    CHECK(b, GZIP_BLOCKS_MAGIC);
    size_t n = in.n < RUN_MAX ? in.n : RUN_MAX;
    AN(room != 0 && room < RUN_MAX);
    b->z.next_in = (unsigned char *)(n != 0 ? in.p : "");
    b->z.avail_in = (unsigned)n;
    b->z.next_out = (unsigned char *)to;
    b->z.avail_out = (unsigned)room;
    int r = inflate(&b->z, Z_BLOCK);
    unsigned where = (unsigned)b->z.data_type;
    bool is_end = r == Z_OK && where & AT_END;
    *run = (struct gzip_blocks_run){ .used = n - b->z.avail_in,
        .made = room - b->z.avail_out,
        .bits_left = where & BITS_LEFT };
    b->has_more = b->z.avail_out == 0 || (is_end && where & IN_LAST);
    if (r == Z_STREAM_END) {
        b->has_more = false;
        return BLOCK_LAST;
    }
    if (r != Z_OK && r != Z_BUF_ERROR) {
        return BLOCK_BAD;
    }
    return is_end && !(where & IN_LAST) ? BLOCK_ENDS : BLOCK_GOES_ON;
}
