/*
 * Both sides of a spliced exchange. The client's steps follow serve_h1.c or
 * passthrough.c, the exchange's follow tx_response.c or upstream.c.
 */

#include "proxy/splice.h"

#include "base/clock.h"
#include "proxy/conn.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"
#include "proxy/tx.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"
#include "wire/peer.h"

/* What was read of an end before it was spliced goes first. */
static void
take_read(struct wire *w, struct pump *p)
{
    if (w->in.n != 0) {
        bufq_append(pump_in(p), buf_str(&w->in));
        pump_filled(p, w->in.n);
    }
    buf_fini(&w->in);
}

/* The end that a pump comes from: its bytes as they are, as far as there is
 * room, then its end. False when it broke off. */
static bool
take_in(struct wire *w, struct pump *p, struct task *t)
{
    size_t moved = 0;
    while (!p->is_ended && !pump_stop_if_full(p)) {
        size_t room, got = 0;
        char *to = bufq_reserve(pump_in(p), CHUNK_SIZE, &room);
        enum io r = stream_read(w->stream, to, room, &got);
        bufq_commit(pump_in(p), r == IO_OK ? got : 0);
        switch (r) {
        case IO_OK:
            pump_filled(p, got);
            break;
        case IO_AGAIN:
            return true;
        case IO_EOF:
            pump_end(p);
            break;
        case IO_ERR:
            return false;
        }
        moved += got;
        if (moved >= WIRE_TURN_BYTES) {
            task_yield(t);
            return true;
        }
    }
    return true;
}

/* An end that is slow to take what it gets is not idle. */
static enum io
flush_out(struct wire *w, struct pump *p)
{
    struct bufq *out = &w->out;
    size_t had = out->len;
    enum io r = had != 0 ? stream_flush(w->stream, out) : IO_OK;
    p->last_progress = out->len != had ? clock_mono() : p->last_progress;
    return r;
}

/* The end that a pump goes to; *is_shut once all is out, and its end too. False
 * when it broke off. */
static bool
give_out(struct wire *w, struct pump *p, bool *is_shut)
{
    enum io r = IO_OK;
    while (r == IO_OK && pump_run(p) && !pump_is_done(p)) {
        size_t n = bufq_move(&w->out, pump_out(p), SIZE_MAX);
        if (n != 0) {
            pump_took(p, n);
        }
        r = flush_out(w, p);
    }
    if (r == IO_OK) {
        r = flush_out(w, p);
    }
    if (r == IO_OK && pump_is_done(p) && !*is_shut) {
        r = stream_shutdown(w->stream);
        *is_shut = r == IO_OK;
    }
    return r == IO_OK || r == IO_AGAIN;
}

/* So that what it took is seen in time. */
static double
next_try(const struct bufq *out)
{
    return bufq_is_empty(out) ? TASK_NEVER : clock_mono() + STREAM_TRY_EVERY;
}

static const struct step *
run_client(struct task *t)
{
    struct conn *c = conn_of(t);
    struct tx *tx = c->tx;
    CHECK(tx, TX_MAGIC);
    if (tx->is_over) {
        return tx->passthrough != NULL ? passthrough_end(c) : &task_end;
    }
    if (tx->client != TX_CLIENT_THERE) {
        task_wait(t, TASK_NEVER, NULL, NULL);
        return TASK_WAIT;
    }
    uint64_t had = tx->xfer.down.bytes_out;
    bool is_whole = take_in(&c->wire, &tx->xfer.up, t) &&
                    give_out(&c->wire, &tx->xfer.down, &tx->is_client_shut);
    tx->xfer.bytes_sent += tx->xfer.down.bytes_out - had;
    if (!is_whole) {
        tx_client_gone(tx, STR("client broke off"));
    } else if (tx->is_client_shut) {
        task_wake(&tx->xfer.task);
    }
    task_wait(t, next_try(&c->wire.out), NULL, NULL);
    return TASK_WAIT;
}

static const struct step *
break_off(struct tx *tx, const char *why)
{
    tx_fail(tx, FAULT_ORIGIN, "%s", why);
    upstream_close(tx);
    tx->xfer.is_broken = true;
    return &tx_step_done;
}

/* passthrough.c: what the client says may not pass. */
static const struct step *
refuse(struct tx *tx)
{
    tx->xfer.response.status = 421; /* logged; the client gets an alert */
    tx_fail(tx, FAULT_POLICY, "%s in a passthrough tunnel", tx->xfer.up.why);
    upstream_close(tx);
    tx->xfer.is_broken = true;
    return &tx_step_done;
}

static double
idle_deadline(const struct tx *tx)
{
    const struct proxy_conf *pc = tx_where(tx, PART_PROXY);
    double last = tx->xfer.up.last_progress > tx->xfer.down.last_progress
                      ? tx->xfer.up.last_progress
                      : tx->xfer.down.last_progress;
    return last + pc->proxy_read_timeout;
}

static const struct step *
run_origin(struct task *t)
{
    struct tx *tx = tx_of(t);
    struct peer *p = tx->peer;
    if (tx->client == TX_CLIENT_GONE) {
        return upstream_abandon(tx);
    }
    if (!take_in(&p->wire, &tx->xfer.down, t) ||
        !give_out(&p->wire, &tx->xfer.up, &tx->is_origin_shut)) {
        return break_off(tx, "origin broke off");
    }
    if (tx->xfer.up.has_error) {
        return refuse(tx);
    }
    if (tx->is_client_shut && tx->is_origin_shut) {
        upstream_close(tx);
        return &tx_step_done;
    }
    double deadline = idle_deadline(tx);
    if (clock_mono() >= deadline) {
        return break_off(tx, "tunnel timed out");
    }
    double again = next_try(&p->wire.out);
    task_wait(t, again < deadline ? again : deadline, NULL, NULL);
    return TASK_WAIT;
}

void
splice_begin(struct tx *tx)
{
    struct conn *c = tx->conn;
    AN(tx->peer != NULL);
    tx->xfer.is_upgraded = true;
    tx->xfer.must_close = true;
    pump_fini(&tx->xfer.up);
    pump_init(&tx->xfer.up, &c->task, &tx->xfer.task);
    take_read(&tx->peer->wire, &tx->xfer.down);
}

static const struct step step_client = { "conn: spliced", run_client };

static const struct step *
run_splice(struct task *t)
{
    struct conn *c = conn_of(t);
    struct tx *tx = c->tx;
    CHECK(tx, TX_MAGIC);
    take_read(&c->wire, &tx->xfer.up);
    return &step_client;
}

const struct step conn_step_splice = { "conn: splice", run_splice };
const struct step tx_step_splice = { "tx: splice", run_origin };
