#pragma once

/*
 * What the scanners of request bodies (json_scan.h, form_scan.h) say of each
 * byte, one after the other: a body's cuts cannot matter. They own no memory
 * and nothing in them grows. In doubt they name nothing.
 */

#include "base/str.h"

/* Fields that one scanner looks for; field i is bit i of its `named`. */
#define SCAN_FIELDS_MAX 32

enum scan {
    SCAN_PASS, /* the byte is no part of a named field's text */
    SCAN_PART, /* it is, and of a character that goes on */
    SCAN_CHAR, /* it ends a character of that text, which `c` has */
    SCAN_END,  /* the text has ended before this byte */
    SCAN_BAD   /* the body cannot be read in one way; nothing will be named */
};

/* `c` of a character that is none of ASCII. */
#define SCAN_OTHER (-1)
