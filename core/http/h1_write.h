#pragma once

/*
 * Heads, the last chunk and trailers as HTTP/1.1 bytes. The framing is the
 * caller's: Content-Length, Transfer-Encoding, Connection, Keep-Alive,
 * Proxy-Connection, TE and Upgrade that stand among the fields are not
 * written, so exactly one framing ever leaves. PANICs rather than write a
 * control byte in a field. A chunked body's pieces are framed by
 * bufq_move_chunked().
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

/* With BODY_NONE a Content-Length of the head becomes 0. `target` is written
 * as it is: printable ASCII. Appends, the queue's limit notwithstanding. */
void h1_write_request(const struct head *h, struct str target,
    const struct h1_framing *f, struct bufq *out);

/* With BODY_NONE a Content-Length of the head is kept (HEAD, 304) but for
 * 1xx, 204; the head's own length stands in for it. Always HTTP/1.1. */
void h1_write_response(
    const struct head *h, const struct h1_framing *f, struct bufq *out);

/* "0", the head's trailers, the empty line. */
void h1_write_last_chunk(const struct head *h, struct bufq *out);
