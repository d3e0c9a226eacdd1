/*
 * One escape at a time. All that is looked at is of the text.
 */

#include "redact/undo.h"

static inline int
hex(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `digits` of them behind `before` bytes. */
static unsigned
undo_hex(const unsigned char *p, size_t n, unsigned before, unsigned digits,
    unsigned char *to)
{
    unsigned value = 0;
    for (unsigned i = before; i < before + digits; i++) {
        if (i == n) {
            return 0;
        }
        int digit = hex(p[i]);
        if (digit < 0) {
            return 1;
        }
        value = value << 4 | (unsigned)digit;
    }
    if (value >= 0x80 || !redact_is_token((unsigned char)value)) {
        return 1;
    }
    *to = (unsigned char)value;
    return before + digits;
}

unsigned
redact_undo(const unsigned char *p, size_t n, unsigned char *to)
{
    AN(n != 0);
    if (p[0] == '%') {
        return undo_hex(p, n, 1, 2, to);
    }
    if (n == 1) {
        return 0;
    }
    switch (p[1]) {
    case 'u':
        return undo_hex(p, n, 2, 4, to);
    case 'x':
        return undo_hex(p, n, 2, 2, to);
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
