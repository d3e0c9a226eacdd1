/*
 * The last steps: the response's head to the client, its body, weir's own
 * answer. The peer is given back the moment it is done.
 */

#include "proxy/tx.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/auth.h"
#include "proxy/coding.h"
#include "proxy/conn.h"
#include "proxy/hook.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"
#include "proxy/upstream.h"
#include "wire/peer.h"

/* What is between weir and the origin stays there; framing is the conn's. That
 * a proxy keeps connections apart which clients authenticate it must say, or
 * they may not begin (RFC 4559 6). */
static void
normalise_response(const struct tx *tx, struct head *h)
{
    head_remove_hop_by_hop(h);
    if (!tx->conn->is_tunnel &&
        auth_is_of_connection(h, FIELD_WWW_AUTHENTICATE)) {
        head_set(h, STR("Proxy-Support"), STR("Session-Based-Authentication"));
    }
    head_remove(h, STR("Proxy-Authenticate"));
    head_remove(h, STR("Proxy-Authentication-Info"));
}

static void
head_is_final(struct tx *tx)
{
    tx->xfer.is_head_ready = true;
    tx->conn->serve->head(tx);
}

static const struct step *
run_response(struct task *t)
{
    struct tx *tx = tx_of(t);
    if (tx->client == TX_CLIENT_GONE) {
        return upstream_abandon(tx);
    }
    if (tx->hook_at == 0) {
        normalise_response(tx, &tx->xfer.response);
    }
    switch (hooks_response(tx)) {
    case V_NEXT:
        break;
    case V_WAIT:
        return TASK_WAIT;
    case V_REPLY:
        upstream_close(tx);
        return &tx_step_reply;
    case V_ABORT:
        return upstream_abandon(tx);
    }
    if (tx->xfer.is_upgraded) {
        head_is_final(tx);
        return &tx_step_splice;
    }
    if (!coding_begin(tx)) {
        upstream_close(tx);
        return &tx_step_reply;
    }
    head_is_final(tx);
    return &tx_step_body;
}

/* The response broke off: the client must not take it for whole. */
static const struct step *
break_off(struct tx *tx, const char *why)
{
    tx_fail(tx, FAULT_ORIGIN, "%s", why);
    upstream_close(tx);
    return tx_break(tx);
}

static const struct step *
filter_failed(struct tx *tx)
{
    const struct pump *p =
        tx->xfer.down.has_error ? &tx->xfer.down : &tx->xfer.up;
    tx_fail(tx, FAULT_ORIGIN, "%s gave up on the body: %s", p->failed, p->why);
    return break_off(tx, "a filter gave up on the body");
}

static const struct step *
body_ended(struct tx *tx)
{
    if (tx->xfer.response.n_trailers != 0) {
        hooks_trailers(tx);
    }
    if (tx->xfer.may_be_cut) {
        conn_log(tx->conn, LOG_INFO,
            "the origin ended a body by its connection, without close_notify: "
            "it may have been cut, host: \"%.*s\"",
            STR_ARG(tx->authority.host));
    }
    pump_end(&tx->xfer.down);
    upstream_release(tx);
    return &tx_step_reply;
}

static const struct step *
body_wait(struct tx *tx)
{
    const struct proxy_conf *pc = tx_where(tx, PART_PROXY);
    double deadline = TASK_NEVER; /* a client that does not read: send_timeout
                                     of the conn */
    if (!tx->xfer.down.is_stopped) {
        deadline = tx->xfer.down.last_progress + pc->proxy_read_timeout;
        if (clock_mono() >= deadline) {
            return break_off(tx, "upstream timed out in its body");
        }
    }
    double up = tx_body_wait(tx);
    task_wait(&tx->xfer.task, up < deadline ? up : deadline, NULL, NULL);
    return TASK_WAIT;
}

static const struct step *
run_body(struct task *t)
{
    struct tx *tx = tx_of(t);
    if (tx->client == TX_CLIENT_GONE) {
        return upstream_abandon(tx);
    }
    if (tx->xfer.down.has_error || tx->xfer.up.has_error) {
        return filter_failed(tx);
    }
    uint64_t had = tx->xfer.down.bytes_in;
    upstream_send(tx);
    enum peer_io r = tx->peer->ops->recv_body(tx->peer, &tx->xfer);
    switch (r) {
    case P_OK:
        return body_ended(tx);
    case P_AGAIN:
        break;
    case P_CLOSED:
    case P_BROKEN:
        return break_off(tx, "upstream closed in its body");
    case P_BAD:
        tx_fail(tx, FAULT_ORIGIN, "upstream sent an invalid response: %s",
            tx->xfer.why);
        return break_off(tx, "upstream sent a malformed body");
    }
    turn_spend(
        &tx->xfer.turn, t, tx->xfer.down.bytes_in - had, WIRE_TURN_BYTES);
    return body_wait(tx);
}

/* The answer is complete, weir's own or the origin's: the conn writes it. */
static const struct step *
run_reply(struct task *t)
{
    struct tx *tx = tx_of(t);
    if (tx->xfer.down.has_error && !tx->xfer.is_broken) {
        return filter_failed(tx);
    }
    bool is_final = !tx->xfer.is_broken;
    tx->xfer.is_head_ready = tx->xfer.is_head_ready || is_final;
    if (tx->client != TX_CLIENT_THERE) {
        return &tx_step_done;
    }
    const struct serve *serve = tx->conn->serve;
    (is_final ? serve->head : serve->reset)(tx);
    task_wait(t, TASK_NEVER, NULL, NULL);
    return TASK_WAIT;
}

const struct step tx_step_response = { "tx: response", run_response };
const struct step tx_step_body = { "tx: body", run_body };
const struct step tx_step_reply = { "tx: reply", run_reply };
