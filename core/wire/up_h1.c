/*
 * The origin's side of HTTP/1.1: writes a request, reads its response. Driven
 * by the exchange; holds no more than the bytes between the socket and the
 * pumps.
 */

#include "wire/up_h1.h"

#include "base/clock.h"
#include "base/mem.h"
#include "http/h1_body.h"
#include "http/h1_parse.h"
#include "http/h1_write.h"
#include "wire/peer.h"
#include "wire/xfer.h"

#define READ_MIN 16384

/* Of the exchange, but for the peer. */
struct up_h1 {
    struct peer peer;
    struct h1_body body; /* of the response */
    size_t scanned;      /* of what came: searched for a head's end */
    size_t heads;        /* bytes of this response's heads, interim ones too */
    double progress; /* clock_mono() when the origin last took of what is to be
                        sent, or when that was nothing */
    bool is_head_sent, is_end_sent;
    bool is_head_done, is_body_done;
};

static struct up_h1 *
up_h1_of(struct peer *p)
{
    CHECK(p, PEER_MAGIC);
    return container_of(p, struct up_h1, peer);
}

static const struct up_h1 *
up_h1_of_const(const struct peer *p)
{
    CHECK(p, PEER_MAGIC);
    return container_of(p, const struct up_h1, peer);
}

static void
send_head(struct up_h1 *u, struct xfer *x)
{
    struct h1_framing f = { .kind = x->request.body,
        .length = x->request.length,
        .close = u->peer.must_close,
        .te_trailers = x->request.accepts_trailers,
        .upgrade =
            xfer_asks_upgrade(&x->request) ? STR("websocket") : STR_NONE };
    h1_write_request(&x->request, x->target, &f, &u->peer.wire.out);
    if (x->is_secret) {
        bufq_mark_secret(&u->peer.wire.out);
    }
    u->is_head_sent = true;
}

/* An old connection may have died meanwhile; then the request is sent again, if
 * all of its body that left is held (SPEC 9). */
static bool
is_holding(const struct up_h1 *u, const struct xfer *x)
{
    return u->peer.is_reused && !u->peer.has_answered && !x->is_retried &&
           !x->is_held_short;
}

static void
hold(struct xfer *x, struct str bytes)
{
    if (bytes.n > bufq_room(&x->held)) {
        x->is_held_short = true;
        bufq_fini(&x->held);
        return;
    }
    bufq_append(&x->held, bytes);
    if (x->is_secret) {
        bufq_mark_secret(&x->held);
    }
}

/* Some of the body; while it is held one run of bytes, which is copied. */
static size_t
move_body(struct up_h1 *u, struct xfer *x, struct bufq *from)
{
    size_t max = SIZE_MAX;
    if (is_holding(u, x)) {
        struct str run = bufq_peek_for(from, &u->peer.wire.out);
        max = run.n;
        hold(x, run);
    }
    size_t n = x->request.body == BODY_CHUNKED
                   ? bufq_move_chunked(&u->peer.wire.out, from, max)
                   : bufq_move(&u->peer.wire.out, from, max);
    AN(max == SIZE_MAX || n == max);
    return n;
}

static void
send_body(struct up_h1 *u, struct xfer *x)
{
    struct bufq *from = pump_out(&x->up);
    if (!pump_run(&x->up)) {
        return;
    }
    while (!bufq_is_empty(from) && !bufq_is_full(&u->peer.wire.out)) {
        pump_took(&x->up, move_body(u, x, from));
    }
    if (pump_is_done(&x->up) && !x->up.has_error) {
        if (x->request.body == BODY_CHUNKED) {
            h1_write_last_chunk(&x->request, &u->peer.wire.out);
        }
        u->is_end_sent = true;
    }
}

static enum peer_io
h1_send(struct peer *p, struct xfer *x)
{
    struct up_h1 *u = up_h1_of(p);
    if (bufq_is_empty(&u->peer.wire.out)) {
        u->progress = clock_mono();
    }
    if (!u->is_head_sent) {
        send_head(u, x);
    }
    size_t before = SIZE_MAX;
    while (u->peer.wire.out.len != before) {
        if (!u->is_end_sent) {
            send_body(u, x);
        }
        before = u->peer.wire.out.len;
        enum io r = before != 0
                        ? stream_flush(u->peer.wire.stream, &u->peer.wire.out)
                        : IO_OK;
        if (u->peer.wire.out.len != before) {
            u->peer.has_sent = true;
            u->progress = clock_mono();
        }
        if (r == IO_AGAIN) {
            return P_AGAIN;
        }
        if (r != IO_OK) {
            u->peer.must_close = true;
            return u->peer.has_answered ? P_BROKEN : P_CLOSED;
        }
    }
    return u->is_end_sent ? P_OK : P_AGAIN;
}

static enum peer_io
up_h1_fill(struct up_h1 *u)
{
    size_t got = 0;
    char *to = buf_reserve(&u->peer.wire.in, READ_MIN);
    if (to == NULL) {
        return P_BAD;
    }
    enum io r = stream_read(u->peer.wire.stream, to, READ_MIN, &got);
    switch (r) {
    case IO_OK:
        u->peer.wire.in.n += got;
        u->peer.has_answered = true;
        return P_OK;
    case IO_AGAIN:
        return P_AGAIN;
    case IO_EOF:
    case IO_ERR:
        break;
    }
    u->peer.must_close = true;
    return u->peer.has_answered ? P_BROKEN : P_CLOSED;
}

static enum peer_io
h1_bad(struct up_h1 *u, struct xfer *x, const char *why)
{
    u->peer.must_close = true;
    x->why = x->why != NULL ? x->why : why;
    return P_BAD;
}

static enum peer_io
parse_head(struct up_h1 *u, struct xfer *x, size_t n)
{
    struct h1_error err = { 0 };
    u->heads += n;
    if (u->heads > H1_RESPONSE_HEAD_MAX) {
        return h1_bad(u, x, "its interim heads are too large");
    }
    struct str bytes = arena_dup(x->arena, str_n(u->peer.wire.in.p, n));
    head_init(&x->response, x->arena);
    if (h1_parse_response(bytes, x->request.method_id, &x->response, &err) !=
        0) {
        return h1_bad(u, x, err.text);
    }
    buf_consume(&u->peer.wire.in, n);
    u->scanned = 0;
    if (x->response.status >= 200) {
        h1_body_init(
            &u->body, H1_RESPONSE, x->response.body, x->response.length);
        u->is_head_done = true;
        u->peer.must_close = u->peer.must_close || !x->response.keep_alive;
    }
    return P_OK;
}

static enum peer_io
h1_recv_head(struct peer *p, struct xfer *x)
{
    struct up_h1 *u = up_h1_of(p);
    for (;;) {
        struct h1_error err = { 0 };
        size_t n = 0;
        switch (
            h1_response_end(buf_str(&u->peer.wire.in), &u->scanned, &n, &err)) {
        case H1_OK:
            return parse_head(u, x, n);
        case H1_BAD:
            return h1_bad(u, x, err.text);
        case H1_MORE:
        case H1_FULL:
            break;
        }
        enum peer_io r = up_h1_fill(u);
        if (r == P_BAD) {
            return h1_bad(u, x, "its head is too large");
        }
        if (r != P_OK) {
            return r;
        }
    }
}

/* Body bytes that came with the head, or chunked framing. */
static enum h1_result
decode_buffered(struct up_h1 *u, struct xfer *x)
{
    struct bufq *to = pump_in(&x->down);
    size_t used = 0, had = to->len;
    enum h1_result r =
        h1_body_decode(&u->body, buf_str(&u->peer.wire.in), &used, to);
    buf_consume(&u->peer.wire.in, used);
    if (to->len != had) {
        pump_filled(&x->down, to->len - had);
    }
    return r;
}

static enum io
read_direct(struct up_h1 *u, struct xfer *x, size_t direct)
{
    struct bufq *to = pump_in(&x->down);
    size_t room, got = 0;
    char *at = bufq_reserve(to, CHUNK_SIZE, &room);
    enum io r = stream_read(
        u->peer.wire.stream, at, room < direct ? room : direct, &got);
    bufq_commit(to, r == IO_OK ? got : 0);
    if (r == IO_OK) {
        h1_body_took(&u->body, got);
        pump_filled(&x->down, got);
    }
    return r;
}

/* An end of the stream is the body's end where the framing says so. Many
 * origins end TLS without close_notify; clients take what came for whole, and
 * so must weir, though it may have been cut. */
static enum peer_io
body_eof(struct up_h1 *u, struct xfer *x, enum io r)
{
    u->peer.must_close = true;
    if ((r != IO_EOF && !u->peer.wire.stream->is_over) ||
        !h1_body_eof(&u->body)) {
        return P_BROKEN;
    }
    x->may_be_cut = r != IO_EOF;
    u->is_body_done = true;
    return P_OK;
}

static enum peer_io
recv_some(struct up_h1 *u, struct xfer *x)
{
    size_t direct = h1_body_direct(&u->body);
    if (u->peer.wire.in.n == 0 && direct != 0) {
        enum io r = read_direct(u, x, direct);
        if (r == IO_AGAIN) {
            return P_AGAIN;
        }
        return r == IO_OK ? P_OK : body_eof(u, x, r);
    }
    size_t had = u->peer.wire.in.n;
    if (had != 0 && decode_buffered(u, x) == H1_BAD) {
        return h1_bad(u, x, "malformed chunk");
    }
    if (u->peer.wire.in.n != had || h1_body_is_done(&u->body)) {
        return P_OK;
    }
    enum peer_io r = up_h1_fill(u);
    return r == P_BROKEN ? body_eof(u, x, IO_ERR) : r;
}

static enum peer_io
h1_recv_body(struct peer *p, struct xfer *x)
{
    struct up_h1 *u = up_h1_of(p);
    enum peer_io r = P_OK;
    while (!u->is_body_done && r == P_OK && !pump_stop_if_full(&x->down)) {
        u->is_body_done = h1_body_is_done(&u->body);
        if (!u->is_body_done) {
            r = recv_some(u, x);
        }
    }
    if (u->is_body_done) {
        h1_body_trailers(&u->body, &x->response);
        return P_OK;
    }
    if (r == P_AGAIN) {
        wire_park(&u->peer.wire); /* a stream of events mostly waits */
    }
    return r == P_OK ? P_AGAIN : r;
}

/* Bytes behind a complete response belong to nobody (SPEC 9). */
static bool
h1_is_reusable(const struct peer *p)
{
    const struct up_h1 *u = up_h1_of_const(p);
    return u->is_head_done && u->is_body_done && u->is_end_sent &&
           !p->must_close && p->wire.in.n == 0 && bufq_is_empty(&p->wire.out);
}

static double
h1_stalled_since(const struct peer *p)
{
    const struct up_h1 *u = up_h1_of_const(p);
    return bufq_is_empty(&p->wire.out) ? TASK_NEVER : u->progress;
}

static void
h1_begin(struct peer *p)
{
    struct up_h1 *u = up_h1_of(p);
    u->is_head_sent = u->is_end_sent = false;
    u->is_head_done = u->is_body_done = false;
    u->scanned = u->heads = 0;
}

static void
h1_free(struct peer *p)
{
    struct up_h1 *u = container_of(p, struct up_h1, peer);
    h1_body_fini(&u->body);
    xfree(u);
}

static const struct peer_ops h1_ops = {
    .begin = h1_begin,
    .send = h1_send,
    .recv_head = h1_recv_head,
    .recv_body = h1_recv_body,
    .stalled_since = h1_stalled_since,
    .is_reusable = h1_is_reusable,
    .free = h1_free,
};

struct peer *
up_h1_new(struct stream *s, const struct addr *a)
{
    struct up_h1 *u = xcalloc(sizeof *u);
    peer_init(&u->peer, &h1_ops, s, a, H1_RESPONSE_HEAD_MAX);
    return &u->peer;
}
