#pragma once

/*
 * Strict parsing of HTTP/1 heads (RFC 9112). Refuses, never repairs: what is
 * accepted can be read in one way only. No state but the caller's `scanned`.
 */

#include "http/head.h"

/* SPEC 14. Heads are bounded by the buffer that they are read into too. */
#define H1_REQUEST_HEAD_MAX (32 * 1024)
#define H1_RESPONSE_HEAD_MAX (64 * 1024)
#define H1_TARGET_MAX (16 * 1024)
#define H1_METHOD_MAX 32
#define H1_REQUEST_FIELDS_MAX 128
#define H1_RESPONSE_FIELDS_MAX 256

/* H1_OK: done; H1_MORE: more input is needed; H1_FULL: the output must be
 * drained first (bodies only); H1_BAD: refused for good. */
enum h1_result { H1_OK, H1_MORE, H1_FULL, H1_BAD };

/* Why. */
enum h1_error_kind {
    H1_E_NONE,
    H1_E_CONTROL,      /* bare CR, bare LF, NUL, another control byte */
    H1_E_BLANK_LINE,   /* before the start line */
    H1_E_HEAD_SIZE,    /* 431 */
    H1_E_START_LINE,   /* its parts, its spaces */
    H1_E_METHOD,       /* no token, or a known one in the wrong case */
    H1_E_METHOD_SIZE,  /* 501 */
    H1_E_TARGET,       /* a byte or form that is none of RFC 9112 3.2 */
    H1_E_TARGET_SIZE,  /* 414 */
    H1_E_AUTHORITY,    /* of the target */
    H1_E_VERSION,      /* 505 */
    H1_E_STATUS,       /* of a response */
    H1_E_FIELD_COUNT,  /* 431 */
    H1_E_FIELD_NAME,   /* empty, no token, no colon, space before it */
    H1_E_FOLD,         /* obs-fold */
    H1_E_HOST_MISSING, /* in 1.1 */
    H1_E_HOST_TWICE,
    H1_E_HOST,         /* malformed */
    H1_E_HOST_DIFFERS, /* from the target */
    H1_E_LENGTH,       /* Content-Length: malformed */
    H1_E_LENGTH_TWICE,
    H1_E_LENGTH_AND_CODING,
    H1_E_CODING,       /* Transfer-Encoding but `chunked`, or on 1.0 */
    H1_E_MIMIC,        /* content_length, transfer_encoding */
    H1_E_CONNECTION,   /* nominates framing or Host; no tokens */
    H1_E_CONNECT_BODY, /* CONNECT with a body */
    H1_E_COUNT
};

struct h1_error {
    enum h1_error_kind kind;
    unsigned status;  /* what a client is answered; an origin's is 502 */
    const char *text; /* static; for details and logs */
};

/* Looks for the end of a head in `in`, which grows between calls; `*scanned`
 * is 0 before the first and kept by this function. H1_OK: the head is the
 * first `*n` bytes. Finds bare CR, bare LF, NUL and other control bytes, and
 * a leading blank line, as soon as they come. */
enum h1_result h1_head_end(
    struct str in, size_t *scanned, size_t *n, struct h1_error *err);

/* What to say of a head that filled its buffer without ending: 414 when its
 * first line has not ended, else 431. */
void h1_head_overflow(struct str in, struct h1_error *err);

/* `bytes` is a whole head, its empty line included, as h1_head_end() found
 * it; `h` slices into it, so it lies in the arena of head_init() or longer.
 * A Host without port means `default_port`: 80, or 443 inside TLS. -1 with
 * `err` filled. */
must_check int h1_parse_request(struct str bytes, uint16_t default_port,
    struct head *h, struct h1_error *err);

/* `method` of the request decides whether there is a body. */
must_check int h1_parse_response(
    struct str bytes, enum method method, struct head *h, struct h1_error *err);

/* Field lines up to and with the empty line, as of a trailer section, into at
 * most `max` of `fields`. -1 with `err` filled. */
must_check int h1_parse_fields(struct str bytes, struct field *fields,
    unsigned max, unsigned *n, struct h1_error *err);
