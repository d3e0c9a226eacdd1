/*
 * The client's side of HTTP/1.1: reads a head into an exchange, has its body
 * fed and the response written (h1_side.c), watches the client meanwhile, and
 * says what follows. One exchange at a time; what a client pipelines waits in
 * c->in.
 */

#include "proxy/conn.h"

#include "base/clock.h"
#include "http/h1_parse.h"
#include "http/h1_write.h"
#include "net/tcp.h"
#include "proxy/h1_side.h"
#include "proxy/listen.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"
#include "proxy/reply.h"
#include "proxy/tx.h"
#include "proxy/worker.h"

/* Idle this long, a connection gives its buffers back. */
#define PARK_AFTER 0.05

/* How often a client is looked after that cannot be read from. */
#define LOOK_EVERY 0.25

static const struct step step_head, step_exchange, step_drain;

static const struct step *
wait_until(struct conn *c, double deadline)
{
    task_wait(&c->task, deadline, NULL, NULL);
    return TASK_WAIT;
}

/* What is pipelined waits for the next turn: answers of weir's own need no
 * event, and one client that sends enough of such requests would keep the
 * loop from looking at any other. */
static const struct step *
begin_head(struct conn *c)
{
    c->is_parked = false;
    c->since = clock_mono();
    if (c->turn == c->task.loop->turns) {
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
        return c->must_close ? 0 : worker_conf(c->worker)->keepalive_timeout;
    }
    return conn_patience(c);
}

/* Between requests. */
static const struct step *
run_idle(struct task *t)
{
    struct conn *c = conn_of(t);
    double wait = idle_seconds(c);
    enum io r = c->in.n != 0 ? IO_OK : conn_fill(c, c->in.max);
    if (r == IO_OK) {
        return begin_head(c);
    }
    if (r != IO_AGAIN || clock_mono() >= c->since + wait) {
        return &task_end;
    }
    if (!c->is_parked && clock_mono() >= c->since + PARK_AFTER) {
        buf_fini(&c->in);
        stream_park(c->stream);
        c->is_parked = true;
    }
    double park = c->is_parked ? TASK_NEVER : c->since + PARK_AFTER;
    double end = c->since + wait;
    return wait_until(c, park < end ? park : end);
}

static void
free_body(void *arg)
{
    h1_body_fini(arg);
}

static const struct step *
begin_tx(struct conn *c, struct tx *tx)
{
    AZ(c->tx);
    struct h1_side *side = arena_calloc(tx->arena, sizeof *side);
    arena_on_free(tx->arena, free_body, &side->body);
    side->progress = clock_mono();
    c->side = side;
    c->tx = tx;
    c->requests++;
    h1_body_init(&side->body, H1_REQUEST, tx->request.body, tx->request.length);
    side->is_body_done = tx->request.body == BODY_NONE;
    if (side->is_body_done) {
        pump_end(&tx->up);
    }
    task_wake(&tx->task);
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
    tx->request.body = BODY_NONE;
    tx->must_close = true;
    tx_fail(tx, FAULT_CLIENT, "%s", why);
    tx_reply(tx, &r);
    tx->task.step = &tx_step_reply;
    buf_clear(&c->in);
    const struct step *next = begin_tx(c, tx);
    c->side->is_refused = true;
    return next;
}

const struct step *
conn_refuse(struct conn *c, unsigned status, const char *why)
{
    CHECK(c, CONN_MAGIC);
    return refuse_head(c, tx_new(c), status, why);
}

static const struct step *
parse_head(struct conn *c, size_t n)
{
    struct tx *tx = tx_new(c);
    struct h1_error err = { 0 };
    tx->t_start = c->since;
    tx->head_bytes_in = n;
    struct str bytes = arena_dup(tx->arena, str_n(c->in.p, n));
    if (h1_parse_request(bytes, c->is_tls ? 443 : 80, &tx->request, &err) !=
        0) {
        return refuse_head(c, tx, err.status, err.text);
    }
    buf_consume(&c->in, n);
    c->scanned = 0;
    c->has_blank = c->is_plausible = false;
    return begin_tx(c, tx);
}

/* One empty line before a request is ignored (RFC 9112 2.2): some clients end
 * a body with one. */
static void
skip_blank_line(struct conn *c)
{
    if (!c->has_blank && str_starts(buf_str(&c->in), STR("\r\n"))) {
        buf_consume(&c->in, 2);
        c->scanned = 0;
        c->has_blank = true;
    }
}

/* Another protocol's client may wait for weir to speak. */
static bool
is_plausible(struct conn *c, struct h1_error *err)
{
    struct str in = buf_str(&c->in);
    if (c->is_plausible || str_eq(in, STR("\r"))) {
        return true;
    }
    struct arena *a = arena_new(1024);
    bool may_be = h1_may_be_request(in, a, err);
    c->is_plausible = may_be && str_find(in, '\n') != in.n;
    arena_free(a);
    return may_be;
}

static const struct step *
run_head(struct task *t)
{
    struct conn *c = conn_of(t);
    const struct proxy_conf *pc = worker_conf(c->worker);
    double deadline = c->since + pc->client_header_timeout;
    enum io r = IO_OK;
    while (r == IO_OK) {
        struct h1_error err = { 0 };
        size_t n = 0;
        skip_blank_line(c);
        if (c->in.n == 0) {
            return &conn_step_serve;
        }
        switch (h1_head_end(buf_str(&c->in), &c->scanned, &n, &err)) {
        case H1_OK:
            return parse_head(c, n);
        case H1_BAD:
            return refuse_head(c, tx_new(c), err.status, err.text);
        case H1_MORE:
        case H1_FULL:
            break;
        }
        if (!is_plausible(c, &err)) {
            return refuse_head(c, tx_new(c), err.status, err.text);
        }
        if (c->in.n >= c->in.max) {
            h1_head_overflow(buf_str(&c->in), &err);
            return refuse_head(c, tx_new(c), err.status, err.text);
        }
        r = conn_fill(c, c->in.max);
    }
    if (r != IO_AGAIN) {
        return &task_end;
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
    return c->is_tls || c->listen->ssl;
}

/* While it waits for the response a client only leaves or pipelines. One that
 * ends its side may have gone or may wait for the response: without TLS, where
 * simple clients do that (`nc -N`), it is served while bytes reach it. */
static void
watch_client(struct conn *c, struct h1_side *side)
{
    enum io r = c->is_half_closed ? IO_AGAIN : IO_OK;
    while (r == IO_OK) { /* to the last: nobody calls for what was left */
        r = conn_fill(c, c->in.max);
    }
    if (r == IO_EOF && !has_tls(c)) {
        c->is_half_closed = true;
        side->progress = clock_mono();
    } else if (r != IO_AGAIN) {
        tx_client_gone(c->tx, STR("client closed the connection"));
    }
}

static double
later(double a, double b)
{
    return a > b ? a : b;
}

/* Until its head comes a request has a slot, or a place in the line, and there
 * may be no room for more of the client's bytes. The end of the connection
 * lies behind them, and the slot is another's then. */
static bool
is_out_of_sight(const struct conn *c, const struct h1_side *side)
{
    bool is_held_up = !side->is_body_done && c->tx->up.is_stopped;
    return !side->is_head_written && (is_held_up || c->in.n == c->in.max);
}

static double
next_look(const struct h1_side *side)
{
    return later(side->progress, side->looked) + LOOK_EVERY;
}

/* With the patience that a half-closed client has, where that may be one. */
static bool
has_left_out_of_sight(const struct conn *c, struct h1_side *side)
{
    const struct proxy_conf *pc = tx_where(c->tx, PART_PROXY);
    double now = clock_mono();
    if (!is_out_of_sight(c, side) || now < next_look(side)) {
        return false;
    }
    side->looked = now;
    enum tcp_end end = tcp_other_end(c->stream);
    if (end != TCP_ENDED || has_tls(c)) {
        return end != TCP_OPEN;
    }
    side->ended = side->ended != 0 ? side->ended : now;
    return now >= later(side->ended, side->progress) + pc->lingering_time;
}

static double
exchange_deadline(const struct conn *c, const struct h1_side *side)
{
    const struct proxy_conf *pc = tx_where(c->tx, PART_PROXY);
    if (!bufq_is_empty(&c->out)) {
        return side->progress + pc->send_timeout;
    }
    if (c->is_half_closed) {
        return side->progress + pc->lingering_time;
    }
    if (!side->is_body_done && !c->tx->up.is_stopped && !tx_is_queued(c->tx)) {
        return later(side->progress, c->tx->t_slot) + pc->client_body_timeout;
    }
    return is_out_of_sight(c, side) ? next_look(side) : TASK_NEVER;
}

/* Of a client that is slow to read: what it took is to be seen when it took it,
 * and not at the deadline. Of one that took all a filter may hold bytes back.
 */
static double
exchange_wake(const struct conn *c, const struct h1_side *side)
{
    double deadline = exchange_deadline(c, side);
    double again = bufq_is_empty(&c->out) ? pump_wait(&c->tx->down)
                                          : clock_mono() + STREAM_TRY_EVERY;
    return deadline < again ? deadline : again;
}

static void
exchange_expired(struct conn *c, struct h1_side *side)
{
    struct tx *tx = c->tx;
    bool is_stuck = !bufq_is_empty(&c->out);
    if (is_stuck || c->is_half_closed || side->is_head_written) {
        tx_client_gone(tx, c->is_half_closed && !is_stuck
                               ? STR("client closed the connection")
                               : STR("client timed out"));
        return;
    }
    tx_client_at_fault(tx, 408);
    side->progress = clock_mono();
}

/* The client took all that there is of a body, and more will come. */
static void
park(struct conn *c, const struct h1_side *side)
{
    if (side->is_head_written && bufq_is_empty(&c->out)) {
        if (c->in.n == 0) {
            buf_fini(&c->in);
        }
        stream_park(c->stream);
    }
}

static const struct step *
begin_drain(struct conn *c)
{
    AN(c->tx->is_over);
    pump_fini(&c->tx->up);
    c->since = clock_mono();
    return &step_drain;
}

static const struct step *
end_tx(struct conn *c, const struct h1_side *side)
{
    struct tx *tx = c->tx;
    bool is_complete = side->is_end_written && bufq_is_empty(&c->out);
    bool must_close = tx->must_close || !is_complete;
    bool is_tunnel = tx->is_tunnel_open && is_complete;
    if (!must_close && !side->is_body_done) {
        return begin_drain(c);
    }
    if (is_tunnel) {
        conn_open_tunnel(c, &tx->authority, tx->is_passthrough);
    }
    if (!is_complete && side->is_head_written && !side->is_chunked) {
        tcp_abort_on_close(c->stream);
    }
    bool may_send_more = !side->is_body_done || side->is_refused;
    c->side = NULL;
    c->tx = NULL;
    tx_free(tx);
    c->since = clock_mono();
    c->turn = c->task.loop->turns;
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
    struct h1_side *side = c->side;
    if (tx->is_over) {
        return end_tx(c, side);
    }
    if (tx->is_upgraded && tx->is_head_ready) {
        h1_side_write_head(c, side);
        return &conn_step_splice;
    }
    if (!side->is_body_done && tx->body_fault == 0) {
        h1_side_feed(c, side);
    } else if (side->is_body_done && !tx->is_client_done) {
        watch_client(c, side);
    }
    if (has_left_out_of_sight(c, side)) {
        tx_client_gone(tx, STR("client closed the connection"));
    }
    if (tx->is_client_done) {
        return wait_until(c, TASK_NEVER);
    }
    enum io r = h1_side_write(c, side);
    if (r == IO_ERR || r == IO_EOF) {
        tx_client_gone(tx, STR("client closed in the response"));
    } else if (r == IO_OK && (side->is_end_written || tx->is_broken)) {
        tx_client_done(tx);
    } else if (clock_mono() >= exchange_deadline(c, side)) {
        exchange_expired(c, side);
    } else {
        park(c, side);
    }
    return wait_until(
        c, tx->is_client_done ? TASK_NEVER : exchange_wake(c, side));
}

/* The rest of a request that was answered before its end; what follows it is
 * another. */
static const struct step *
run_drain(struct task *t)
{
    struct conn *c = conn_of(t);
    struct h1_side *side = c->side;
    double end = c->since + worker_conf(c->worker)->lingering_time;
    enum io r = IO_OK;
    while (r == IO_OK && !side->is_body_done) {
        struct bufq waste;
        size_t used = 0;
        bufq_init(&waste, SIZE_MAX);
        enum h1_result h =
            h1_body_decode(&side->body, buf_str(&c->in), &used, &waste);
        bufq_fini(&waste);
        AN(h == H1_OK || h == H1_MORE); /* there is no framing in it */
        buf_consume(&c->in, used);
        side->is_body_done = h == H1_OK;
        r = h == H1_MORE ? conn_fill(c, c->in.max) : IO_OK;
    }
    if (side->is_body_done) {
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
    struct h1_framing f = { .kind = BODY_NONE };
    if (tx->request.minor >= 1) {
        size_t had = c->out.len;
        h1_write_response(head, &f, &c->out);
        tx->bytes_sent += c->out.len - had;
        task_wake(&c->task);
    }
}

const struct serve serve_h1 = { h1_interim };

const struct step conn_step_serve = { "conn: idle", run_idle };
static const struct step step_head = { "conn: head", run_head };
static const struct step step_exchange = { "conn: exchange", run_exchange };
static const struct step step_drain = { "conn: drain", run_drain };
