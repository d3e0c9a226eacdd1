#pragma once

/*
 * Scans a JSON text (RFC 8259, UTF-8) as it streams and tells which bytes are
 * in the strings that given JSON pointers (RFC 6901) name. Stricter than the
 * RFC: two members of one name on the path of a pointer are SCAN_BAD, since
 * readers differ in which one they take. Called by substitute.c.
 */

#include "http/body_scan.h"
#include "http/json_pointer.h"

#define JSON_DEPTH_MAX 512

enum json_state {
    JSON_BEGIN, /* the text begins, perhaps with a byte order mark */
    JSON_MARK,  /* in a byte order mark */
    JSON_VALUE,
    JSON_FIRST_VALUE, /* an array's first element, or its end */
    JSON_KEY,
    JSON_FIRST_KEY, /* an object's first key, or its end */
    JSON_COLON,
    JSON_AFTER, /* behind a member or an element */
    JSON_END,   /* behind the whole value */
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
    uint32_t named; /* the fields whose string is being read */
    int c;          /* on SCAN_CHAR: the character, or SCAN_OTHER */

    /* private to json_scan.c */
    const struct json_pointer *const *fields;
    unsigned n_fields;
    enum json_state state;
    unsigned depth;                       /* open arrays and objects */
    uint64_t arrays[JSON_DEPTH_MAX / 64]; /* bit d: container d is an array */
    uint64_t elements[JSON_TOKENS_MAX];   /* index of the element in each */
    /* For each field: how many of its pointer's tokens match the path to the
     * value that is being read, and the most that ever matched. */
    uint8_t open[SCAN_FIELDS_MAX], seen[SCAN_FIELDS_MAX];
    bool is_key;          /* the string that is being read is a key */
    uint32_t alive;       /* fields whose token begins with the key so far */
    size_t key_n;         /* bytes of the key so far, decoded */
    unsigned high;        /* first half of a surrogate pair; 0: none */
    unsigned digits;      /* digits of \uXXXX so far */
    unsigned code;        /* their value */
    unsigned left;        /* bytes of a UTF-8 sequence that are still to come */
    unsigned char lo, hi; /* bounds of the next of these */
    const char *literal;  /* the rest of true, false, null or the mark */
};

/* `fields` are at most SCAN_FIELDS_MAX. They are borrowed. */
void json_scan_init(
    struct json_scan *s, const struct json_pointer *const *fields, unsigned n);

/* Reads the next byte. */
enum scan json_scan_byte(struct json_scan *s, unsigned char c);

/* How many of `bytes`, from the first on, would be SCAN_PASS and leave `s` as
 * it is: the caller may skip them, which is quick in long strings. */
size_t json_scan_plain(const struct json_scan *s, struct str bytes);

/* Whether the text may end behind the bytes read so far. */
bool json_scan_is_done(const struct json_scan *s);
