/*
 * The class of token bytes, and what of a value is worth looking for, by
 * lengths and by the classes of its bytes.
 */

#include "redact/token.h"

/* Rows of ASCII by their high half, a bit each: 2; 3; 4 and 6; 5; 7; and two
 * bits for '%' and '\'. */
const struct simd_class redact_token = {
    .low = { 0x1a, 0x1e, 0x1e, 0x1e, 0x1e, 0x5f, 0x1e, 0x1e, 0x1e, 0x1e, 0x1c,
        0x05, 0x8c, 0x05, 0x15, 0x0d },
    .high = { [2] = 0x41,
        [3] = 0x02,
        [4] = 0x04,
        [5] = 0x88,
        [6] = 0x04,
        [7] = 0x10 },
};

enum { LOWER = 1, UPPER = 2, DIGIT = 4, OTHER = 8 };

/* Hundredths of a bit for a byte of these classes: 26, 26, 10 and 6 bytes. */
static const unsigned bits_of[16] = {
    [LOWER] = 470,
    [UPPER] = 470,
    [UPPER | LOWER] = 570,
    [DIGIT] = 332,
    [DIGIT | LOWER] = 516,
    [DIGIT | UPPER] = 516,
    [DIGIT | UPPER | LOWER] = 595,
    [OTHER] = 258,
    [OTHER | LOWER] = 500,
    [OTHER | UPPER] = 500,
    [OTHER | UPPER | LOWER] = 585,
    [OTHER | DIGIT] = 400,
    [OTHER | DIGIT | LOWER] = 539,
    [OTHER | DIGIT | UPPER] = 539,
    [OTHER | DIGIT | UPPER | LOWER] = 608,
};

static unsigned
class_of(unsigned char c)
{
    if (ascii_is_digit(c)) {
        return DIGIT;
    }
    if (!ascii_is_alpha(c)) {
        return OTHER;
    }
    return c >= 'a' ? LOWER : UPPER;
}

static size_t
bits(struct str run)
{
    unsigned classes = 0;
    for (size_t i = 0; i < run.n; i++) {
        classes |= class_of((unsigned char)run.p[i]);
    }
    return run.n * bits_of[classes] / 100;
}

static bool
is_of_value(char c)
{
    return c != '%' && c != '\\' && redact_is_token((unsigned char)c);
}

bool
redact_token_cut(struct str *rest, struct str *run)
{
    while (rest->n != 0) {
        size_t n = 0;
        while (n < rest->n && is_of_value(rest->p[n])) {
            n++;
        }
        *run = str_n(rest->p, n);
        *rest = str_skip(*rest, n < rest->n ? n + 1 : n);
        if (run->n > REDACT_RUN_MAX) {
            *run = str_skip(*run, run->n - REDACT_RUN_MAX);
        }
        if (run->n >= REDACT_RUN_MIN && bits(*run) >= REDACT_BITS_MIN) {
            return true;
        }
    }
    return false;
}

bool
redact_is_worth(struct str value)
{
    struct str run;
    return redact_token_cut(&value, &run);
}

/*
 * Credentials begin with what is public: the issuer, an account. Of a run with
 * `n` bytes only the last 16 and a third of the rest count as its random part,
 * and no window begins before that: else whoever knows what stands before a
 * random byte could try each value of it, and go on with the next.
 */
unsigned
redact_stride(size_t n)
{
    AN(n >= REDACT_RUN_MIN);
    size_t random = REDACT_RUN_MIN + (n - REDACT_RUN_MIN) / 3;
    size_t stride = random - REDACT_RUN_MIN + 1;
    return stride < REDACT_STRIDE_MAX ? (unsigned)stride : REDACT_STRIDE_MAX;
}
