#pragma once

/*
 * Follows a JSON text (RFC 8259, UTF-8) as it streams and says which bytes are
 * in the strings that JSON pointers (RFC 6901) name. Strict, and more: two
 * members of one name on a pointer's way are SCAN_BAD, for readers differ in
 * which they take. Called by fill.c.
 */

#include "http/body_scan.h"
#include "http/json_pointer.h"

#define JSON_DEPTH_MAX 512

enum json_state {
    JSON_BEGIN, /* of the text: a byte order mark may stand there */
    JSON_MARK,
    JSON_VALUE,
    JSON_FIRST_VALUE, /* or the array's end */
    JSON_KEY,
    JSON_FIRST_KEY, /* or the object's end */
    JSON_COLON,
    JSON_AFTER, /* a member or an element */
    JSON_END,   /* of the whole text */
    JSON_STRING,
    JSON_ESCAPE,
    JSON_HEX,
    JSON_UTF8,
    JSON_LITERAL,
    JSON_MINUS,
    JSON_ZERO,
    JSON_INT,
    JSON_POINT,
    JSON_FRACTION,
    JSON_E,
    JSON_E_SIGN,
    JSON_EXPONENT,
    JSON_BAD
};

struct json_scan {
    uint32_t named; /* fields whose text this is */
    int c;          /* of SCAN_CHAR */

    /* json_scan.c's own */
    const struct json_pointer *const *fields;
    unsigned n_fields;
    enum json_state state;
    unsigned depth; /* open containers */
    uint64_t arrays[JSON_DEPTH_MAX / 64];
    uint64_t elements[JSON_TOKENS_MAX]; /* before this one, in each array */
    /* Of each field's tokens: those that lead to where we are, and those that
     * ever led anywhere. */
    uint8_t open[SCAN_FIELDS_MAX], seen[SCAN_FIELDS_MAX];
    bool is_key;      /* the string is */
    uint32_t alive;   /* fields that the key may still be of */
    size_t key_n;     /* bytes of the key so far */
    unsigned high;    /* first half of a surrogate pair, 0: none */
    unsigned digits;  /* of \uXXXX so far, and ... */
    unsigned code;    /* ... what they are */
    unsigned left;    /* bytes of a UTF-8 sequence, ... */
    unsigned char lo; /* ... of which the next is in lo..hi */
    unsigned char hi;
    const char *literal; /* what is left of it */
};

/* The pointers, SCAN_FIELDS_MAX at most, are borrowed. */
void json_scan_init(
    struct json_scan *s, const struct json_pointer *const *fields, unsigned n);

enum scan json_scan_byte(struct json_scan *s, unsigned char c);

/* How many of these bytes are SCAN_PASS and change nothing: a short way
 * through long strings. They need not be given to json_scan_byte(). */
size_t json_scan_plain(const struct json_scan *s, struct str bytes);

/* Whether the text may end here. */
bool json_scan_is_done(const struct json_scan *s);
