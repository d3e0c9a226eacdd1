/*
 * The origin's side of HTTP/1.1: writes a request and reads its response.
 * Called by the task of the exchange; holds only the bytes between the socket
 * and the pumps.
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

/* How much of the request was put into wire.out; it only grows. */
enum up_sent { UP_SENT_NOTHING, UP_SENT_HEAD, UP_SENT_END };

/* How much of the response was read; it only grows. An interim head is only
 * UP_GOT_BYTES. */
enum up_got { UP_GOT_NOTHING, UP_GOT_BYTES, UP_GOT_HEAD, UP_GOT_END };

/* All but `peer` and `is_last` is set anew for each exchange. */
struct up_h1 {
    struct peer peer;
    bool is_last;  /* no request follows on this connection; never taken back */
    bool has_left; /* a byte of the request was sent to the origin */
    enum up_sent sent;
    enum up_got got;
    struct h1_body body; /* of the response */
    size_t scanned;      /* bytes of wire.in that hold no end of a head */
    size_t heads;        /* bytes of this response's heads, interim ones too */
    double progress; /* clock_mono() when the origin last took some bytes, or
                        when there were none to send */
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
    AN(x->target.p != NULL);
    AZ(u->has_left);
    struct h1_framing f = { .kind = x->request.body,
        .length = x->request.length,
        .close = u->is_last,
        .te_trailers = x->request.accepts_trailers,
        .upgrade =
            xfer_asks_upgrade(&x->request) ? STR("websocket") : STR_NONE };
    h1_write_request(&x->request, x->target, &f, &u->peer.wire.out);
    if (x->is_secret) {
        bufq_mark_secret(&u->peer.wire.out);
    }
    u->sent = UP_SENT_HEAD;
}

/* Whether what is sent of the body is also held: a connection from the pool may
 * be dead, and the request can be sent again only if all of its body that left
 * is held (SPEC 9). */
static bool
is_holding(const struct up_h1 *u, const struct xfer *x)
{
    return peer_is_reused(&u->peer) && u->got == UP_GOT_NOTHING &&
           !x->is_retried && !x->is_held_short;
}

static void
hold(struct xfer *x, struct str bytes)
{
    AZ(x->is_held_short);
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

/* Moves some of the body; while it is held, only one run of bytes, which it
 * copies. */
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
        u->sent = UP_SENT_END;
    }
}

/* The connection has ended: says what that means here. */
static enum peer_io
lost(struct up_h1 *u)
{
    u->is_last = true;
    return u->got != UP_GOT_NOTHING ? P_BROKEN : P_CLOSED;
}

static enum peer_io
h1_send(struct peer *p, struct xfer *x)
{
    struct up_h1 *u = up_h1_of(p);
    if (bufq_is_empty(&u->peer.wire.out)) {
        u->progress = clock_mono();
    }
    if (u->sent == UP_SENT_NOTHING) {
        send_head(u, x);
    }
    size_t before = SIZE_MAX;
    while (u->peer.wire.out.len != before) {
        if (u->sent != UP_SENT_END) {
            send_body(u, x);
        }
        before = u->peer.wire.out.len;
        enum io r = before != 0
                        ? stream_flush(u->peer.wire.stream, &u->peer.wire.out)
                        : IO_OK;
        if (u->peer.wire.out.len != before) {
            u->has_left = true;
            u->progress = clock_mono();
        }
        if (r == IO_AGAIN) {
            return P_AGAIN;
        }
        if (r != IO_OK) {
            return lost(u);
        }
    }
    return u->sent == UP_SENT_END ? P_OK : P_AGAIN;
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
        u->got = u->got == UP_GOT_NOTHING ? UP_GOT_BYTES : u->got;
        return P_OK;
    case IO_AGAIN:
        return P_AGAIN;
    case IO_EOF:
    case IO_ERR:
        break;
    }
    return lost(u);
}

static enum peer_io
h1_bad(struct up_h1 *u, struct xfer *x, const char *why)
{
    u->is_last = true;
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
        u->got = UP_GOT_HEAD;
        u->is_last = u->is_last || !x->response.keep_alive;
    }
    return P_OK;
}

static enum peer_io
h1_recv_head(struct peer *p, struct xfer *x)
{
    struct up_h1 *u = up_h1_of(p);
    AN(u->sent != UP_SENT_NOTHING);
    AN(u->got < UP_GOT_HEAD);
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

/* Decodes bytes that are in wire.in: those that came with the head, or chunks.
 */
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

/* The stream has ended. That ends the body if its framing says so. Many origins
 * end TLS without close_notify, and clients take such a body for whole: weir
 * must do so too, though somebody may have cut it. */
static enum peer_io
body_eof(struct up_h1 *u, struct xfer *x, enum io r)
{
    u->is_last = true;
    if ((r != IO_EOF && !u->peer.wire.stream->is_over) ||
        !h1_body_eof(&u->body)) {
        return P_BROKEN;
    }
    x->may_be_cut = r != IO_EOF;
    u->got = UP_GOT_END;
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
    AN(u->got >= UP_GOT_HEAD);
    enum peer_io r = P_OK;
    while (u->got != UP_GOT_END && r == P_OK && !pump_stop_if_full(&x->down)) {
        if (h1_body_is_done(&u->body)) {
            u->got = UP_GOT_END;
        } else {
            r = recv_some(u, x);
        }
    }
    if (u->got == UP_GOT_END) {
        h1_body_trailers(&u->body, &x->response);
        return P_OK;
    }
    if (r == P_AGAIN) {
        wire_park(
            &u->peer.wire); /* a stream of events waits most of the time */
    }
    return r == P_OK ? P_AGAIN : r;
}

/* Whether the origin has sent nothing after its response. Such bytes may be in
 * the TLS layer, for which there is no event, or may have come in this turn. */
static bool
is_quiet(struct wire *w)
{
    char byte;
    size_t got;
    return w->in.n == 0 && stream_read(w->stream, &byte, 1, &got) == IO_AGAIN;
}

/* Bytes after a whole response belong to no request: the connection is not used
 * again then (SPEC 9). */
static bool
h1_end(struct peer *p)
{
    struct up_h1 *u = up_h1_of(p);
    AN(u->got == UP_GOT_END);
    u->is_last = u->is_last || u->sent != UP_SENT_END ||
                 !bufq_is_empty(&p->wire.out) || !is_quiet(&p->wire);
    return !u->is_last;
}

static bool
h1_may_have_reached(const struct peer *p)
{
    return up_h1_of_const(p)->has_left;
}

static double
h1_stalled_since(const struct peer *p)
{
    const struct up_h1 *u = up_h1_of_const(p);
    return bufq_is_empty(&p->wire.out) ? TASK_NEVER : u->progress;
}

static void
h1_begin(struct peer *p, struct task *t, bool is_last)
{
    struct up_h1 *u = up_h1_of(p);
    AZ(u->is_last);
    AZ(p->wire.in.n);
    AN(bufq_is_empty(&p->wire.out));
    u->is_last = is_last;
    u->has_left = false;
    u->sent = UP_SENT_NOTHING;
    u->got = UP_GOT_NOTHING;
    u->scanned = u->heads = 0;
    stream_set_task(p->wire.stream, t);
}

static void
h1_close(struct peer *p)
{
    struct up_h1 *u = up_h1_of(p);
    wire_fini(&p->wire);
    h1_body_fini(&u->body);
    p->magic = 0;
    xfree(u);
}

static const struct peer_ops h1_ops = {
    .begin = h1_begin,
    .send = h1_send,
    .head = h1_recv_head,
    .body = h1_recv_body,
    .stalled_since = h1_stalled_since,
    .may_have_reached = h1_may_have_reached,
    .end = h1_end,
    .close = h1_close,
};

struct peer *
up_h1_new(struct stream *s, const struct addr *a)
{
    struct up_h1 *u = xcalloc(sizeof *u);
    peer_init(&u->peer, &h1_ops, s, a, H1_RESPONSE_HEAD_MAX);
    return &u->peer;
}
