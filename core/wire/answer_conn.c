/*
 * A connection to a server of weir's own: TLS first where the listener has it,
 * then one request after the other. Keeps the time-outs, and refuses what is
 * not a request. `answer` and `side` are set from a request's head until its
 * answer was sent, or the client has left.
 */

#include "wire/answer_conn.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/h1_parse.h"
#include "http/reason.h"
#include "net/tcp.h"
#include "net/tls.h"

static const struct step step_handshake, step_idle, step_head, step_exchange,
    step_linger;

static struct answer_conn *
answer_conn_of(struct task *t)
{
    struct answer_conn *c = container_of(t, struct answer_conn, task);
    CHECK(c, ANSWER_CONN_MAGIC);
    return c;
}

static const struct answer_conf *
conf_of(const struct answer_conn *c)
{
    return &c->listener->server->conf;
}

static bool
is_draining(const struct answer_conn *c)
{
    return c->listener->server->waiter != NULL;
}

static const struct step *
wait_until(struct answer_conn *c, double deadline)
{
    task_wait(&c->task, deadline, NULL, NULL);
    return TASK_WAIT;
}

static const struct step *
run_handshake(struct task *t)
{
    struct answer_conn *c = answer_conn_of(t);
    double end = c->since + conf_of(c)->head_timeout;
    switch (stream_handshake(c->wire.stream)) {
    case IO_OK:
        c->since = clock_mono();
        return &step_idle;
    case IO_AGAIN:
        return clock_mono() >= end ? &task_end : wait_until(c, end);
    case IO_EOF:
    case IO_ERR:
        break;
    }
    log_at(
        LOG_INFO, "a client's handshake failed: %s", tls_error(c->wire.stream));
    return &task_end;
}

/* One request a turn: a client that pipelines many gets no more of the loop
 * than other clients. */
static const struct step *
begin_head(struct answer_conn *c)
{
    list_del(&c->idle);
    c->since = clock_mono();
    if (c->turn == c->task.loop->turns) {
        task_yield(&c->task);
        return wait_until(c, TASK_NEVER);
    }
    return &step_head;
}

static const struct step *
run_idle(struct task *t)
{
    struct answer_conn *c = answer_conn_of(t);
    const struct answer_conf *conf = conf_of(c);
    double end =
        c->since + (c->requests != 0 ? conf->idle_timeout : conf->head_timeout);
    AZ(c->answer);
    enum io r = c->wire.in.n != 0 ? IO_OK : wire_fill(&c->wire, c->wire.in.max);
    if (r == IO_OK) {
        return begin_head(c);
    }
    if (r != IO_AGAIN || clock_mono() >= end || is_draining(c)) {
        return &task_end;
    }
    if (!list_is_linked(&c->idle)) {
        list_add_tail(&c->listener->idle, &c->idle);
        answer_listener_has_idle(c->listener);
    }
    wire_park(&c->wire);
    return wait_until(c, end);
}

/* Sends 100 to a client that waits for it before its body (RFC 9110 10.1.1). */
static void
say_continue(struct answer_conn *c, struct answer *a)
{
    struct head h;
    if (!a->request->expects_continue || c->side->in != H1_IN_BODY ||
        c->wire.in.n != 0) {
        return;
    }
    head_init(&h, a->xfer.arena);
    h.status = 100;
    h.reason = reason_of(100);
    h1_side_write_interim(&a->xfer, &c->wire, &h);
}

static const struct step *
begin_exchange(struct answer_conn *c, struct answer *a)
{
    AZ(c->answer != NULL || list_is_linked(&c->idle));
    c->answer = a;
    c->side = h1_side_new(&a->xfer, &c->wire);
    c->since = clock_mono();
    c->requests++;
    return &step_exchange;
}

/* Refuses a head; what follows it cannot be read as a request. */
static const struct step *
refuse_head(
    struct answer_conn *c, struct answer *a, unsigned status, const char *why)
{
    a->xfer.request.body = BODY_NONE;
    buf_clear(&c->wire.in);
    const struct step *next = begin_exchange(c, a);
    h1_side_refuse(c->side);
    answer_refuse(a, status, why);
    return next;
}

static const struct step *
take_head(struct answer_conn *c, size_t n)
{
    struct answer *a = answer_new(c);
    const struct head *h = &a->xfer.request;
    struct h1_error err = { 0 };
    uint16_t port = c->listener->args.tls != NULL ? 443 : 80;
    if (h1_reader_take(&c->reader, &c->wire, n, port, &a->xfer, &err) != 0) {
        return refuse_head(c, a, err.status, err.text);
    }
    if (h->method_id == METHOD_CONNECT) {
        return refuse_head(c, a, 501, "this is no proxy");
    }
    const struct step *next = begin_exchange(c, a);
    if (h->body == BODY_LENGTH && h->length > a->xfer.body_max) {
        answer_refuse(a, 413, "the body is too large");
    } else {
        say_continue(c, a);
    }
    return next;
}

static const struct step *
run_head(struct task *t)
{
    struct answer_conn *c = answer_conn_of(t);
    double end = c->since + conf_of(c)->head_timeout;
    struct h1_error err = { 0 };
    size_t n = 0;
    AZ(c->answer);
    switch (h1_reader_run(&c->reader, &c->wire, &n, &err)) {
    case H1_READ_HEAD:
        return take_head(c, n);
    case H1_READ_NONE:
        return &step_idle;
    case H1_READ_BAD:
        return refuse_head(c, answer_new(c), err.status, err.text);
    case H1_READ_END:
        return &task_end;
    case H1_READ_AGAIN:
        break;
    }
    if (clock_mono() >= end) {
        return refuse_head(c, answer_new(c), 408, "the head came too slowly");
    }
    return wait_until(c, end);
}

/* Reads some of the body. False: the client has left. */
static bool
feed(struct answer_conn *c)
{
    bufq_mark_secret(pump_in(&c->answer->xfer.up)); /* until it is empty */
    switch (h1_side_feed(c->side)) {
    case H1_FED:
        break;
    case H1_FED_LARGE:
        answer_refuse(c->answer, 413, "the body is too large");
        break;
    case H1_FED_BAD:
        answer_refuse(c->answer, 400, "the body is malformed");
        break;
    case H1_FED_BROKEN:
        return false;
    }
    return true;
}

/* The client pipelines more than there is room for. Its end would be behind
 * those bytes, so reading cannot show it. */
static bool
is_out_of_sight(const struct answer_conn *c)
{
    return c->side->out == H1_OUT_NOTHING && c->side->in != H1_IN_BODY &&
           c->wire.in.n == c->wire.in.max;
}

/* Reads while the client waits for its answer: it may pipeline, or leave. A
 * client that has ended its side may still wait for the answer, but not long
 * without a byte of it. False: it has left. */
static bool
watch_client(struct answer_conn *c)
{
    enum io r = c->is_half_closed ? IO_AGAIN : IO_OK;
    while (r == IO_OK) {
        r = wire_fill(&c->wire, c->wire.in.max);
    }
    if (r == IO_EOF && tcp_other_end(c->wire.stream) == TCP_ENDED) {
        c->is_half_closed = true;
        c->side->progress = clock_mono();
    }
    if (is_out_of_sight(c)) {
        return !h1_side_has_left(c->side, conf_of(c)->linger_timeout);
    }
    return r == IO_AGAIN || c->is_half_closed;
}

/* Reads from the client. False: it has left. */
static bool
hear_client(struct answer_conn *c)
{
    if (c->side->in != H1_IN_BODY) {
        return watch_client(c);
    }
    return c->answer->state != ANSWER_REQUEST || feed(c);
}

static double
exchange_deadline(const struct answer_conn *c)
{
    const struct answer_conf *conf = conf_of(c);
    if (!bufq_is_empty(&c->wire.out)) {
        return c->side->progress + conf->write_timeout;
    }
    if (c->is_half_closed) {
        return c->side->progress + conf->linger_timeout;
    }
    bool has_body_to_come =
        c->answer->state == ANSWER_REQUEST && c->side->in == H1_IN_BODY;
    if (has_body_to_come) {
        return c->since + conf->body_timeout;
    }
    return is_out_of_sight(c) ? h1_side_next_look(c->side) : TASK_NEVER;
}

/* The client has left, or is taken for gone: ends the connection. */
static const struct step *
cut(struct answer_conn *c)
{
    if (c->side->out != H1_OUT_NOTHING && c->side->framing != BODY_CHUNKED) {
        tcp_abort_on_close(c->wire.stream);
    }
    return &task_end;
}

static const struct step *
end_exchange(struct answer_conn *c)
{
    struct answer *a = c->answer;
    bool must_close = a->xfer.must_close || is_draining(c);
    bool may_send_more = c->side->in != H1_IN_END;
    if (c->side->out != H1_OUT_END) {
        AN(a->xfer.is_broken);
        return cut(c);
    }
    AN(must_close || c->side->in != H1_IN_BODY);
    c->answer = NULL;
    c->side = NULL;
    answer_free(a);
    c->since = clock_mono();
    c->turn = c->task.loop->turns;
    if (!must_close) {
        return &step_idle;
    }
    if (may_send_more) {
        buf_fini(&c->wire.in);
        return &step_linger;
    }
    return &task_end;
}

/* A deadline has passed: answers 408 if no answer has begun, else cuts. */
static const struct step *
expired(struct answer_conn *c)
{
    bool is_stuck = !bufq_is_empty(&c->wire.out) || c->is_half_closed;
    if (is_stuck) {
        return cut(c);
    }
    answer_refuse(c->answer, 408, "the body came too slowly"); /* wakes */
    return wait_until(c, TASK_NEVER);
}

static void
decide_close(struct answer_conn *c)
{
    if (c->is_half_closed || is_draining(c)) {
        c->answer->xfer.must_close = true;
    }
}

static const struct step *
run_exchange(struct task *t)
{
    struct answer_conn *c = answer_conn_of(t);
    CHECK(c->answer, ANSWER_MAGIC);
    AN(c->side->xfer == &c->answer->xfer);
    if (!hear_client(c)) {
        return cut(c);
    }
    decide_close(c);
    enum io r = h1_side_write(c->side);
    if (r == IO_ERR || r == IO_EOF) {
        return cut(c);
    }
    if (r == IO_OK &&
        (c->side->out == H1_OUT_END || c->answer->xfer.is_broken)) {
        return end_exchange(c);
    }
    double end = exchange_deadline(c);
    if (clock_mono() >= end) {
        return expired(c);
    }
    double again = bufq_is_empty(&c->wire.out)
                       ? TASK_NEVER
                       : clock_mono() + STREAM_TRY_EVERY;
    return wait_until(c, end < again ? end : again);
}

static const struct step *
run_linger(struct task *t)
{
    struct answer_conn *c = answer_conn_of(t);
    double end = c->since + conf_of(c)->linger_timeout;
    AZ(c->answer);
    if (wire_linger(&c->wire, t, &c->lingering) != IO_AGAIN ||
        clock_mono() >= end) {
        return &task_end;
    }
    return wait_until(c, end);
}

static void
on_task_end(struct task *t)
{
    answer_conn_free(answer_conn_of(t));
}

void
answer_conn_new(struct answer_listener *l, int fd)
{
    struct answer_conn *c = xcalloc(sizeof *c);
    struct tls_server *tls = l->args.tls;
    c->magic = ANSWER_CONN_MAGIC;
    c->listener = l;
    c->since = clock_mono();
    list_init(&c->idle);
    list_add_tail(&l->conns, &c->node);
    task_init(&c->task, l->server->conf.loop,
        tls != NULL ? &step_handshake : &step_idle, on_task_end);
    struct stream *s = tcp_new(l->server->conf.loop, fd, &c->task);
    if (tls != NULL) {
        s = tls_accept_own(tls, s, &c->task);
        tls_mark_secret(s);
    }
    wire_init(&c->wire, s, H1_REQUEST_HEAD_MAX);
    buf_mark_secret(&c->wire.in);
    task_wake(&c->task);
}

void
answer_conn_free(struct answer_conn *c)
{
    CHECK(c, ANSWER_CONN_MAGIC);
    struct answer_listener *l = c->listener;
    if (c->answer != NULL) {
        answer_free(c->answer);
    }
    task_fini(&c->task);
    wire_fini(&c->wire);
    list_del(&c->node);
    list_del(&c->idle);
    c->magic = 0;
    xfree(c);
    answer_listener_left(l);
}

static const struct step step_handshake = { "answer: TLS", run_handshake };
static const struct step step_idle = { "answer: idle", run_idle };
static const struct step step_head = { "answer: head", run_head };
static const struct step step_exchange = { "answer: exchange", run_exchange };
static const struct step step_linger = { "answer: linger", run_linger };
