#pragma once

/*
 * Parameters of a query, "a=b&c=d" without the "?" (RFC 3986 3.4 and what
 * forms make of it). Nothing is refused here and nothing repaired: what is no
 * escape is read as it stands.
 */

#include "base/str.h"

/* The byte that stands at `at`, percent-encoded or not; "+" is "+". Returns
 * how many bytes of the query it takes. */
size_t query_byte(struct str query, size_t at, unsigned char *c);

/* Whether a raw parameter name means `name`, as a lenient server reads it:
 * "+" is a space. */
bool query_name_is(struct str raw, struct str name);

/* Percent-encodes all but unreserved characters. `to` has room for s.n * 3
 * bytes; returns how many it took. */
size_t query_encode(struct str s, char *to);
