/*
 * Borrowed strings: compare, cut, numbers. Knows no locale.
 */

#include "base/str.h"

int
ascii_hex(unsigned char c)
{
    if (ascii_is_digit(c)) {
        return c - '0';
    }
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
str_ieq(struct str a, struct str b)
{
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        if (ascii_lower((unsigned char)a.p[i]) !=
            ascii_lower((unsigned char)b.p[i])) {
            return false;
        }
    }
    return true;
}

bool
str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq(str_n(s.p, prefix.n), prefix);
}

bool
str_ends(struct str s, struct str suffix)
{
    if (suffix.n == 0) {
        return true; /* empty, and a pointer may be NULL */
    }
    return s.n >= suffix.n &&
           str_eq(str_n(s.p + s.n - suffix.n, suffix.n), suffix);
}

int
str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n != 0 ? memcmp(a.p, b.p, n) : 0;
    if (d != 0) {
        return d;
    }
    return a.n < b.n ? -1 : a.n > b.n;
}

size_t
str_find(struct str s, char c)
{
    const char *hit = s.n != 0 ? memchr(s.p, c, s.n) : NULL;
    return hit != NULL ? (size_t)(hit - s.p) : s.n;
}

struct str
str_skip(struct str s, size_t n)
{
    AN(n <= s.n);
    return (struct str){ s.p != NULL ? s.p + n : NULL, s.n - n };
}

struct str
str_trim(struct str s)
{
    while (s.n != 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s = str_skip(s, 1);
    }
    while (s.n != 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) {
        s.n--;
    }
    return s;
}

bool
str_cut(struct str *rest, char sep, struct str *part)
{
    if (rest->p == NULL) {
        return false;
    }
    size_t at = str_find(*rest, sep);
    *part = str_n(rest->p, at);
    *rest = at < rest->n ? str_skip(*rest, at + 1) : STR_NONE;
    return true;
}

bool
str_u64(struct str s, uint64_t *out)
{
    uint64_t v = 0;
    if (s.n == 0) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (!ascii_is_digit(c) || __builtin_mul_overflow(v, (uint64_t)10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(c - '0'), &v)) {
            return false;
        }
    }
    *out = v;
    return true;
}

struct str
str_of_u64(uint64_t v, char room[STR_U64_MAX])
{
    size_t at = STR_U64_MAX;
    do {
        room[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    return str_n(room + at, STR_U64_MAX - at);
}
