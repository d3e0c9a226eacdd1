/*
 * A request's body, from the client's bytes into the pump: straight from the
 * stream where no framing lies between. Called by serve_h1.c, which owns the
 * rest of the exchange's client side.
 */

#include "proxy/h1_side.h"

#include "base/clock.h"
#include "proxy/conn.h"
#include "proxy/tx.h"

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
    while (!side->is_body_done && !pump_is_full(&tx->up)) {
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
