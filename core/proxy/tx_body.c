/*
 * A request's body before the response: held until its length is known where a
 * filter changes that, and what is answered when it cannot go on. Called by
 * the steps that wait for it; sends nothing itself.
 */

#include "proxy/tx.h"

#include "proxy/parts.h"
#include "proxy/proxy_conf.h"
#include "proxy/reply.h"
#include "proxy/upstream.h"
#include "wire/peer.h"

double
tx_body_wait(struct tx *tx)
{
    CHECK(tx, TX_MAGIC);
    AN(tx->peer != NULL);
    bool is_taken = tx->peer->ops->stalled_since(tx->peer) == TASK_NEVER;
    return !tx->xfer.is_request_sent && is_taken ? pump_wait(&tx->xfer.up)
                                                 : TASK_NEVER;
}

static const struct reply *
client_fault(unsigned status)
{
    static const struct reply bad = { .status = 400,
        .error = "http_request_error",
        .rule = "request",
        .detail = STR_INIT("malformed request body") };
    static const struct reply late = { .status = 408,
        .error = "http_request_error",
        .rule = "client_body_timeout",
        .detail = STR_INIT("the request body did not arrive in time") };
    static const struct reply large = { .status = 413,
        .error = "http_request_error",
        .rule = "client_max_body_size",
        .detail =
            STR_INIT("the request body is larger than client_max_body_size") };
    AN(status == 400 || status == 408 || status == 413);
    return status == 400 ? &bad : status == 413 ? &large : &late;
}

const struct step *
tx_body_failed(struct tx *tx)
{
    static const struct reply gave_up = { .status = 502,
        .error = "proxy_internal_error",
        .rule = "upstream",
        .detail = STR_INIT("a filter gave up on the request's body") };
    const struct reply *r;
    CHECK(tx, TX_MAGIC);
    if (tx->body_fault != 0) {
        r = client_fault(tx->body_fault);
    } else if (tx->xfer.up.has_error) {
        r = tx->body_reply != NULL ? tx->body_reply : &gave_up;
    } else {
        return NULL;
    }
    if (r == &gave_up) {
        tx_fail(tx, FAULT_OWN, "%s gave up on the request's body: %s",
            tx->xfer.up.failed, tx->xfer.up.why);
    }
    tx_fail(tx, r->status < 500 ? FAULT_CLIENT : FAULT_OWN, "%.*s",
        STR_ARG(r->detail));
    upstream_give_up(tx);
    tx_reply(tx, r);
    return &tx_step_reply;
}

/* Whether its length may still be told: it is not chunked anyway, it can be
 * held, and the client sends it without being asked to by the origin. */
static bool
may_hold(struct tx *tx)
{
    const struct head *h = &tx->xfer.request;
    return h->body == BODY_LENGTH && !h->expects_continue &&
           h->length < PUMP_LIMIT && !bufq_is_full(pump_out(&tx->xfer.up));
}

/* Before anything upstream is taken up: an origin need not wait for a client
 * that is slow. A body that cannot be held goes chunked. */
static const struct step *
run_hold(struct task *t)
{
    struct tx *tx = tx_of(t);
    if (tx->client == TX_CLIENT_GONE) {
        return &tx_step_done;
    }
    if (may_hold(tx)) {
        pump_run(&tx->xfer.up);
    }
    const struct step *failed = tx_body_failed(tx);
    if (failed != NULL) {
        return failed;
    }
    if (pump_is_last(&tx->xfer.up)) {
        tx->xfer.request.length = pump_out(&tx->xfer.up)->len;
        return &tx_step_upstream;
    }
    if (may_hold(tx)) {
        task_wait(t, pump_wait(&tx->xfer.up), NULL, NULL);
        return TASK_WAIT;
    }
    if (tx->xfer.request.body == BODY_LENGTH) {
        tx->xfer.request.body = BODY_CHUNKED;
    }
    return &tx_step_upstream;
}

const struct step tx_step_hold = { "tx: hold", run_hold };
