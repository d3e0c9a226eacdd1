#pragma once

/*
 * DER (X.690) of a bounded size. The writer goes from the end to the front, so
 * that a length is known when its header is written. The reader takes one
 * element at a time. Neither owns memory.
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

/* The bytes that were written are those from p + at to the end. */
struct der {
    uint8_t *p;
    size_t at;
};

void der_init(struct der *d, uint8_t *p, size_t size);

/* Puts bytes in front. Too little room is our own bug. */
void der_raw(struct der *d, struct str s);

/* Puts a header in front of all that was written since d->at was `end`. */
void der_wrap(struct der *d, enum der_tag tag, size_t end);

/* Header and content. */
void der_put(struct der *d, enum der_tag tag, struct str s);

/* What was written since d->at was `end`. */
struct str der_since(const struct der *d, size_t end);

/* Takes an element off the front of `in`: `body` is its content, `whole` is
 * header and content (either may be NULL). False: another tag comes there, or
 * the length is not valid in DER. */
must_check bool der_take(
    struct str *in, enum der_tag tag, struct str *body, struct str *whole);
