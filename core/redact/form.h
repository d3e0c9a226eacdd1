#pragma once

/*
 * The forms of one run of a value, without escapes: its bytes as they are, and
 * the characters of base64 and of base64url that the run alone determines. A
 * text in base64 may have begun 0, 1 or 2 bytes (modulo 3) before the run: each
 * of the three gives other characters. No branch and no look-up here depends
 * on the value's bytes.
 */

#include "redact/token.h"

/* No form has more characters. */
#define REDACT_FORM_MAX (WORTH_MAX * 8 / 6)

enum redact_form_kind {
    REDACT_RAW,
    REDACT_BASE64,
    REDACT_BASE64URL = REDACT_BASE64 + 3,
    REDACT_FORMS = REDACT_BASE64URL + 3
};

struct redact_form {
    struct str run;  /* lent by the value */
    unsigned secret; /* the index of the value in redact_keys.secrets */
    unsigned kind;
};

/* The first bit of the run at which a character of base64 begins. */
static inline size_t
redact_form_first_bit(unsigned kind)
{
    size_t lead = (kind - REDACT_BASE64) % 3 * 8;
    return (lead + 5) / 6 * 6 - lead;
}

/* How many characters are made of bits of the run alone. */
static inline size_t
redact_form_length(const struct redact_form *f)
{
    return f->kind == REDACT_RAW
               ? f->run.n
               : (f->run.n * 8 - redact_form_first_bit(f->kind)) / 6;
}

/* Whether one more character is made in part of bits of the run. */
static inline bool
redact_form_has_rest(const struct redact_form *f)
{
    return f->kind != REDACT_RAW &&
           (f->run.n * 8 - redact_form_first_bit(f->kind)) % 6 != 0;
}

/* The character for six bits `v`, without a branch: (n - v) >> 8 has all bits
 * set when v > n, and none otherwise. */
static inline unsigned char
redact_form_base64(int v, bool is_url)
{
    int c = 'A' + v;
    c += ((25 - v) >> 8) & ('a' - 'Z' - 1);
    c += ((51 - v) >> 8) & ('0' - 'z' - 1);
    c += ((61 - v) >> 8) & ((is_url ? '-' : '+') - '9' - 1);
    c += ((62 - v) >> 8) & (is_url ? '_' - '-' - 1 : '/' - '+' - 1);
    return (unsigned char)c;
}

/* Character `i` of the form. */
static inline unsigned char
redact_form_byte(const struct redact_form *f, size_t i)
{
    if (f->kind == REDACT_RAW) {
        return (unsigned char)f->run.p[i];
    }
    size_t bit = redact_form_first_bit(f->kind) + i * 6, at = bit / 8;
    int word = (unsigned char)f->run.p[at] << 8;
    word |= at + 1 < f->run.n ? (unsigned char)f->run.p[at + 1] : 0;
    int v = (word >> (10 - bit % 8)) & 0x3f;
    return redact_form_base64(v, f->kind >= REDACT_BASE64URL);
}
