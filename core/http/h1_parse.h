#pragma once

/*
 * Parsing of HTTP/1 heads (RFC 9112). What is accepted can be read in one way
 * only. A request is refused where another parser may read it differently;
 * of a response what has one meaning left is taken as clients take it, since
 * none but weir's own text of it goes on. No state but the caller's `scanned`.
 */

#include "http/h1_error.h"
#include "http/head.h"

/* SPEC 14. Heads are bounded by the buffer that they are read into too. */
#define H1_REQUEST_HEAD_MAX (32 * 1024)
#define H1_RESPONSE_HEAD_MAX (64 * 1024)
#define H1_TARGET_MAX (16 * 1024)
#define H1_METHOD_MAX 32
#define H1_REQUEST_FIELDS_MAX 128
#define H1_RESPONSE_FIELDS_MAX 256

/* Whose bytes they are. */
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

/* The same of a response, whose lines may end in a bare LF (RFC 9112 2.2). From
 * the first that does on all must, or h1_parse_response() refuses the head:
 * there is a second reading of "A: b LF C: d CRLF", in which it is one line. */
enum h1_result h1_response_end(
    struct str in, size_t *scanned, size_t *n, struct h1_error *err);

/* Whether `in`, the beginning of a head, may be that of a request yet: what is
 * no method, and a whole first line that is none, never will. False with `err`
 * filled. */
must_check bool h1_may_be_request(
    struct str in, struct arena *a, struct h1_error *err);

/* What to say of a head that filled its buffer without ending: 414 when its
 * first line has not ended, else 431. */
void h1_head_overflow(struct str in, struct h1_error *err);

/* `bytes` is a whole head, its empty line included, as h1_head_end() found
 * it; `h` slices into it, so it lies in the arena of head_init() or longer.
 * A Host without port means `default_port`: 80, or 443 inside TLS. -1 with
 * `err` filled. */
must_check int h1_parse_request(struct str bytes, uint16_t default_port,
    struct head *h, struct h1_error *err);

/* The same of what h1_response_end() found. `method` of the request decides
 * whether there is a body. */
must_check int h1_parse_response(
    struct str bytes, enum method method, struct head *h, struct h1_error *err);

/* Field lines up to and with the empty line, as of a trailer section, into at
 * most `max` of `fields`. -1 with `err` filled. */
must_check int h1_parse_fields(struct str bytes, enum h1_from from,
    struct field *fields, unsigned max, unsigned *n, struct h1_error *err);
