/*
 * A run has the bits of a random text: as many characters, each drawn from the
 * smallest of our alphabets that has all of them. A secret that a person made
 * up has fewer bits, and nothing here can tell.
 */

#include "redact/worth.h"

enum byte_class { DIGIT = 1, HEX = 2, LOWER = 4, UPPER = 8, MARK = 16 };

/* The classes of a byte, ORed; 0: it is no token byte. */
static unsigned
class_of(unsigned char c)
{
    if (ascii_is_digit(c)) {
        return DIGIT;
    }
    if (ascii_is_alpha(c)) {
        unsigned hex = (c | 0x20) <= 'f' ? HEX : 0;
        return hex | (c >= 'a' ? LOWER : UPPER);
    }
    return c != '\0' && strchr("+/-_.~", c) != NULL ? MARK : 0;
}

/* How many characters the alphabet has. Letters are hexadecimal digits if all
 * are, and of one case: those and the decimal digits are 16. */
static unsigned
alphabet_of(unsigned classes, bool is_hex)
{
    unsigned letters = classes & (LOWER | UPPER), n = 0;
    if (is_hex && (letters == LOWER || letters == UPPER)) {
        n = 16;
    } else {
        n = classes & DIGIT ? 10 : 0;
        n += letters & LOWER ? 26 : 0;
        n += letters & UPPER ? 26 : 0;
    }
    return n + (classes & MARK ? 6 : 0);
}

static bool
is_worth(struct str run)
{
    unsigned classes = 0;
    bool is_hex = true;
    double texts = 1; /* how many have that length and that alphabet */
    for (size_t i = 0; i < run.n; i++) {
        unsigned c = class_of((unsigned char)run.p[i]);
        is_hex = is_hex && (c & (DIGIT | HEX | MARK)) != 0;
        classes |= c;
    }
    unsigned alphabet = alphabet_of(classes, is_hex);
    for (size_t i = 0; i < run.n && texts < 0x1p80; i++) {
        texts *= alphabet;
    }
    return run.n >= WORTH_MIN && texts >= 0x1p80;
}

_Static_assert(WORTH_BITS == 80, "is_worth() says 80");

bool
worth_next(struct str value, size_t *at, struct str *run)
{
    size_t i = *at;
    while (i < value.n) {
        size_t from = i;
        while (i < value.n && class_of((unsigned char)value.p[i]) != 0) {
            i++;
        }
        *run = str_n(value.p + from, i - from);
        i += i == from; /* skips a byte that is no token byte */
        if (is_worth(*run)) {
            size_t cut = run->n > WORTH_MAX ? run->n - WORTH_MAX : 0;
            *run = str_skip(*run, cut);
            *at = i;
            return true;
        }
    }
    *at = i;
    return false;
}

bool
worth_looking_for(struct str value)
{
    struct str run;
    size_t at = 0;
    return worth_next(value, &at, &run);
}
