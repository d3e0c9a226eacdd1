/*
 * Both checks are linear. The difference that a change makes is computed at the
 * change's end and then carried over the bytes behind it: by a multiplication
 * for a CRC-32, by a sum for an Adler-32.
 */

#include "http/gzip_sum.h"

#include <zlib.h>

#define ADLER_BASE 65521u

uint32_t
gzip_sum_add(bool is_adler, uint32_t sum, struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    unsigned n = (unsigned)s.n;
    return (uint32_t)(is_adler ? adler32(sum, p, n) : crc32(sum, p, n));
}

void
gzip_sum_init(struct gzip_sum *s, bool is_adler)
{
    *s = (struct gzip_sum){ .is_adler = is_adler };
}

void
gzip_sum_same(struct gzip_sum *s, size_t n)
{
    s->gap += n;
}

uint32_t
gzip_sum_joined(uint32_t first, uint32_t second, uint64_t n)
{
    if (n == 0) {
        return first ^ second;
    }
    return (uint32_t)crc32_combine(first, second, (z_off_t)n);
}

/* The difference of an Adler-32's high half behind `n` unchanged bytes. */
static uint32_t
carried(const struct gzip_sum *s, uint64_t n)
{
    return (uint32_t)((s->b + (uint64_t)s->a * (n % ADLER_BASE)) % ADLER_BASE);
}

static uint32_t
minus(uint32_t x, uint32_t y)
{
    return (x + ADLER_BASE - y) % ADLER_BASE;
}

void
gzip_sum_changed(struct gzip_sum *s, struct str was, struct str is)
{
    const unsigned char *old = (const unsigned char *)was.p;
    const unsigned char *new = (const unsigned char *)is.p;
    unsigned n = (unsigned)is.n;
    AN(was.n == is.n && n != 0);
    if (s->is_adler) {
        uint32_t x = (uint32_t)adler32(0, old, n);
        uint32_t y = (uint32_t)adler32(0, new, n);
        s->b = carried(s, s->gap + n);
        s->a = (s->a + minus(y & 0xffff, x & 0xffff)) % ADLER_BASE;
        s->b = (s->b + minus(y >> 16, x >> 16)) % ADLER_BASE;
    } else {
        s->crc = gzip_sum_joined(s->crc, 0, s->gap + n);
        s->crc ^= (uint32_t)(crc32(0, old, n) ^ crc32(0, new, n));
    }
    s->gap = 0;
}

uint32_t
gzip_sum_of(const struct gzip_sum *s, uint32_t check)
{
    if (!s->is_adler) {
        return check ^ gzip_sum_joined(s->crc, 0, s->gap);
    }
    uint32_t a = check & 0xffff, b = check >> 16;
    AN(a < ADLER_BASE && b < ADLER_BASE);
    a = (a + s->a) % ADLER_BASE;
    b = (b + carried(s, s->gap)) % ADLER_BASE;
    return b << 16 | a;
}
