/*
 * The client's side of HTTP/1.1: has a head read into an exchange, its body
 * fed and the response written (wire/h1_side.c), watches the client meanwhile,
 * and says what follows. One exchange at a time; what a client pipelines waits
 * in c->wire.in.
 */

#include "proxy/conn.h"

#include "base/clock.h"
#include "base/mem.h"
#include "http/auth.h"
#include "net/tcp.h"
#include "proxy/listen.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"
#include "proxy/reply.h"
#include "proxy/tx.h"
#include "proxy/worker.h"
#include "wire/h1_side.h"

/* Idle this long, a connection gives its buffers back. */
#define PARK_AFTER 0.05

/* Of the connection. `side` is there with c->tx: while an exchange goes on. */
struct serve_h1 {
    struct h1_reader reader; /* between exchanges */
    struct h1_side *side;    /* in the tx's arena; NULL: none goes on */
    unsigned long turn;      /* of the loop, in which the last one ended */
    bool is_parked;          /* idle, without buffers */
    bool is_half_closed;     /* the client says no more, and may yet read */
};

static const struct step step_head, step_exchange, step_drain;

static struct serve_h1 *
h1_of(struct conn *c)
{
    if (c->serve_state == NULL) {
        c->serve_state = xcalloc(sizeof(struct serve_h1));
    }
    AN(c->serve == &serve_h1);
    return c->serve_state;
}

static bool
is_half_closed(const struct conn *c)
{
    const struct serve_h1 *h1 = c->serve_state;
    AN(c->serve == &serve_h1 && h1 != NULL);
    return h1->is_half_closed;
}

/* While an exchange goes on. */
static struct h1_side *
side_of(struct conn *c)
{
    struct h1_side *side = h1_of(c)->side;
    CHECK(c->tx, TX_MAGIC);
    AN(side != NULL && side->xfer == &c->tx->xfer);
    return side;
}

static const struct step *
wait_until(struct conn *c, double deadline)
{
    task_wait(&c->task, deadline, NULL, NULL);
    return TASK_WAIT;
}

/* A pipelined request waits for the next turn of the loop. weir answers some
 * requests itself, without waiting for any event: a client that pipelines many
 * of those would keep the loop from every other client. */
static const struct step *
begin_head(struct conn *c)
{
    struct serve_h1 *h1 = h1_of(c);
    h1->is_parked = false;
    c->since = clock_mono();
    if (h1->turn == c->task.loop->turns) {
        task_yield(&c->task);
        return wait_until(c, TASK_NEVER);
    }
    return &step_head;
}

/* How long the next request may take to come. */
static double
idle_seconds(const struct conn *c)
{
    if (c->requests != 0) {
        return c->life == CONN_CLOSES
                   ? 0
                   : worker_conf(c->worker)->keepalive_timeout;
    }
    return conn_patience(c);
}

/* Between requests. */
static const struct step *
run_idle(struct task *t)
{
    struct conn *c = conn_of(t);
    struct serve_h1 *h1 = h1_of(c);
    double wait = idle_seconds(c);
    AZ(c->tx != NULL || h1->side != NULL);
    enum io r = c->wire.in.n != 0 ? IO_OK : wire_fill(&c->wire, c->wire.in.max);
    if (r == IO_OK) {
        return begin_head(c);
    }
    if (r != IO_AGAIN || clock_mono() >= c->since + wait) {
        return &task_end;
    }
    if (!h1->is_parked && clock_mono() >= c->since + PARK_AFTER) {
        buf_fini(&c->wire.in);
        stream_park(c->wire.stream);
        h1->is_parked = true;
    }
    double park = h1->is_parked ? TASK_NEVER : c->since + PARK_AFTER;
    double end = c->since + wait;
    return wait_until(c, park < end ? park : end);
}

static const struct step *
begin_tx(struct conn *c, struct tx *tx)
{
    AZ(c->tx);
    AZ(h1_of(c)->side);
    h1_of(c)->side = h1_side_new(&tx->xfer, &c->wire);
    c->tx = tx;
    c->requests++;
    task_wake(&tx->xfer.task);
    return &step_exchange;
}

/* A head that cannot be served: weir's answer, then the end. */
static const struct step *
refuse_head(struct conn *c, struct tx *tx, unsigned status, const char *why)
{
    struct reply r = { .status = status,
        .error = "http_request_error",
        .rule = "request",
        .detail = str_of(why) };
    tx->xfer.request.body = BODY_NONE;
    tx->xfer.must_close = true;
    tx_fail(tx, FAULT_CLIENT, "%s", why);
    tx_reply(tx, &r);
    tx->xfer.task.step = &tx_step_reply;
    buf_clear(&c->wire.in);
    const struct step *next = begin_tx(c, tx);
    h1_side_refuse(side_of(c));
    return next;
}

const struct step *
conn_refuse(struct conn *c, unsigned status, const char *why)
{
    CHECK(c, CONN_MAGIC);
    return refuse_head(c, tx_new(c), status, why);
}

static const struct step *
take_head(struct conn *c, size_t n)
{
    struct tx *tx = tx_new(c);
    struct h1_error err = { 0 };
    tx->t_start = c->since;
    tx->head_bytes_in = n;
    if (h1_reader_take(&h1_of(c)->reader, &c->wire, n,
            conn_has_tls_inside(c) ? 443 : 80, &tx->xfer, &err) != 0) {
        return refuse_head(c, tx, err.status, err.text);
    }
    return begin_tx(c, tx);
}

static const struct step *
run_head(struct task *t)
{
    struct conn *c = conn_of(t);
    const struct proxy_conf *pc = worker_conf(c->worker);
    double deadline = c->since + pc->client_header_timeout;
    struct h1_error err = { 0 };
    size_t n = 0;
    AZ(c->tx);
    switch (h1_reader_run(&h1_of(c)->reader, &c->wire, &n, &err)) {
    case H1_READ_HEAD:
        return take_head(c, n);
    case H1_READ_NONE:
        return &conn_step_serve;
    case H1_READ_BAD:
        return refuse_head(c, tx_new(c), err.status, err.text);
    case H1_READ_END:
        return &task_end;
    case H1_READ_AGAIN:
        break;
    }
    if (clock_mono() >= deadline) {
        return refuse_head(c, tx_new(c), 408, "request head timed out");
    }
    return wait_until(c, deadline);
}

/* Whoever speaks TLS to weir, in a tunnel or around all. */
static bool
has_tls(const struct conn *c)
{
    return conn_has_tls_inside(c) || c->listen->ssl;
}

/* A client that waits for its response can only leave, or pipeline another
 * request. If it ends its side, it may have gone or may still be waiting.
 * Simple clients do the latter (`nc -N`), and they speak no TLS: so without TLS
 * it is served as long as bytes reach it. */
static void
watch_client(struct conn *c, struct h1_side *side)
{
    enum io r = is_half_closed(c) ? IO_AGAIN : IO_OK;
    while (r == IO_OK) { /* to the last: nobody calls for what was left */
        r = wire_fill(&c->wire, c->wire.in.max);
    }
    if (r == IO_EOF && !has_tls(c)) {
        h1_of(c)->is_half_closed = true;
        side->progress = clock_mono();
    } else if (r != IO_AGAIN) {
        tx_client_gone(c->tx, STR("client closed the connection"));
    }
}

/* Until its head comes a request has a slot, or a place in the queue, and there
 * may be no room for more of the client's bytes. The end of the connection
 * lies behind them, and the slot is another's then. */
static bool
is_out_of_sight(const struct conn *c, const struct h1_side *side)
{
    bool is_held_up = side->in == H1_IN_BODY && c->tx->xfer.up.is_stopped;
    return side->out == H1_OUT_NOTHING &&
           (is_held_up || c->wire.in.n == c->wire.in.max);
}

/* A client that may be half-closed has as much time as one that is. */
static bool
has_left_out_of_sight(const struct conn *c, struct h1_side *side)
{
    const struct proxy_conf *pc = tx_where(c->tx, PART_PROXY);
    return is_out_of_sight(c, side) &&
           h1_side_has_left(side, has_tls(c) ? 0 : pc->lingering_time);
}

static double
exchange_deadline(const struct conn *c, const struct h1_side *side)
{
    const struct proxy_conf *pc = tx_where(c->tx, PART_PROXY);
    if (!bufq_is_empty(&c->wire.out)) {
        return side->progress + pc->send_timeout;
    }
    if (is_half_closed(c)) {
        return side->progress + pc->lingering_time;
    }
    if (side->in == H1_IN_BODY && !c->tx->xfer.up.is_stopped &&
        !tx_is_queued(c->tx)) {
        return h1_side_since(side, c->tx->t_slot) + pc->client_body_timeout;
    }
    return is_out_of_sight(c, side) ? h1_side_next_look(side) : TASK_NEVER;
}

/* While the client is slow to read, the step runs often, so that it sees what
 * the client took soon and not only at the deadline. When the client took all,
 * a filter may hold bytes back, and says when it runs next. */
static double
exchange_wake(const struct conn *c, const struct h1_side *side)
{
    double deadline = exchange_deadline(c, side);
    double again = bufq_is_empty(&c->wire.out)
                       ? pump_wait(&c->tx->xfer.down)
                       : clock_mono() + STREAM_TRY_EVERY;
    return deadline < again ? deadline : again;
}

static void
exchange_expired(struct conn *c, struct h1_side *side)
{
    struct tx *tx = c->tx;
    bool is_stuck = !bufq_is_empty(&c->wire.out);
    if (is_stuck || is_half_closed(c) || side->out != H1_OUT_NOTHING) {
        tx_client_gone(tx, is_half_closed(c) && !is_stuck
                               ? STR("client closed the connection")
                               : STR("client timed out"));
        return;
    }
    tx_client_at_fault(tx, 408);
    side->progress = clock_mono();
}

/* The client took all that there is of a body, and more will come. */
static void
park_client(struct conn *c, const struct h1_side *side)
{
    if (side->out != H1_OUT_NOTHING && bufq_is_empty(&c->wire.out)) {
        wire_park(&c->wire);
    }
}

static void
feed(struct conn *c, struct h1_side *side)
{
    switch (h1_side_feed(side)) {
    case H1_FED:
        break;
    case H1_FED_LARGE:
        tx_client_at_fault(c->tx, 413);
        break;
    case H1_FED_BAD:
        tx_client_at_fault(c->tx, 400);
        break;
    case H1_FED_BROKEN:
        tx_client_gone(c->tx, STR("client broke off in its body"));
        break;
    }
}

/* The response is a challenge that the client must answer on this connection,
 * or it is not authenticated: its handshake cannot go on over another one. */
static bool
is_handshake(const struct tx *tx)
{
    return tx->xfer.response.status == 401 &&
           auth_is_of_connection(&tx->xfer.request, FIELD_AUTHORIZATION) &&
           auth_is_of_connection(&tx->xfer.response, FIELD_WWW_AUTHENTICATE);
}

/* The proxy's own reasons to close behind this response; HTTP's are
 * h1_side.c's. */
static void
decide_close(const struct conn *c, struct tx *tx)
{
    bool is_last = c->life != CONN_STAYS ||
                   c->requests >= worker_conf(c->worker)->keepalive_requests;
    if (tx->xfer.follows != XFER_TUNNEL &&
        (c->life == CONN_CLOSES || (is_last && !is_handshake(tx)))) {
        tx->xfer.must_close = true;
    }
}

static enum io
write_response(struct conn *c, struct h1_side *side)
{
    if (c->tx->xfer.is_head_ready && side->out == H1_OUT_NOTHING) {
        decide_close(c, c->tx);
    }
    return h1_side_write(side);
}

static const struct step *
begin_drain(struct conn *c)
{
    AN(c->tx->is_over);
    pump_fini(&c->tx->xfer.up);
    c->since = clock_mono();
    return &step_drain;
}

static const struct step *
end_tx(struct conn *c, const struct h1_side *side)
{
    struct tx *tx = c->tx;
    bool is_complete = side->out == H1_OUT_END && bufq_is_empty(&c->wire.out);
    bool must_close = tx->xfer.must_close || !is_complete;
    bool is_tunnel = tx->xfer.follows == XFER_TUNNEL && is_complete;
    if (!must_close && side->in == H1_IN_BODY) {
        return begin_drain(c);
    }
    if (is_tunnel) {
        conn_open_tunnel(c, &tx->authority, tx->kind == TX_CONNECT_PASSTHROUGH);
    }
    if (!is_complete && side->out != H1_OUT_NOTHING &&
        side->framing != BODY_CHUNKED) {
        tcp_abort_on_close(c->wire.stream);
    }
    bool may_send_more = side->in != H1_IN_END;
    h1_of(c)->side = NULL;
    c->tx = NULL;
    tx_free(tx);
    c->since = clock_mono();
    h1_of(c)->turn = c->task.loop->turns;
    if (is_tunnel) {
        return &conn_step_sniff;
    }
    if (!must_close) {
        return &conn_step_serve;
    }
    return is_complete && may_send_more ? &conn_step_linger : &task_end;
}

static const struct step *
run_exchange(struct task *t)
{
    struct conn *c = conn_of(t);
    struct tx *tx = c->tx;
    struct h1_side *side = side_of(c);
    if (tx->is_over) {
        return end_tx(c, side);
    }
    if (tx->xfer.follows == XFER_UPGRADED && tx->xfer.is_head_ready) {
        h1_side_write_head(side);
        return &conn_step_splice;
    }
    if (side->in == H1_IN_BODY && tx->body_fault == 0) {
        feed(c, side);
    } else if (side->in != H1_IN_BODY && tx->client == TX_CLIENT_THERE) {
        watch_client(c, side);
    }
    if (has_left_out_of_sight(c, side)) {
        tx_client_gone(tx, STR("client closed the connection"));
    }
    if (tx->client != TX_CLIENT_THERE) {
        return wait_until(c, TASK_NEVER);
    }
    enum io r = write_response(c, side);
    if (r == IO_ERR || r == IO_EOF) {
        tx_client_gone(tx, STR("client closed in the response"));
    } else if (r == IO_OK && (side->out == H1_OUT_END || tx->xfer.is_broken)) {
        tx_client_done(tx);
    } else if (clock_mono() >= exchange_deadline(c, side)) {
        exchange_expired(c, side);
    } else {
        park_client(c, side);
    }
    return wait_until(
        c, tx->client != TX_CLIENT_THERE ? TASK_NEVER : exchange_wake(c, side));
}

/* The rest of a request that was answered before its end; what follows it is
 * another. */
static const struct step *
run_drain(struct task *t)
{
    struct conn *c = conn_of(t);
    struct h1_side *side = side_of(c);
    AN(c->tx->is_over && side->out == H1_OUT_END);
    AZ(c->tx->xfer.must_close);
    double end = c->since + worker_conf(c->worker)->lingering_time;
    enum io r = h1_side_drain(side);
    if (side->in != H1_IN_BODY) {
        return end_tx(c, side);
    }
    if (r != IO_AGAIN || clock_mono() >= end) {
        return &task_end;
    }
    return wait_until(c, end);
}

static void
h1_interim(struct tx *tx, const struct head *head)
{
    struct conn *c = tx->conn;
    h1_side_write_interim(&tx->xfer, &c->wire, head);
    task_wake(&c->task);
}

/* One exchange at a time: the connection's task looks what it is. */
static void
h1_wake(struct tx *tx)
{
    task_wake(&tx->conn->task);
}

static void
h1_free(struct conn *c)
{
    xfree(c->serve_state);
    c->serve_state = NULL;
}

const struct serve serve_h1 = { .interim = h1_interim,
    .head = h1_wake,
    .deadline = h1_wake,
    .reset = h1_wake,
    .end = h1_wake,
    .free = h1_free };

const struct step conn_step_serve = { "conn: idle", run_idle };
static const struct step step_head = { "conn: head", run_head };
static const struct step step_exchange = { "conn: exchange", run_exchange };
static const struct step step_drain = { "conn: drain", run_drain };
