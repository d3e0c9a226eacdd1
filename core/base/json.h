#pragma once

/*
 * A small escaping JSON writer (RFC 8259) into a buf: log lines, problem
 * documents. It reads no JSON. What it writes is always valid UTF-8, whatever
 * bytes a peer sent. All return false when the buf's ceiling is reached; the
 * buf may then hold a part of the piece, and the caller drops the whole line.
 */

#include "base/buf.h"

/* The inside of a string: `"`, `\` and control bytes (DEL too) escaped; a
 * byte that is no part of well-formed UTF-8 becomes U+FFFD; U+2028 and U+2029
 * are escaped for the sake of readers that take them for line ends. */
must_check bool json_escape(struct buf *b, struct str s);

/* `"key":VALUE`, with a comma in front unless the buf is empty or ends with
 * `{`, `[`, `,` or `:`. */
must_check bool json_key_string(struct buf *b, const char *key, struct str s);
must_check bool json_key_u64(struct buf *b, const char *key, uint64_t v);
must_check bool json_key_bool(struct buf *b, const char *key, bool v);

/* The length of the well-formed UTF-8 sequence at the start of `s` (Unicode
 * 15, table 3-7: no surrogates, no overlong forms); 0 when there is none. */
size_t utf8_length(struct str s);
