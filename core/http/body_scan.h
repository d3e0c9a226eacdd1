#pragma once

/*
 * The answers of the scanners of request bodies (json_scan.h, form_scan.h).
 * A scanner gets one byte after the other, so it does not matter how the body
 * is cut into pieces. It allocates nothing. In doubt it names no field.
 */

#include "base/str.h"

/* The most fields that one scanner looks for; field i is bit i of `named`. */
#define SCAN_FIELDS_MAX 32

enum scan {
    SCAN_PASS, /* the byte is outside of the named fields' texts */
    SCAN_PART, /* it is in such a text; more bytes of its character follow */
    SCAN_CHAR, /* it ends a character of such a text: the scanner's `c` */
    SCAN_END,  /* the text ended before this byte */
    SCAN_BAD   /* malformed or ambiguous: from here on no field is named */
};

/* The value of `c` for a character outside ASCII. */
#define SCAN_OTHER (-1)
