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

/* The same in quotes. */
must_check bool json_string(struct buf *b, struct str s);

must_check bool json_u64(struct buf *b, uint64_t v);
must_check bool json_i64(struct buf *b, int64_t v);
must_check bool json_double(struct buf *b, double v); /* null if not finite */
must_check bool json_bool(struct buf *b, bool v);

/* `"key":`, with a comma in front unless the buf ends with `{`, `[`, `,` or
 * `:` or is empty. */
must_check bool json_key(struct buf *b, const char *key);

/* A comma where json_key() would put one: before an array's element. */
must_check bool json_sep(struct buf *b);

/* json_key() with its value. */
must_check bool json_key_string(struct buf *b, const char *key, struct str s);
must_check bool json_key_u64(struct buf *b, const char *key, uint64_t v);
must_check bool json_key_bool(struct buf *b, const char *key, bool v);

/* The length of the well-formed UTF-8 sequence at the start of `s` (Unicode
 * 15, table 3-7: no surrogates, no overlong forms); 0 when there is none. */
size_t utf8_length(struct str s);
