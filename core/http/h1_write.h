#pragma once

/*
 * Writes heads, the last chunk and trailers as HTTP/1.1. The caller gives the
 * framing, and of the head's fields Content-Length, Transfer-Encoding,
 * Connection, Keep-Alive, Proxy-Connection, TE and Upgrade are not written, so
 * that a message has exactly one framing. PANICs rather than write a control
 * byte in a field. bufq_move_chunked() frames the pieces of a chunked body.
 */

#include "base/bufq.h"
#include "http/head.h"

struct h1_framing {
    enum body_kind kind;
    uint64_t length;    /* of BODY_LENGTH */
    bool close;         /* Connection: close */
    bool keep_alive;    /* Connection: keep-alive, for a 1.0 peer */
    bool te_trailers;   /* TE: trailers, in a request */
    struct str upgrade; /* value of Upgrade; empty: none */
};

/* With BODY_NONE a Content-Length of the head becomes 0. `target` is printable
 * ASCII and is written as it is. Appends to `out`, whatever its limit. */
void h1_write_request(const struct head *h, struct str target,
    const struct h1_framing *f, struct bufq *out);

/* With BODY_NONE (a response to HEAD, a 304) the head's Content-Length is kept,
 * or h->length is written where the head has BODY_LENGTH without the field;
 * neither with 1xx and 204. The version is always HTTP/1.1. */
void h1_write_response(
    const struct head *h, const struct h1_framing *f, struct bufq *out);

/* Writes "0", the head's trailers and the empty line. */
void h1_write_last_chunk(const struct head *h, struct bufq *out);
