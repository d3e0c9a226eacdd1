/*
 * The bytes of one exchange on the client's side. A request's body into the
 * pump, straight from the stream where no framing lies between; the response's
 * head and body out of tx and pump, framed for this client. Called by
 * serve_h1.c, which owns all else; closes nothing itself.
 */

#include "proxy/h1_side.h"

#include "base/clock.h"
#include "http/auth.h"
#include "http/h1_write.h"
#include "proxy/conn.h"
#include "proxy/proxy_conf.h"
#include "proxy/tx.h"
#include "proxy/worker.h"

/* Body bytes that one client moves before others have their turn. */
#define TURN_BYTES (256 * 1024)

/* What of the body lies in c->in already. */
static enum h1_result
feed_buffered(struct conn *c, struct h1_side *side)
{
    struct pump *up = &c->tx->up;
    size_t used = 0, had = pump_in(up)->len;
    enum h1_result r =
        h1_body_decode(&side->body, buf_str(&c->in), &used, pump_in(up));
    buf_consume(&c->in, used);
    if (pump_in(up)->len != had) {
        side->progress = clock_mono();
        pump_filled(up, pump_in(up)->len - had);
    }
    return r;
}

/* Straight from the stream into the pump where no framing lies between. */
static enum io
feed_direct(struct conn *c, struct h1_side *side, size_t direct)
{
    struct pump *up = &c->tx->up;
    size_t room, got = 0;
    char *to = bufq_reserve(pump_in(up), 1, &room);
    enum io r = stream_read(c->stream, to, room < direct ? room : direct, &got);
    bufq_commit(pump_in(up), r == IO_OK ? got : 0);
    if (r == IO_OK) {
        h1_body_took(&side->body, got);
        side->progress = clock_mono();
        pump_filled(up, got);
    }
    return r;
}

static enum io
feed_once(struct conn *c, struct h1_side *side)
{
    size_t direct = h1_body_direct(&side->body);
    if (c->in.n == 0 && direct != 0) {
        enum io r = feed_direct(c, side, direct);
        side->is_body_done = h1_body_is_done(&side->body);
        return r;
    }
    enum io r = c->in.n == 0 ? conn_fill(c, c->in.max) : IO_OK;
    if (r != IO_OK) {
        return r;
    }
    size_t had = c->in.n;
    enum h1_result h = feed_buffered(c, side);
    side->is_body_done = h1_body_is_done(&side->body);
    if (h == H1_BAD) {
        return IO_ERR;
    }
    return h == H1_MORE && c->in.n == had ? conn_fill(c, c->in.max) : IO_OK;
}

/* The request's body, as far as the pump has room. */
static void
feed_body(struct conn *c, struct h1_side *side)
{
    struct tx *tx = c->tx;
    while (!side->is_body_done && !pump_stop_if_full(&tx->up)) {
        enum io r = feed_once(c, side);
        if (tx_body_is_too_large(tx)) {
            tx_client_at_fault(tx, 413);
            return;
        }
        if (r == IO_AGAIN) {
            return;
        }
        if (h1_body_is_bad(&side->body) && !side->is_head_written) {
            tx_client_at_fault(tx, 400);
            return;
        }
        if (r != IO_OK) {
            tx_client_gone(tx, STR("client broke off in its body"));
            return;
        }
    }
    if (side->is_body_done && !tx->up.is_ended) {
        h1_body_trailers(&side->body, &tx->request);
        pump_end(&tx->up);
    }
}

void
h1_side_feed(struct conn *c, struct h1_side *side)
{
    CHECK(c, CONN_MAGIC);
    AN(!side->is_body_done);
    uint64_t had = c->tx->up.bytes_in;
    feed_body(c, side);
    turn_spend(&side->turn, &c->task, c->tx->up.bytes_in - had, TURN_BYTES);
}

/* An answer that came before the request's end: whether the rest is little
 * enough to be thrown away. A client that waits for a 100 may never send it,
 * and what it sends then is another request (RFC 9110 10.1.1). */
static bool
may_drain(const struct conn *c, const struct h1_side *side)
{
    return side->body.kind == BODY_LENGTH && side->body.left <= LINGER_BYTES &&
           !c->tx->request.expects_continue;
}

/* The client answers this challenge, or it has not authenticated: in the middle
 * of a handshake its connection cannot be changed for another. */
static bool
is_handshake(const struct tx *tx)
{
    return tx->response.status == 401 &&
           auth_is_of_connection(&tx->request, FIELD_AUTHORIZATION) &&
           auth_is_of_connection(&tx->response, FIELD_WWW_AUTHENTICATE);
}

static bool
may_keep_alive(const struct conn *c, const struct h1_side *side)
{
    const struct tx *tx = c->tx;
    bool is_last = c->is_quitting ||
                   c->requests >= worker_conf(c->worker)->keepalive_requests;
    return tx->request.keep_alive && !tx->must_close && !c->must_close &&
           (side->is_body_done || may_drain(c, side)) &&
           (!is_last || is_handshake(tx));
}

/* Chooses the framing that this client can read (RFC 9112 6.3). */
static enum body_kind
response_framing(struct conn *c)
{
    const struct tx *tx = c->tx;
    if (tx->is_tunnel_open) {
        return BODY_NONE;
    }
    if (!head_response_has_body(&tx->response, tx->request.method_id)) {
        return BODY_NONE;
    }
    if (tx->response.body == BODY_LENGTH) {
        return BODY_LENGTH;
    }
    return tx->request.minor >= 1 ? BODY_CHUNKED : BODY_UNTIL_CLOSE;
}

void
h1_side_write_head(struct conn *c, struct h1_side *side)
{
    CHECK(c, CONN_MAGIC);
    AZ(side->is_head_written);
    struct tx *tx = c->tx;
    enum body_kind kind = response_framing(c);
    if (kind == BODY_UNTIL_CLOSE) {
        tx->must_close = true;
    }
    if (!tx->is_tunnel_open && !may_keep_alive(c, side)) {
        tx->must_close = true;
    }
    struct h1_framing f = { .kind = kind,
        .length = tx->response.length,
        .close = tx->must_close && !tx->is_upgraded,
        .keep_alive = !tx->must_close && tx->request.minor == 0,
        .upgrade = tx->is_upgraded ? STR("websocket") : STR_NONE };
    size_t had = c->out.len;
    h1_write_response(&tx->response, &f, &c->out);
    tx->bytes_sent += c->out.len - had;
    side->is_head_written = true;
    side->is_chunked = kind == BODY_CHUNKED;
    side->is_bare = kind == BODY_NONE;
    side->progress = clock_mono();
}

static void
write_body(struct conn *c, struct h1_side *side)
{
    struct tx *tx = c->tx;
    struct bufq *from = pump_out(&tx->down);
    size_t had = c->out.len;
    if (side->is_bare) { /* weir's own answers always have one */
        bufq_consume(from, from->len);
    }
    size_t n = side->is_chunked ? bufq_move_chunked(&c->out, from, SIZE_MAX)
                                : bufq_move(&c->out, from, SIZE_MAX);
    if (n != 0) {
        pump_took(&tx->down, n);
    }
    if (pump_is_done(&tx->down) && !side->is_end_written && !tx->is_broken) {
        if (side->is_chunked) {
            h1_write_last_chunk(&tx->response, &c->out);
        }
        side->is_end_written = true;
    }
    tx->bytes_sent += c->out.len - had;
}

/* The client's time begins with bytes that were not there before. */
static enum io
flush_out(struct conn *c, struct h1_side *side)
{
    size_t before = c->out.len;
    if (before == 0) {
        return IO_OK;
    }
    enum io r = stream_flush(c->stream, &c->out);
    if (!side->has_unsent || c->out.len != before) {
        side->progress = clock_mono();
    }
    side->has_unsent = c->out.len != 0;
    return r;
}

enum io
h1_side_write(struct conn *c, struct h1_side *side)
{
    CHECK(c, CONN_MAGIC);
    struct tx *tx = c->tx;
    if (tx->is_head_ready && !side->is_head_written) {
        h1_side_write_head(c, side);
    }
    enum io r = IO_OK;
    size_t before = SIZE_MAX;
    while (r == IO_OK && c->out.len != before) {
        if (side->is_head_written && pump_run(&tx->down)) {
            write_body(c, side);
        }
        before = c->out.len;
        r = flush_out(c, side);
    }
    return r;
}
