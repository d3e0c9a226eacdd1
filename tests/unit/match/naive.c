/*
 * Slow and simple counterparts.
 */

#include "naive.h"

unsigned
naive_below(struct naive_random *r, unsigned n)
{
    /* xorshift64* (Vigna 2016) */
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return (unsigned)((r->state * 0x2545f4914f6cdd1dull) >> 33) % n;
}

bool
naive_glob(struct str pattern, struct str subject)
{
    if (pattern.n == 0) {
        return subject.n == 0;
    }
    if (pattern.p[0] == '*') {
        return naive_glob(str_skip(pattern, 1), subject) ||
               (subject.n != 0 && naive_glob(pattern, str_skip(subject, 1)));
    }
    return subject.n != 0 && subject.p[0] == pattern.p[0] &&
           naive_glob(str_skip(pattern, 1), str_skip(subject, 1));
}

size_t
naive_name(struct naive_random *r, bool with_star, char *out)
{
    unsigned labels = 1 + naive_below(r, 5);
    size_t n = 0;
    for (unsigned i = 0; i < labels; i++) {
        unsigned bytes = 1 + naive_below(r, 3);
        if (i != 0) {
            out[n++] = '.';
        }
        for (unsigned k = 0; k < bytes; k++) {
            bool is_star = with_star && naive_below(r, 6) == 0;
            bool is_second = n != 0 && out[n - 1] == '*';
            out[n++] =
                is_star && !is_second ? '*' : (char)('a' + naive_below(r, 3));
        }
    }
    return n;
}
