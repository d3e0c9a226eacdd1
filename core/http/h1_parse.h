#pragma once

/*
 * Parses HTTP/1 heads (RFC 9112) that have one meaning. A request is refused
 * where another parser may read it differently. A response is read as clients
 * read it where its meaning is plain: weir writes its head anew, so that no
 * client reads the original. Keeps no state but the caller's `scanned`.
 */

#include "http/h1_error.h"
#include "http/head.h"

/* Bytes, and numbers of fields (SPEC 14). The buffer that a head is read into
 * bounds it, too. */
#define H1_REQUEST_HEAD_MAX (32 * 1024)
#define H1_RESPONSE_HEAD_MAX (64 * 1024)
#define H1_TARGET_MAX (16 * 1024)
#define H1_METHOD_MAX 32
#define H1_REQUEST_FIELDS_MAX 128
#define H1_RESPONSE_FIELDS_MAX 256

/* Which kind of message the bytes belong to. */
enum h1_from { H1_REQUEST, H1_RESPONSE };

/* H1_OK: done; H1_MORE: more input is needed; H1_FULL: the output must be
 * drained first (bodies only); H1_BAD: refused for good. */
enum h1_result { H1_OK, H1_MORE, H1_FULL, H1_BAD };

/* Looks for the end of a request's head in `in`, which grows between calls;
 * `*scanned` is 0 before the first and kept by this function. H1_OK: the head
 * is the first `*n` bytes. Finds bare CR, bare LF, NUL and other control bytes,
 * and a leading blank line, as soon as they come. */
enum h1_result h1_head_end(
    struct str in, size_t *scanned, size_t *n, struct h1_error *err);

/* The same for a response, whose lines may end in a bare LF (RFC 9112 2.2).
 * Behind the first line that does, all must: h1_parse_response() refuses "A: b
 * LF C: d CRLF", which another parser reads as one line. */
enum h1_result h1_response_end(
    struct str in, size_t *scanned, size_t *n, struct h1_error *err);

/* Whether `in`, the beginning of a head, may still become a request: false,
 * with `err` filled, as soon as its first bytes are no method, or its first
 * line is whole and no request line. */
must_check bool h1_may_be_request(
    struct str in, struct arena *a, struct h1_error *err);

/* Fills `err` for a request's head that filled its buffer and has not ended:
 * 414 when its first line has not ended, else 431. */
void h1_head_overflow(struct str in, struct h1_error *err);

/* `bytes` is a whole head with its empty line, as h1_head_end() found it. `h`
 * slices into it: it must live as long as the arena of head_init(). A Host
 * without a port means `default_port`: 80, or 443 inside TLS. -1 with `err`
 * filled. */
must_check int h1_parse_request(struct str bytes, uint16_t default_port,
    struct head *h, struct h1_error *err);

/* The same for a response's head, as h1_response_end() found it. `method`, the
 * request's, decides whether there is a body. */
must_check int h1_parse_response(
    struct str bytes, enum method method, struct head *h, struct h1_error *err);

/* Parses field lines and the empty line behind them (a trailer section) into
 * `fields`, which has room for `max`. -1 with `err` filled. */
must_check int h1_parse_fields(struct str bytes, enum h1_from from,
    struct field *fields, unsigned max, unsigned *n, struct h1_error *err);
