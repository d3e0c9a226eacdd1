/*
 * See tx_policy.h. Called by tx.c and the identify module, by upstream.c,
 * and by worker_sandbox.c for what runs.
 */

#include "proxy/tx_policy.h"

#include "proxy/conn.h"
#include "proxy/hook.h"
#include "proxy/judge.h"
#include "proxy/reply.h"
#include "proxy/tunnel.h"
#include "proxy/tx.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"
#include "sandbox/sandbox.h"

void
tx_take_policy(struct tx *tx)
{
    CHECK(tx, TX_MAGIC);
    CHECK(tx->sandbox, SANDBOX_MAGIC);
    struct policy *old = tx->policy;
    tx->policy = policy_ref(tx->sandbox->policy);
    tx->who = tx->sandbox->scope;
    if (old != NULL) {
        policy_unref(old);
    }
}

void
tx_drop_policy(struct tx *tx)
{
    CHECK(tx, TX_MAGIC);
    if (tx->policy != NULL) {
        policy_unref(tx->policy);
        tx->policy = NULL;
    }
}

bool
tx_is_outdated(const struct tx *tx)
{
    CHECK(tx, TX_MAGIC);
    return tx->policy != tx->sandbox->policy;
}

/* As it came: the first decision may have left another form in tx->path. */
static struct str
path_received(const struct tx *tx)
{
    struct str path = tx->xfer.request.path;
    return str_n(path.p, str_find(path, '?'));
}

/* The modules have their say as at first, but that they count nothing. None of
 * them may wait: then nobody could say which policy it waits under. */
static enum verdict
ask_again(struct tx *tx)
{
    struct conn *c = tx->conn;
    struct target t = { .kind = tx->kind == TX_PASSTHROUGH ? T_SNI : T_REQUEST,
        .authority = tx->authority,
        .head = &tx->xfer.request,
        .tx = tx,
        .is_again = true };
    unsigned at = 0;
    tx->where = c->worker->egress;
    if (tx->kind != TX_PASSTHROUGH) {
        tx->path = path_received(tx);
    }
    return hooks_target(c, &t, &at);
}

/* What the hooks behind the decision went by. */
static bool
is_served_alike(const struct decision *a, const struct decision *b)
{
    return a->block == b->block && a->location == b->location &&
           a->where == b->where && a->may_leave == b->may_leave &&
           str_eq(a->path, b->path);
}

static const struct step *
end_refused(struct tx *tx)
{
    upstream_give_up(tx);
    if (tx->kind != TX_PASSTHROUGH) {
        return &tx_step_reply;
    }
    tx->xfer.is_broken = true; /* it is logged; the client gets an alert */
    return &tx_step_done;
}

/* To be tried again from the start. */
static const struct step *
refuse_moved(struct tx *tx)
{
    struct reply r = { .status = 503,
        .error = "proxy_internal_error",
        .rule = "revision",
        .detail = STR("the policy of this sandbox has changed while the "
                      "request waited, and it is served in another way now; "
                      "it was not sent, and may be tried again at once") };
    tx_fail(tx, FAULT_POLICY, "policy revision %llu serves it differently",
        (unsigned long long)tx->policy->revision);
    tx_reply(tx, &r);
    head_add(&tx->xfer.response, STR("Retry-After"), STR("0"));
    return end_refused(tx);
}

const struct step *
tx_judge_again(struct tx *tx)
{
    if (!tx_is_outdated(tx)) {
        return NULL;
    }
    AZ(tx->dial);
    AZ(tx->peer);
    struct decision before = tx->decision;
    const struct scope *where = tx->where;
    tx_take_policy(tx);
    switch (ask_again(tx)) {
    case V_NEXT:
        if (!is_served_alike(&before, &tx->decision)) {
            break;
        }
        tx->where = where;
        return NULL;
    case V_REPLY:
        return end_refused(tx);
    case V_ABORT:
        upstream_give_up(tx);
        return tx->kind == TX_PASSTHROUGH ? end_refused(tx) : tx_break(tx);
    case V_WAIT:
        break;
    }
    return refuse_moved(tx);
}

bool
tx_is_denied(struct tx *tx)
{
    CHECK(tx, TX_MAGIC);
    struct decision d;
    struct decide_query q = { .policy = tx->sandbox->policy,
        .is_request = tx->kind != TX_PASSTHROUGH,
        .method = tx->xfer.request.method,
        .arena = tx->xfer.arena };
    if (q.is_request) {
        q.path = path_received(tx);
    }
    judge(&q, &tx->authority, tx->conn->worker->egress, &d);
    return d.outcome != DECIDE_ALLOW ||
           (tx->kind == TX_PASSTHROUGH && !tunnel_may_pass(&d));
}
