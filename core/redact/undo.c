/*
 * Only bytes of the text are read here, never a secret's: so looking up a table
 * by them tells nothing.
 */

#include "redact/undo.h"

#define BLOCK 64

const struct redact_digit redact_digits[256] = {
    ['0'] = { 0, 0x1a, 0 },
    ['1'] = { 0, 0x1e, 1 },
    ['2'] = { 0x41, 0x1e, 2 },
    ['3'] = { 0x02, 0x1e, 3 },
    ['4'] = { 0x04, 0x1e, 4 },
    ['5'] = { 0x88, 0x5f, 5 },
    ['6'] = { 0x04, 0x1e, 6 },
    ['7'] = { 0x10, 0x1e, 7 },
    ['8'] = { 0, 0x1e, 8 },
    ['9'] = { 0, 0x1e, 9 },
    ['A'] = { 0, 0x1c, 10 },
    ['B'] = { 0, 0x05, 11 },
    ['C'] = { 0, 0x8c, 12 },
    ['D'] = { 0, 0x05, 13 },
    ['E'] = { 0, 0x15, 14 },
    ['F'] = { 0, 0x0d, 15 },
    ['a'] = { 0, 0x1c, 10 },
    ['b'] = { 0, 0x05, 11 },
    ['c'] = { 0, 0x8c, 12 },
    ['d'] = { 0, 0x05, 13 },
    ['e'] = { 0, 0x15, 14 },
    ['f'] = { 0, 0x0d, 15 },
};

void
redact_marks_init(struct redact_marks *m, const struct simd *simd,
    const unsigned char *p, size_t n)
{
    size_t blocks = (n + BLOCK - 1) / BLOCK, full = n < 2 ? 0 : (n - 2) / BLOCK;
    unsigned char last[2 * BLOCK + 2] = { 0 };
    AN(n <= BLOCK * REDACT_MARKS_MAX);
    m->p = p;
    m->n = n;
    /* The last blocks are copied: nothing is read behind the `n` bytes. */
    memcpy(last, p + full * BLOCK, n - full * BLOCK);
    simd->escapes(&redact_token, p, full, m->masks);
    simd->escapes(&redact_token, last, blocks - full, m->masks + full);
    for (size_t i = n < 2 ? 0 : n - 2; i < n; i++) {
        m->masks[i / BLOCK] |= (uint64_t)(p[i] == '%') << i % BLOCK;
    }
    if (n % BLOCK != 0) {
        m->masks[n / BLOCK] &= (UINT64_C(1) << n % BLOCK) - 1;
    }
}

/* An escape of `length` bytes that two digits end. Returns its length; 1: it is
 * no escape; 0: more bytes must tell. */
static unsigned
undo_hex(const unsigned char *p, size_t n, unsigned length, unsigned char *to)
{
    const unsigned char *digits = p + length - 2;
    if (n <= length - 2) {
        return 0;
    }
    if (n < length) {
        return redact_digits[digits[0]].high != 0 ? 0 : 1;
    }
    *to = redact_undo_digits(digits);
    return *to != 0 ? length : 1;
}

/* "\u00" and two digits. */
static unsigned
undo_unicode(const unsigned char *p, size_t n, unsigned char *to)
{
    for (unsigned i = 2; i < 4 && i < n; i++) {
        if (p[i] != '0') {
            return 1;
        }
    }
    return undo_hex(p, n, 6, to);
}

/* The escape that the '%' or '\' at `p` begins. Returns what undo_hex() does.
 */
static unsigned
undo(const unsigned char *p, size_t n, unsigned char *to)
{
    if (p[0] == '%') {
        return undo_hex(p, n, 3, to);
    }
    if (n == 1) {
        return 0;
    }
    switch (p[1]) {
    case 'u':
        return undo_unicode(p, n, to);
    case 'x':
        return undo_hex(p, n, 4, to);
    case '\\':
    case '/':
    case '+':
    case '-':
    case '_':
    case '.':
    case '~':
        *to = p[1];
        return 2;
    default:
        return 1;
    }
}

struct redact_escape
redact_undo_next(const struct redact_marks *m, size_t from, bool is_end)
{
    struct redact_escape e = { .at = m->n };
    size_t k = from / BLOCK;
    uint64_t left = UINT64_MAX << from % BLOCK;
    for (; k * BLOCK < m->n; k++, left = UINT64_MAX) {
        left &= m->masks[k];
        for (; left != 0; left &= left - 1) {
            size_t at = k * BLOCK + (size_t)__builtin_ctzll(left);
            const unsigned char *p = m->p + at;
            e.n = undo(p, m->n - at, &e.byte);
            if (e.n > 1 || (e.n == 0 && !is_end)) {
                e.at = at;
                return e;
            }
        }
    }
    e.n = 0;
    return e;
}
