#pragma once

/*
 * The text of host patterns; for pattern.c alone.
 */

#include "base/mem.h"
#include "match/pattern.h"

/* Fills in err->text and returns false. */
bool pattern_refuse(struct pattern_error *err, const char *why);

/* Why a byte is not allowed in a pattern; names the usual mistake. */
const char *pattern_byte_reason(unsigned char c);

/* Whether the labels are well formed; with `with_star` they may have stars. */
must_check bool pattern_labels_check(
    struct str s, bool with_star, struct pattern_error *err);

/* Whether the last label is a number: a resolver may take such a name for an
 * address. */
bool pattern_ends_in_number(struct str s);

/* Refuses "10.0.5.*", "10.0.5.1-9" and "10.0.5.1/24", and says what to write:
 * they would match names and no resolved address. `s` is neither an address nor
 * a CIDR range. */
must_check bool pattern_range_check(struct str s, struct pattern_error *err);

/* The pattern in lower case, without a trailing dot, several stars in a row as
 * one; in `a`. */
struct str pattern_canonical(struct arena *a, struct str s);
