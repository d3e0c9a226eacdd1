/*
 * Writes and reads DER elements. Lengths are at most 65535; no certificate of
 * weir's comes near that.
 */

#include "base/der.h"

void
der_init(struct der *d, uint8_t *p, size_t size)
{
    d->p = p;
    d->at = size;
}

void
der_raw(struct der *d, struct str s)
{
    AN(s.n <= d->at);
    d->at -= s.n;
    if (s.n != 0) {
        memcpy(d->p + d->at, s.p, s.n);
    }
}

void
der_wrap(struct der *d, enum der_tag tag, size_t end)
{
    size_t n = end - d->at;
    uint8_t head[4] = { (uint8_t)tag };
    size_t n_head = 2;
    AN(n <= 0xffff);
    if (n < 0x80) {
        head[1] = (uint8_t)n;
    } else if (n <= 0xff) {
        head[1] = 0x81;
        head[2] = (uint8_t)n;
        n_head = 3;
    } else {
        head[1] = 0x82;
        head[2] = (uint8_t)(n >> 8);
        head[3] = (uint8_t)n;
        n_head = 4;
    }
    der_raw(d, str_n((const char *)head, n_head));
}

void
der_put(struct der *d, enum der_tag tag, struct str s)
{
    size_t end = d->at;
    der_raw(d, s);
    der_wrap(d, tag, end);
}

struct str
der_since(const struct der *d, size_t end)
{
    return str_n((const char *)d->p + d->at, end - d->at);
}

/* How many bytes tag and length take, and in *n the length, which must be in
 * its shortest form (X.690 10.1). 0: it is not. */
static size_t
head_size(struct str in, size_t *n)
{
    const uint8_t *p = (const uint8_t *)in.p;
    if (in.n < 2) {
        return 0;
    }
    if (p[1] < 0x80) {
        *n = p[1];
        return 2;
    }
    if (p[1] == 0x81 && in.n >= 3) {
        *n = p[2];
        return *n >= 0x80 ? 3 : 0;
    }
    if (p[1] == 0x82 && in.n >= 4) {
        *n = (size_t)p[2] << 8 | p[3];
        return *n > 0xff ? 4 : 0;
    }
    return 0;
}

bool
der_take(struct str *in, enum der_tag tag, struct str *body, struct str *whole)
{
    size_t n = 0, n_head = head_size(*in, &n);
    bool is_there =
        n_head != 0 && (uint8_t)in->p[0] == tag && n <= in->n - n_head;
    if (!is_there) {
        return false;
    }
    if (body != NULL) {
        *body = str_n(in->p + n_head, n);
    }
    if (whole != NULL) {
        *whole = str_n(in->p, n_head + n);
    }
    *in = str_skip(*in, n_head + n);
    return true;
}
