#pragma once

/*
 * DER (X.690) of a bounded size: a writer that goes from the end to the front,
 * so that a length is known when its header is written, and a reader that
 * takes one element off at a time. Holds no memory of its own.
 */

#include "base/str.h"

enum der_tag {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_OID = 0x06,
    DER_UTF8 = 0x0c,
    DER_PRINTABLE = 0x13,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
    DER_CONTEXT = 0x80,     /* + number: a primitive context tag */
    DER_CONSTRUCTED = 0xa0, /* + number: a constructed one */
};

/* What is written stands at p + at, up to p's end. */
struct der {
    uint8_t *p;
    size_t at;
};

void der_init(struct der *d, uint8_t *p, size_t size);

/* Puts bytes before what is there. Too little room is our own bug. */
void der_raw(struct der *d, struct str s);

/* Puts a header before all that was written since d->at was `end`. */
void der_wrap(struct der *d, enum der_tag tag, size_t end);

/* Header and content. */
void der_put(struct der *d, enum der_tag tag, struct str s);

/* What was written since d->at was `end`. */
struct str der_since(const struct der *d, size_t end);

/* Takes an element off the front of `in`: its content in `body`, header
 * included in `whole` (either may be NULL). False when another tag stands
 * there or the length is not that of DER. */
must_check bool der_take(
    struct str *in, enum der_tag tag, struct str *body, struct str *whole);
