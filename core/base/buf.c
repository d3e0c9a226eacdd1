/*
 * Growable buffers with a ceiling: heads, log lines, messages. Bodies go
 * through bufq.c.
 */

#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

void
buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){ .max = max };
}

static void
rewind_empty(struct buf *b)
{
    b->n = 0;
    if (b->gone != 0) {
        b->p -= b->gone;
        b->gone = 0;
    }
}

static void
move_to_front(struct buf *b)
{
    memmove(b->p - b->gone, b->p, b->n);
    b->p -= b->gone;
    b->gone = 0;
}

void
buf_fini(struct buf *b)
{
    rewind_empty(b);
    if (b->is_secret && b->p != NULL) {
        mem_wipe(b->p, b->cap);
    }
    xfree(b->p);
    *b = (struct buf){ .max = b->max, .is_secret = b->is_secret };
}

void
buf_clear(struct buf *b)
{
    rewind_empty(b);
}

/* realloc() would leave a copy where it moves. */
static void
grow_secret(struct buf *b, size_t cap)
{
    AZ(b->gone);
    char *p = xalloc(cap);
    if (b->p != NULL) {
        memcpy(p, b->p, b->n);
        mem_wipe(b->p, b->cap);
        xfree(b->p);
    }
    b->p = p;
    b->cap = cap;
}

static void
grow(struct buf *b, size_t n)
{
    size_t cap = b->cap < 256 ? 256 : b->cap * 2;
    while (cap - b->n < n) {
        cap *= 2;
    }
    cap = cap < b->max ? cap : b->max;
    if (b->is_secret) {
        grow_secret(b, cap);
        return;
    }
    b->cap = cap;
    b->p = xrealloc(b->p, b->cap);
}

char *
buf_reserve(struct buf *b, size_t n)
{
    if (n > b->max || b->n > b->max - n) {
        return NULL;
    }
    if (b->gone != 0 && b->cap - b->gone - b->n < n) {
        move_to_front(b);
    }
    if (b->p == NULL || b->cap - b->gone - b->n < n) {
        grow(b, n);
    }
    return b->p + b->n;
}

bool
buf_add(struct buf *b, struct str s)
{
    char *to = buf_reserve(b, s.n);
    if (to == NULL) {
        return false;
    }
    if (s.n != 0) {
        memcpy(to, s.p, s.n);
    }
    b->n += s.n;
    return true;
}

bool
buf_addc(struct buf *b, char c)
{
    return buf_add(b, str_n(&c, 1));
}

bool
buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    AN(n >= 0);
    /* vsnprintf writes a NUL behind what it counts */
    char tail[512];
    size_t len = (size_t)n;
    char *big = len < sizeof tail ? tail : xalloc(len + 1);
    va_start(ap, fmt);
    vsnprintf(big, len + 1, fmt, ap);
    va_end(ap);
    bool is_added = buf_add(b, str_n(big, len));
    if (big != tail) {
        xfree(big);
    }
    return is_added;
}

void
buf_consume(struct buf *b, size_t n)
{
    AN(n <= b->n);
    if (n == b->n) {
        rewind_empty(b);
        return;
    }
    b->p += n;
    b->n -= n;
    b->gone += n;
}
