#pragma once

/*
 * Parameters of a query, "a=b&c=d" without the "?" (RFC 3986 3.4, encoded as a
 * form). Nothing is refused: a malformed escape is read as the bytes that it
 * is.
 */

#include "base/str.h"

/* Reads the byte at `at`, percent-encoded or not; "+" stays "+". Returns how
 * many bytes of the query it takes: 1 or 3. */
size_t query_byte(struct str query, size_t at, unsigned char *c);

/* Whether the encoded parameter name `raw` is `name`, as a lenient server
 * decodes it: "+" is a space. */
bool query_name_is(struct str raw, struct str name);

/* Writes `s` to `to`, percent-encoded except for unreserved characters. `to`
 * has room for s.n * 3 bytes; returns how many were written. */
size_t query_encode(struct str s, char *to);
