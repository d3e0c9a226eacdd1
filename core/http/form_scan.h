#pragma once

/*
 * Follows a form (application/x-www-form-urlencoded) as it streams and says
 * which bytes are in the values of the fields named. Called by substitute.c.
 */

#include "http/body_scan.h"

struct form_scan {
    uint32_t named; /* fields whose value this is */
    int c;          /* of SCAN_CHAR */

    /* form_scan.c's own */
    const struct str *names;
    unsigned n_names;
    bool is_value, is_bad;
    uint32_t alive; /* fields that the name may still be */
    size_t name_n;  /* bytes of the name so far */
    int digits;     /* of an escape so far, -1: in none */
    int code;
};

/* The names, decoded and SCAN_FIELDS_MAX at most, are borrowed. */
void form_scan_init(
    struct form_scan *s, const struct str *names, unsigned n_names);

/* SCAN_BAD: what should be an escape is none. Behind a bare ";" a value names
 * nothing: to some readers another field begins there. */
enum scan form_scan_byte(struct form_scan *s, unsigned char c);

/* As json_scan_plain(). */
size_t form_scan_plain(const struct form_scan *s, struct str bytes);

/* Whether the form may end here. */
bool form_scan_is_done(const struct form_scan *s);
