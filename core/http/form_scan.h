#pragma once

/*
 * Scans a form (application/x-www-form-urlencoded) as it streams and tells
 * which bytes are in the values of given fields. Called by substitute.c.
 */

#include "http/body_scan.h"

struct form_scan {
    uint32_t named; /* the fields whose value is being read */
    int c;          /* on SCAN_CHAR: the character, or SCAN_OTHER */

    /* private to form_scan.c */
    const struct str *names;
    unsigned n_names;
    bool is_value, is_bad;
    uint32_t alive; /* fields whose name begins with what was read of it */
    size_t name_n;  /* bytes of the name so far, decoded */
    int digits;     /* of an escape so far; -1: not in an escape */
    int code;       /* value of those digits */
};

/* `names` are decoded, and at most SCAN_FIELDS_MAX. They are borrowed. */
void form_scan_init(
    struct form_scan *s, const struct str *names, unsigned n_names);

/* Reads the next byte. SCAN_BAD: a malformed escape. A bare ";" ends the text
 * of a value, since some readers begin another field there. */
enum scan form_scan_byte(struct form_scan *s, unsigned char c);

/* Like json_scan_plain(). */
size_t form_scan_plain(const struct form_scan *s, struct str bytes);

/* Whether the form may end behind the bytes read so far. */
bool form_scan_is_done(const struct form_scan *s);
