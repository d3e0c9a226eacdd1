/*
 * The origin's side of HTTP/1.1: writes a request, reads its response. Driven
 * by the exchange; holds no more than the bytes between the socket and the
 * pumps.
 */

#include "proxy/peer.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/h1_parse.h"
#include "http/h1_write.h"
#include "proxy/conn.h"
#include "proxy/splice.h"
#include "proxy/tx.h"

#define READ_MIN 16384

static void
send_head(struct peer *p, struct tx *tx)
{
    struct h1_framing f = { .kind = tx->request.body,
        .length = tx->request.length,
        .te_trailers = tx->request.accepts_trailers,
        .upgrade =
            splice_is_asked(&tx->request) ? STR("websocket") : STR_NONE };
    h1_write_request(&tx->request, tx->up_target, &f, &p->out);
    if (tx->needs_tls) {
        bufq_mark_secret(&p->out);
    }
    p->is_head_sent = true;
}

/* An old connection may have died meanwhile; then the request is sent again, if
 * all of its body that left is held (SPEC 9). */
static bool
is_holding(const struct peer *p, const struct tx *tx)
{
    return p->is_reused && !p->has_answered && !tx->is_retried &&
           !tx->is_held_short;
}

static void
hold(struct tx *tx, struct str bytes)
{
    if (bytes.n > bufq_room(&tx->held)) {
        tx->is_held_short = true;
        bufq_fini(&tx->held);
        return;
    }
    bufq_append(&tx->held, bytes);
    if (tx->needs_tls) {
        bufq_mark_secret(&tx->held);
    }
}

/* Some of the body; while it is held one run of bytes, which is copied. */
static size_t
move_body(struct peer *p, struct tx *tx, struct bufq *from)
{
    size_t max = SIZE_MAX;
    if (is_holding(p, tx)) {
        struct str run = bufq_peek(from);
        size_t room = bufq_room(&p->out);
        max = run.n < room ? run.n : room;
        hold(tx, str_n(run.p, max));
    }
    size_t n = tx->request.body == BODY_CHUNKED
                   ? bufq_move_chunked(&p->out, from, max)
                   : bufq_move(&p->out, from, max);
    AN(max == SIZE_MAX || n == max);
    return n;
}

static void
send_body(struct peer *p, struct tx *tx)
{
    struct bufq *from = pump_out(&tx->up);
    if (!pump_run(&tx->up)) {
        return;
    }
    while (!bufq_is_empty(from) && !bufq_is_full(&p->out)) {
        pump_took(&tx->up, move_body(p, tx, from));
    }
    if (pump_is_done(&tx->up) && !tx->up.has_error) {
        if (tx->request.body == BODY_CHUNKED) {
            h1_write_last_chunk(&tx->request, &p->out);
        }
        p->is_end_sent = true;
    }
}

static enum peer_io
h1_send(struct peer *p, struct tx *tx)
{
    CHECK(p, PEER_MAGIC);
    if (bufq_is_empty(&p->out)) {
        p->progress = clock_mono();
    }
    if (!p->is_head_sent) {
        send_head(p, tx);
    }
    size_t before = SIZE_MAX;
    while (p->out.len != before) {
        if (!p->is_end_sent) {
            send_body(p, tx);
        }
        before = p->out.len;
        enum io r = before != 0 ? stream_flush(p->stream, &p->out) : IO_OK;
        if (p->out.len != before) {
            p->has_sent = true;
            p->progress = clock_mono();
        }
        if (r == IO_AGAIN) {
            return P_AGAIN;
        }
        if (r != IO_OK) {
            p->must_close = true;
            return p->has_answered ? P_BROKEN : P_CLOSED;
        }
    }
    return p->is_end_sent ? P_OK : P_AGAIN;
}

static enum peer_io
peer_fill(struct peer *p)
{
    size_t got = 0;
    char *to = buf_reserve(&p->in, READ_MIN);
    if (to == NULL) {
        return P_BAD;
    }
    enum io r = stream_read(p->stream, to, READ_MIN, &got);
    switch (r) {
    case IO_OK:
        p->in.n += got;
        p->has_answered = true;
        return P_OK;
    case IO_AGAIN:
        return P_AGAIN;
    case IO_EOF:
    case IO_ERR:
        break;
    }
    p->must_close = true;
    return p->has_answered ? P_BROKEN : P_CLOSED;
}

static enum peer_io
h1_bad(struct peer *p, struct tx *tx, const char *why)
{
    p->must_close = true;
    tx_fail(tx, FAULT_ORIGIN, "upstream sent an invalid response: %s", why);
    return P_BAD;
}

static enum peer_io
parse_head(struct peer *p, struct tx *tx, size_t n)
{
    struct h1_error err = { 0 };
    p->heads += n;
    if (p->heads > H1_RESPONSE_HEAD_MAX) {
        return h1_bad(p, tx, "its interim heads are too large");
    }
    struct str bytes = arena_dup(tx->arena, str_n(p->in.p, n));
    head_init(&tx->response, tx->arena);
    if (h1_parse_response(bytes, tx->request.method_id, &tx->response, &err) !=
        0) {
        return h1_bad(p, tx, err.text);
    }
    buf_consume(&p->in, n);
    p->scanned = 0;
    if (tx->response.status >= 200) {
        h1_body_init(
            &p->body, H1_RESPONSE, tx->response.body, tx->response.length);
        p->is_head_done = true;
        p->must_close = p->must_close || !tx->response.keep_alive;
    }
    return P_OK;
}

static enum peer_io
h1_recv_head(struct peer *p, struct tx *tx)
{
    CHECK(p, PEER_MAGIC);
    for (;;) {
        struct h1_error err = { 0 };
        size_t n = 0;
        switch (h1_response_end(buf_str(&p->in), &p->scanned, &n, &err)) {
        case H1_OK:
            return parse_head(p, tx, n);
        case H1_BAD:
            return h1_bad(p, tx, err.text);
        case H1_MORE:
        case H1_FULL:
            break;
        }
        enum peer_io r = peer_fill(p);
        if (r == P_BAD) {
            return h1_bad(p, tx, "its head is too large");
        }
        if (r != P_OK) {
            return r;
        }
    }
}

/* Body bytes that came with the head, or chunked framing. */
static enum h1_result
decode_buffered(struct peer *p, struct tx *tx)
{
    struct bufq *to = pump_in(&tx->down);
    size_t used = 0, had = to->len;
    enum h1_result r = h1_body_decode(&p->body, buf_str(&p->in), &used, to);
    buf_consume(&p->in, used);
    if (to->len != had) {
        pump_filled(&tx->down, to->len - had);
    }
    return r;
}

static enum io
read_direct(struct peer *p, struct tx *tx, size_t direct)
{
    struct bufq *to = pump_in(&tx->down);
    size_t room, got = 0;
    char *at = bufq_reserve(to, CHUNK_SIZE, &room);
    enum io r = stream_read(p->stream, at, room < direct ? room : direct, &got);
    bufq_commit(to, r == IO_OK ? got : 0);
    if (r == IO_OK) {
        h1_body_took(&p->body, got);
        pump_filled(&tx->down, got);
    }
    return r;
}

/* An end of the stream is the body's end where the framing says so. Many
 * origins end TLS without close_notify; clients take what came for whole, and
 * so must weir, though it may have been cut. */
static enum peer_io
body_eof(struct peer *p, const struct tx *tx, enum io r)
{
    p->must_close = true;
    if ((r != IO_EOF && !p->stream->is_over) || !h1_body_eof(&p->body)) {
        return P_BROKEN;
    }
    if (r != IO_EOF) {
        conn_log(tx->conn, LOG_INFO,
            "the origin ended a body by its connection, without close_notify: "
            "it may have been cut, host: \"%.*s\"",
            STR_ARG(tx->authority.host));
    }
    p->is_body_done = true;
    return P_OK;
}

static enum peer_io
recv_some(struct peer *p, struct tx *tx)
{
    size_t direct = h1_body_direct(&p->body);
    if (p->in.n == 0 && direct != 0) {
        enum io r = read_direct(p, tx, direct);
        if (r == IO_AGAIN) {
            return P_AGAIN;
        }
        return r == IO_OK ? P_OK : body_eof(p, tx, r);
    }
    size_t had = p->in.n;
    if (had != 0 && decode_buffered(p, tx) == H1_BAD) {
        return h1_bad(p, tx, "malformed chunk");
    }
    if (p->in.n != had || h1_body_is_done(&p->body)) {
        return P_OK;
    }
    enum peer_io r = peer_fill(p);
    return r == P_BROKEN ? body_eof(p, tx, IO_ERR) : r;
}

/* Of a stream of events most of the time is waiting: without buffers. */
static void
park(struct peer *p)
{
    if (p->in.n == 0) {
        buf_fini(&p->in);
    }
    stream_park(p->stream);
}

static enum peer_io
h1_recv_body(struct peer *p, struct tx *tx)
{
    CHECK(p, PEER_MAGIC);
    enum peer_io r = P_OK;
    while (!p->is_body_done && r == P_OK && !pump_stop_if_full(&tx->down)) {
        p->is_body_done = h1_body_is_done(&p->body);
        if (!p->is_body_done) {
            r = recv_some(p, tx);
        }
    }
    if (p->is_body_done) {
        h1_body_trailers(&p->body, &tx->response);
        return P_OK;
    }
    if (r == P_AGAIN) {
        park(p);
    }
    return r == P_OK ? P_AGAIN : r;
}

/* Bytes behind a complete response belong to nobody (SPEC 9). */
static bool
h1_is_reusable(const struct peer *p)
{
    CHECK(p, PEER_MAGIC);
    return p->is_head_done && p->is_body_done && p->is_end_sent &&
           !p->must_close && p->in.n == 0 && bufq_is_empty(&p->out);
}

const struct peer_ops up_h1_ops = {
    .send = h1_send,
    .recv_head = h1_recv_head,
    .recv_body = h1_recv_body,
    .is_reusable = h1_is_reusable,
};
