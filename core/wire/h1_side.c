/*
 * The bytes of one exchange on the client's side. A request's body into the
 * pump, straight from the stream where no framing lies between; the response's
 * head and body out of xfer and pump, framed for this client. Closes nothing
 * itself.
 */

#include "wire/h1_side.h"

#include "base/clock.h"
#include "http/h1_write.h"
#include "net/tcp.h"

/* How often a client is looked after that cannot be read from. */
#define LOOK_EVERY 0.25

/* One empty line before a request is ignored (RFC 9112 2.2): some clients end
 * a body with one. */
static void
skip_blank_line(struct h1_reader *r, struct wire *w)
{
    if (!r->has_blank && str_starts(buf_str(&w->in), STR("\r\n"))) {
        buf_consume(&w->in, 2);
        r->scanned = 0;
        r->has_blank = true;
    }
}

/* Another protocol's client may wait for weir to speak. */
static bool
is_plausible(struct h1_reader *r, struct str in, struct h1_error *err)
{
    if (r->is_plausible || str_eq(in, STR("\r"))) {
        return true;
    }
    struct arena *a = arena_new(1024);
    bool may_be = h1_may_be_request(in, a, err);
    r->is_plausible = may_be && str_find(in, '\n') != in.n;
    arena_free(a);
    return may_be;
}

/* H1_READ_AGAIN: more must be read. */
static enum h1_read
look_for_head(
    struct h1_reader *r, struct wire *w, size_t *n, struct h1_error *err)
{
    skip_blank_line(r, w);
    if (w->in.n == 0) {
        return H1_READ_NONE;
    }
    switch (h1_head_end(buf_str(&w->in), &r->scanned, n, err)) {
    case H1_OK:
        return H1_READ_HEAD;
    case H1_BAD:
        return H1_READ_BAD;
    case H1_MORE:
    case H1_FULL:
        break;
    }
    if (!is_plausible(r, buf_str(&w->in), err)) {
        return H1_READ_BAD;
    }
    if (w->in.n >= w->in.max) {
        h1_head_overflow(buf_str(&w->in), err);
        return H1_READ_BAD;
    }
    return H1_READ_AGAIN;
}

enum h1_read
h1_reader_run(
    struct h1_reader *r, struct wire *w, size_t *n, struct h1_error *err)
{
    enum io io = IO_OK;
    while (io == IO_OK) {
        enum h1_read found = look_for_head(r, w, n, err);
        if (found != H1_READ_AGAIN) {
            return found;
        }
        io = wire_fill(w, w->in.max);
    }
    return io == IO_AGAIN ? H1_READ_AGAIN : H1_READ_END;
}

int
h1_reader_take(struct h1_reader *r, struct wire *w, size_t n,
    uint16_t default_port, struct xfer *x, struct h1_error *err)
{
    AN(n != 0 && n <= w->in.n);
    struct str bytes = arena_dup(x->arena, str_n(w->in.p, n));
    if (h1_parse_request(bytes, default_port, &x->request, err) != 0) {
        return -1;
    }
    buf_consume(&w->in, n);
    *r = (struct h1_reader){ 0 };
    return 0;
}

static void
free_body(void *arg)
{
    h1_body_fini(arg);
}

struct h1_side *
h1_side_new(struct xfer *x, struct wire *w)
{
    struct h1_side *side = arena_calloc(x->arena, sizeof *side);
    arena_on_free(x->arena, free_body, &side->body);
    AN(w->stream != NULL);
    side->xfer = x;
    side->wire = w;
    side->progress = clock_mono();
    h1_body_init(&side->body, H1_REQUEST, x->request.body, x->request.length);
    if (x->request.body == BODY_NONE) {
        side->in = H1_IN_END;
        pump_end(&x->up);
    }
    return side;
}

void
h1_side_refuse(struct h1_side *side)
{
    AN(side->in == H1_IN_END && side->out == H1_OUT_NOTHING);
    side->in = H1_IN_UNKNOWN;
}

static void
look_for_end(struct h1_side *side)
{
    AN(side->in == H1_IN_BODY);
    if (h1_body_is_done(&side->body)) {
        side->in = H1_IN_END;
    }
}

/* What of the body lies in w->in already. */
static enum h1_result
feed_buffered(struct h1_side *side)
{
    struct wire *w = side->wire;
    struct pump *up = &side->xfer->up;
    size_t used = 0, had = pump_in(up)->len;
    enum h1_result r =
        h1_body_decode(&side->body, buf_str(&w->in), &used, pump_in(up));
    buf_consume(&w->in, used);
    if (pump_in(up)->len != had) {
        side->progress = clock_mono();
        pump_filled(up, pump_in(up)->len - had);
    }
    return r;
}

/* Straight from the stream into the pump where no framing lies between. */
static enum io
feed_direct(struct h1_side *side, size_t direct)
{
    struct pump *up = &side->xfer->up;
    size_t room, got = 0;
    char *to = bufq_reserve(pump_in(up), 1, &room);
    enum io r = stream_read(
        side->wire->stream, to, room < direct ? room : direct, &got);
    bufq_commit(pump_in(up), r == IO_OK ? got : 0);
    if (r == IO_OK) {
        h1_body_took(&side->body, got);
        side->progress = clock_mono();
        pump_filled(up, got);
    }
    return r;
}

static enum io
feed_once(struct h1_side *side)
{
    struct wire *w = side->wire;
    size_t direct = h1_body_direct(&side->body);
    if (w->in.n == 0 && direct != 0) {
        enum io r = feed_direct(side, direct);
        look_for_end(side);
        return r;
    }
    enum io r = w->in.n == 0 ? wire_fill(w, w->in.max) : IO_OK;
    if (r != IO_OK) {
        return r;
    }
    size_t had = w->in.n;
    enum h1_result h = feed_buffered(side);
    look_for_end(side);
    if (h == H1_BAD) {
        return IO_ERR;
    }
    return h == H1_MORE && w->in.n == had ? wire_fill(w, w->in.max) : IO_OK;
}

/* The request's body, as far as the pump has room. */
static enum h1_fed
feed_body(struct h1_side *side)
{
    struct xfer *x = side->xfer;
    while (side->in == H1_IN_BODY && !pump_stop_if_full(&x->up)) {
        enum io r = feed_once(side);
        if (xfer_is_too_large(x)) {
            return H1_FED_LARGE;
        }
        if (r == IO_AGAIN) {
            return H1_FED;
        }
        if (h1_body_is_bad(&side->body) && side->out == H1_OUT_NOTHING) {
            return H1_FED_BAD;
        }
        if (r != IO_OK) {
            return H1_FED_BROKEN;
        }
    }
    if (side->in != H1_IN_BODY && !x->up.is_ended) {
        h1_body_trailers(&side->body, &x->request);
        pump_end(&x->up);
    }
    return H1_FED;
}

enum h1_fed
h1_side_feed(struct h1_side *side)
{
    struct pump *up = &side->xfer->up;
    AN(side->in == H1_IN_BODY);
    uint64_t had = up->bytes_in;
    enum h1_fed r = feed_body(side);
    turn_spend(&side->turn, up->source, up->bytes_in - had, WIRE_TURN_BYTES);
    return r;
}

double
h1_side_since(const struct h1_side *side, double at)
{
    return side->progress > at ? side->progress : at;
}

double
h1_side_next_look(const struct h1_side *side)
{
    return h1_side_since(side, side->looked) + LOOK_EVERY;
}

bool
h1_side_has_left(struct h1_side *side, double patience)
{
    double now = clock_mono();
    if (now < h1_side_next_look(side)) {
        return false;
    }
    side->looked = now;
    enum tcp_end end = tcp_other_end(side->wire->stream);
    if (end != TCP_ENDED) {
        return end == TCP_GONE;
    }
    side->ended = side->ended != 0 ? side->ended : now;
    return now >= h1_side_since(side, side->ended) + patience;
}

/* An answer that came before the request's end: whether the rest is little
 * enough to be thrown away. A client that waits for a 100 may never send it,
 * and what it sends then is another request (RFC 9110 10.1.1). */
static bool
may_drain(const struct h1_side *side)
{
    return side->body.kind == BODY_LENGTH &&
           side->body.left <= WIRE_DRAIN_BYTES &&
           !side->xfer->request.expects_continue;
}

static bool
may_keep_alive(const struct h1_side *side)
{
    return side->xfer->request.keep_alive &&
           (side->in != H1_IN_BODY || may_drain(side));
}

enum io
h1_side_drain(struct h1_side *side)
{
    struct wire *w = side->wire;
    enum io r = IO_OK;
    AN(side->in == H1_IN_BODY && may_drain(side));
    while (r == IO_OK && side->in == H1_IN_BODY) {
        struct bufq waste;
        size_t used = 0;
        bufq_init(&waste, SIZE_MAX);
        enum h1_result h =
            h1_body_decode(&side->body, buf_str(&w->in), &used, &waste);
        bufq_fini(&waste);
        AN(h == H1_OK || h == H1_MORE); /* there is no framing in it */
        buf_consume(&w->in, used);
        look_for_end(side);
        r = h == H1_MORE ? wire_fill(w, w->in.max) : IO_OK;
    }
    return r;
}

/* Chooses the framing that this client can read (RFC 9112 6.3). */
static enum body_kind
response_framing(const struct xfer *x)
{
    if (x->follows == XFER_TUNNEL) {
        return BODY_NONE;
    }
    if (!head_response_has_body(&x->response, x->request.method_id)) {
        return BODY_NONE;
    }
    if (x->response.body == BODY_LENGTH) {
        return BODY_LENGTH;
    }
    return x->request.minor >= 1 ? BODY_CHUNKED : BODY_UNTIL_CLOSE;
}

void
h1_side_write_interim(struct xfer *x, struct wire *w, const struct head *head)
{
    struct h1_framing f = { .kind = BODY_NONE };
    AZ(x->is_head_ready);
    if (x->request.minor >= 1) {
        size_t had = w->out.len;
        h1_write_response(head, &f, &w->out);
        x->bytes_sent += w->out.len - had;
    }
}

void
h1_side_write_head(struct h1_side *side)
{
    AN(side->out == H1_OUT_NOTHING);
    struct wire *w = side->wire;
    struct xfer *x = side->xfer;
    enum body_kind kind = response_framing(x);
    if (kind == BODY_UNTIL_CLOSE) {
        x->must_close = true;
    }
    if (x->follows != XFER_TUNNEL && !may_keep_alive(side)) {
        x->must_close = true;
    }
    struct h1_framing f = { .kind = kind,
        .length = x->response.length,
        .close = x->must_close && x->follows != XFER_UPGRADED,
        .keep_alive = !x->must_close && x->request.minor == 0,
        .upgrade = x->follows == XFER_UPGRADED ? STR("websocket") : STR_NONE };
    size_t had = w->out.len;
    h1_write_response(&x->response, &f, &w->out);
    x->bytes_sent += w->out.len - had;
    AN(x->is_head_ready);
    side->out = H1_OUT_HEAD;
    side->framing = kind;
    side->progress = clock_mono();
}

static void
write_body(struct h1_side *side)
{
    AN(side->out != H1_OUT_NOTHING);
    struct wire *w = side->wire;
    struct xfer *x = side->xfer;
    struct bufq *from = pump_out(&x->down);
    size_t had = w->out.len;
    if (side->framing == BODY_NONE) { /* weir's own answers always have one */
        bufq_consume(from, from->len);
    }
    size_t n = side->framing == BODY_CHUNKED
                   ? bufq_move_chunked(&w->out, from, SIZE_MAX)
                   : bufq_move(&w->out, from, SIZE_MAX);
    if (n != 0) {
        pump_took(&x->down, n);
    }
    if (pump_is_done(&x->down) && side->out != H1_OUT_END && !x->is_broken) {
        if (side->framing == BODY_CHUNKED) {
            h1_write_last_chunk(&x->response, &w->out);
        }
        side->out = H1_OUT_END;
    }
    x->bytes_sent += w->out.len - had;
}

/* The client's time begins with bytes that were not there before. */
static enum io
flush_out(struct h1_side *side)
{
    struct wire *w = side->wire;
    size_t before = w->out.len;
    if (before == 0) {
        return IO_OK;
    }
    enum io r = stream_flush(w->stream, &w->out);
    if (!side->has_unsent || w->out.len != before) {
        side->progress = clock_mono();
    }
    side->has_unsent = w->out.len != 0;
    return r;
}

enum io
h1_side_write(struct h1_side *side)
{
    struct wire *w = side->wire;
    struct xfer *x = side->xfer;
    if (x->is_head_ready && side->out == H1_OUT_NOTHING) {
        h1_side_write_head(side);
    }
    enum io r = IO_OK;
    size_t before = SIZE_MAX;
    while (r == IO_OK && w->out.len != before) {
        if (side->out != H1_OUT_NOTHING && pump_run(&x->down)) {
            write_body(side);
        }
        before = w->out.len;
        r = flush_out(side);
    }
    return r;
}
