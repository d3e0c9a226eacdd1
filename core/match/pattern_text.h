#pragma once

/*
 * The text of host patterns; for pattern.c alone.
 */

#include "base/mem.h"
#include "match/pattern.h"

/* Fills err->text; false. */
bool pattern_refuse(struct pattern_error *err, const char *why);

/* Why a byte cannot stand in a pattern; the words name the usual slip. */
const char *pattern_byte_reason(unsigned char c);

/* Whether labels are well formed; `with_star`: a `*` may stand anywhere. */
must_check bool pattern_labels_check(
    struct str s, bool with_star, struct pattern_error *err);

/* The last label is a number: what a resolver may take for an address. */
bool pattern_ends_in_number(struct str s);

/* Of what is neither an address nor a CIDR: "10.0.5.*", "10.0.5.1-9",
 * "10.0.5.1/24" are refused with what to write; names they would match, and no
 * resolved address. */
must_check bool pattern_range_check(struct str s, struct pattern_error *err);

/* Lower case, without one trailing dot, runs of stars as one; in `a`. */
struct str pattern_canonical(struct arena *a, struct str s);
