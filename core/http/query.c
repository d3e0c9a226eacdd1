/*
 * Encodes and decodes query parameters. Called by modules that add or replace a
 * parameter.
 */

#include "http/query.h"

static bool
is_unreserved(unsigned char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

size_t
query_byte(struct str query, size_t at, unsigned char *c)
{
    AN(at < query.n);
    const unsigned char *p = (const unsigned char *)query.p + at;
    *c = *p;
    if (*p != '%' || query.n - at < 3 || ascii_hex(p[1]) < 0 ||
        ascii_hex(p[2]) < 0) {
        return 1;
    }
    *c = (unsigned char)(ascii_hex(p[1]) * 16 + ascii_hex(p[2]));
    return 3;
}

bool
query_name_is(struct str raw, struct str name)
{
    size_t k = 0;
    for (size_t at = 0; at < raw.n; k++) {
        unsigned char c;
        size_t n = query_byte(raw, at, &c);
        if (n == 1 && c == '+') {
            c = ' ';
        }
        if (k >= name.n || c != (unsigned char)name.p[k]) {
            return false;
        }
        at += n;
    }
    return k == name.n;
}

size_t
query_encode(struct str s, char *to)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (is_unreserved(c)) {
            to[n++] = (char)c;
        } else {
            to[n++] = '%';
            to[n++] = hex[c >> 4];
            to[n++] = hex[c & 15];
        }
    }
    return n;
}
