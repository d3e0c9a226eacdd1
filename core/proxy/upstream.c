/*
 * From the decision to the response's head: a peer from the pool or a new
 * connection, the request sent while the response is awaited.
 */

#include "proxy/upstream.h"

#include "base/clock.h"
#include "http/auth.h"
#include "net/dial.h"
#include "net/guard.h"
#include "proxy/conn.h"
#include "proxy/finding.h"
#include "proxy/hook.h"
#include "proxy/judge.h"
#include "proxy/parts.h"
#include "proxy/pinned.h"
#include "proxy/proxy_conf.h"
#include "proxy/reply.h"
#include "proxy/splice.h"
#include "proxy/tx.h"
#include "proxy/tx_policy.h"
#include "proxy/upstream_proxy.h"
#include "proxy/worker.h"
#include "sandbox/sandbox.h"
#include "wire/peer.h"
#include "wire/pool.h"
#include "wire/up_h1.h"

static const struct step step_connect, step_dial, step_send, step_head;

static const struct proxy_conf *
conf_of(const struct tx *tx)
{
    return tx_where(tx, PART_PROXY);
}

void
upstream_close(struct tx *tx)
{
    CHECK(tx, TX_MAGIC);
    if (tx->dial != NULL) {
        dial_free(tx->dial);
        tx->dial = NULL;
    }
    if (tx->peer != NULL) {
        peer_close(tx->peer);
        tx->peer = NULL;
    }
}

void
upstream_give_up(struct tx *tx)
{
    upstream_close(tx);
    hooks_upstream_end(tx);
}

const struct step *
upstream_abandon(struct tx *tx)
{
    upstream_give_up(tx);
    return &tx_step_done;
}

bool
upstream_has_begun(const struct tx *tx)
{
    CHECK(tx, TX_MAGIC);
    return tx->t_connected != 0 && tx->xfer.task.step != &step_send;
}

void
upstream_send(struct tx *tx)
{
    CHECK(tx, TX_MAGIC);
    if (tx->xfer.is_request_sent) {
        return;
    }
    tx->xfer.is_secret = tx->needs_tls;
    if (tx->peer->ops->send(tx->peer, &tx->xfer) == P_OK) {
        tx->xfer.is_request_sent = true;
        tx->t_sent = clock_mono();
    }
}

static const struct step *
give_up(struct tx *tx, const struct reply *r)
{
    upstream_give_up(tx);
    if (tx->is_passthrough) {
        tx->xfer.response.status = r->status; /* logged; nobody could read it */
        tx->xfer.is_broken = true;
        return &tx_step_done;
    }
    tx_reply(tx, r);
    return &tx_step_reply;
}

/* weir's answer to a failure upstream; the details are the log's first cause
 * without what only the operator should see. */
static const struct step *
fail(struct tx *tx, unsigned status, const char *error, const char *detail)
{
    struct reply r = { .status = status,
        .error = error,
        .rule = "upstream",
        .detail = str_of(detail) };
    tx_fail(tx, FAULT_ORIGIN, "%s", detail);
    return give_up(tx, &r);
}

/* By what is sent, whoever put it there: it tells the origin whose the
 * connection is. */
static bool
authenticates(const struct tx *tx)
{
    return auth_is_of_connection(&tx->xfer.request, FIELD_AUTHORIZATION);
}

/* What a secret may have told the origin goes for all that follows on the
 * connection, which stays where that secret is. */
static void
use_peer(struct tx *tx, struct peer *p)
{
    AZ(tx->peer);
    if (authenticates(tx)) {
        p->is_pinned = true;
        p->place = tx->needs_tls ? tx->where : p->place;
    }
    tx->peer = p;
    tx->peer_addr = p->addr;
    peer_begin(p, &tx->xfer.task);
    tx->t_connected = clock_mono();
    tx->xfer.up.last_progress = tx->t_connected; /* it could not, before */
}

/* A proxy that gets the name is all that weir knows the address of. */
static struct guard_policy
guard_policy_of(const struct tx *tx)
{
    if (tx->via != NULL && upstream_proxy_takes_name(tx->via, &tx->route)) {
        return (struct guard_policy){ .is_own_service = true };
    }
    return route_guard(&tx->route, tx->needs_tls, conf_of(tx), &tx->decision);
}

static struct pool_key
pool_key_of(const struct tx *tx)
{
    return (struct pool_key){ .host = tx->route.host,
        .port = tx->route.port,
        .tls = tx->route.is_tls ? conf_of(tx)->tls : NULL,
        .serial = tx->sandbox->serial,
        .via = tx->via };
}

void
upstream_release(struct tx *tx)
{
    CHECK(tx, TX_MAGIC);
    struct peer *p = tx->peer;
    tx->peer = NULL;
    if (!p->ops->is_reusable(p) || !peer_is_quiet(p)) {
        peer_close(p);
        return;
    }
    struct pool_key key = pool_key_of(tx);
    key.place = p->place;
    struct pool_host *h =
        p->is_pinned ? pinned_place(tx->conn, &key) : tx->pool_host;
    peer_park(
        p, tx->conn->worker->pool, h, conf_of(tx)->proxy_keepalive_timeout);
}

static const struct step *
start_dial(struct tx *tx)
{
    AZ(tx->dial);
    struct worker *w = tx->conn->worker;
    const struct dial_proxy *proxy = NULL;
    if (tx->via != NULL) {
        proxy = upstream_proxy_dial(tx->via, tx);
        if (proxy == NULL) {
            return fail(tx, 502, "proxy_configuration_error",
                "the credential for the upstream proxy is missing");
        }
    }
    struct dial_args args = { .loop = w->loop,
        .dns = w->dns,
        .guard = w->guard,
        .proxy = proxy,
        .policy = guard_policy_of(tx),
        .name = tx->route.host,
        .addr = tx->route.addr,
        .port = tx->route.port,
        .tls = tx->route.is_tls ? conf_of(tx)->tls : NULL,
        .serial = tx->sandbox->serial,
        .is_discreet = judge_is_discreet(&tx->decision, &tx->route),
        .timeout = conf_of(tx)->proxy_connect_timeout };
    tx->dial = dial_start(&args, &tx->xfer.task);
    return &step_dial;
}

/* There will be no response: the client is gone, or its body cannot be sent.
 * NULL: neither. */
static const struct step *
ended_early(struct tx *tx)
{
    return tx->client == TX_CLIENT_GONE ? upstream_abandon(tx)
                                        : tx_body_failed(tx);
}

/* The last word before the request leaves. */
static const struct step *
run_upstream(struct task *t)
{
    struct tx *tx = tx_of(t);
    const struct step *ended = ended_early(tx);
    ended = ended != NULL ? ended : tx_judge_again(tx);
    if (ended != NULL) {
        return ended;
    }
    switch (hooks_upstream(tx)) {
    case V_NEXT:
        return &step_connect;
    case V_WAIT:
        return TASK_WAIT;
    case V_REPLY:
        hooks_upstream_end(tx);
        return &tx_step_reply;
    case V_ABORT:
        break;
    }
    hooks_upstream_end(tx);
    return tx_break(tx);
}

/* Where the client connection's own waits, if this request may go over it. */
static struct pool_host *
find_own(const struct tx *tx)
{
    struct pool_key key = pool_key_of(tx);
    struct pool_host *own = pinned_find(tx->conn, &key);
    key.place = tx->where;
    return own != NULL ? own : pinned_find(tx->conn, &key);
}

/* The client connection's own, else one of the sandbox's. Who begins to
 * authenticate gets a new one: that an old one has died could not be told from
 * a refusal, and nothing is sent twice then. */
static struct pool_entry *
take_idle(struct tx *tx)
{
    struct pool *pool = tx->conn->worker->pool;
    struct guard_policy policy = guard_policy_of(tx);
    struct pool_host *own = find_own(tx);
    struct pool_entry *e = own != NULL ? pool_take(pool, own, &policy) : NULL;
    if (e == NULL && !authenticates(tx)) {
        e = pool_take(pool, tx->pool_host, &policy);
    }
    return e;
}

static const struct step *
run_connect(struct task *t)
{
    struct tx *tx = tx_of(t);
    struct worker *w = tx->conn->worker;
    const struct step *refused = NULL;
    if (tx->client == TX_CLIENT_GONE) {
        return upstream_abandon(tx);
    }
    refused = tx_judge_again(tx);
    if (refused != NULL) {
        return refused;
    }
    tx->t_connect = clock_mono();
    tx->via = upstream_proxy_for(conf_of(tx)->upstream_proxy, &tx->route);
    if (tx->is_passthrough) {
        return start_dial(tx);
    }
    if (tx->pool_host == NULL) {
        struct pool_key key = pool_key_of(tx);
        tx->pool_host = pool_host_get(w->pool, &key);
    }
    struct pool_entry *e = tx->xfer.is_retried ? NULL : take_idle(tx);
    if (e != NULL) {
        use_peer(tx, peer_of(e));
        return &step_send;
    }
    return start_dial(tx);
}

/* No address may be dialled, or there is none and that is not told. The
 * result's own text, which the log has, tells which. */
static const struct step *
led_nowhere(struct tx *tx, const struct dial_result *r)
{
    struct reply reply = { .status = 403,
        .error = "destination_ip_prohibited",
        .is_denial = true,
        .reason = decision_blocked(&tx->decision, tx->xfer.arena) };
    reply.rule = judge_nowhere(
        &tx->decision, &tx->route, r->why, tx->xfer.arena, &reply.detail);
    if (r->error == DIAL_DENIED) {
        finding(tx->conn, FINDING_ADDRESS, tx->authority.host, reply.rule);
    }
    return give_up(tx, &reply);
}

/* The log has the address and the cause; the sandbox is told the kind. */
static const struct step *
dial_failed(struct tx *tx, const struct dial_result *r)
{
    static const struct {
        unsigned status;
        const char *detail;
    } kinds[] = {
        [DIAL_OK] = { 502, "" },
        [DIAL_NO_NAME] = { 502, "the host's name cannot be resolved" },
        [DIAL_DNS] = { 502, "the host's name cannot be resolved" },
        [DIAL_DNS_TIMEOUT] = { 504, "the resolver did not answer in time" },
        [DIAL_PROXY] = { 502, "the proxy that leads to the origin failed" },
        [DIAL_DENIED] = { 403, "" },
        [DIAL_REFUSED] = { 502, "the origin refused the connection" },
        [DIAL_UNREACHABLE] = { 502, "the origin cannot be reached" },
        [DIAL_TIMEOUT] = { 504, "the origin did not answer in time" },
        [DIAL_UNTRUSTED] = { 502, "the origin's certificate is not trusted" },
        [DIAL_TLS] = { 502, "the TLS handshake with the origin failed" },
        [DIAL_OWN] = { 503, "the proxy is out of resources" },
    };
    tx->peer_addr = r->addr;
    tx_fail(tx, r->error == DIAL_DENIED ? FAULT_POLICY : FAULT_ORIGIN, "%s",
        r->text);
    if (r->error == DIAL_DENIED ||
        (r->error == DIAL_NO_NAME &&
            judge_is_discreet(&tx->decision, &tx->route))) {
        return led_nowhere(tx, r);
    }
    return fail(
        tx, kinds[r->error].status, r->proxy_error, kinds[r->error].detail);
}

static const struct step *
run_dial(struct task *t)
{
    struct tx *tx = tx_of(t);
    const struct step *ended = ended_early(tx);
    if (ended != NULL) {
        return ended;
    }
    if (tx_is_outdated(tx)) {
        upstream_close(tx);
        return &step_connect;
    }
    const struct dial_result *r = dial_result(tx->dial);
    if (r == NULL) {
        task_wait(t, TASK_NEVER, NULL, NULL);
        return TASK_WAIT;
    }
    if (r->is_exhausted && worker_shed(tx->conn->worker)) {
        upstream_close(tx);
        return start_dial(tx); /* each time there are fewer to shed */
    }
    if (r->error != DIAL_OK) {
        return dial_failed(tx, r);
    }
    struct peer *p = up_h1_new(dial_take(tx->dial, &tx->xfer.task), &r->addr);
    dial_free(tx->dial);
    tx->dial = NULL;
    use_peer(tx, p);
    return tx->is_passthrough ? &tx_step_splice : &step_send;
}

/* The last word on a head, of which no byte has left on this connection. */
static const struct step *
run_send(struct task *t)
{
    struct tx *tx = tx_of(t);
    const struct step *ended = ended_early(tx);
    AN(tx->peer != NULL);
    AZ(tx->peer->has_sent || tx->xfer.is_request_sent);
    if (ended != NULL) {
        return ended;
    }
    if (tx_is_outdated(tx)) {
        tx->hook_at = 0; /* the next try asks all modules */
        upstream_close(tx);
        return &step_connect;
    }
    switch (hooks_send(tx)) {
    case V_NEXT:
        return &step_head;
    case V_WAIT:
        return TASK_WAIT;
    case V_REPLY:
        upstream_give_up(tx);
        return &tx_step_reply;
    case V_ABORT:
        break;
    }
    upstream_give_up(tx);
    return tx_break(tx);
}

/* Once, when the connection was an old one that had died meanwhile, and the
 * request cannot have had an effect twice (RFC 9110 9.2.2). Its credentials may
 * not be sent twice where they are the old connection's: they answer a
 * challenge that was given there, or count once. */
static bool
may_retry(const struct tx *tx)
{
    bool is_harmless =
        method_is_idempotent(tx->xfer.request.method_id) && !authenticates(tx);
    return tx->peer->is_reused && !tx->xfer.is_retried &&
           !tx->peer->has_answered && !tx->xfer.is_held_short &&
           (!tx->peer->has_sent || is_harmless);
}

/* The client sees what it would see without weir, the end of the connection
 * that it authenticates, and begins anew; an answer of weir's it would take for
 * the origin's. */
static const struct step *
end_with_origin(struct tx *tx)
{
    tx_fail(tx, FAULT_ORIGIN,
        "the origin closed the connection that the client authenticates");
    upstream_give_up(tx);
    return tx_break(tx);
}

static const struct step *
peer_lost(struct tx *tx, enum peer_io r)
{
    if (r == P_CLOSED && may_retry(tx)) {
        upstream_close(tx);
        tx->xfer.is_retried = true;
        tx->xfer.is_request_sent = false;
        pump_give_back(&tx->xfer.up, &tx->xfer.held);
        return &step_connect;
    }
    if (r == P_CLOSED && tx->peer->is_reused && authenticates(tx)) {
        return end_with_origin(tx);
    }
    if (r == P_BAD) {
        tx_fail(tx, FAULT_ORIGIN, "upstream sent an invalid response: %s",
            tx->xfer.why);
        return fail(tx, 502, "http_protocol_error",
            "the origin sent a response that is not valid HTTP");
    }
    return fail(tx, 502, "connection_terminated",
        "the origin closed the connection before its response");
}

/* RFC 9110 15.2.2: only to what was asked for. */
static const struct step *
switched(struct tx *tx)
{
    if (!xfer_asks_upgrade(&tx->xfer.request) ||
        tx->xfer.response.upgrade != UPGRADE_WEBSOCKET ||
        !tx->xfer.is_request_sent) {
        return fail(tx, 502, "http_upgrade_failed",
            "the origin switched protocols without being asked");
    }
    tx->t_head = clock_mono();
    hooks_upstream_end(tx);
    splice_begin(tx);
    return &tx_step_response;
}

static const struct step *
head_arrived(struct tx *tx)
{
    unsigned status = tx->xfer.response.status;
    bufq_fini(&tx->xfer.held); /* answered: it will not be sent again */
    if (status >= 200) {
        tx->peer->is_pinned =
            tx->peer->is_pinned ||
            auth_is_of_connection(&tx->xfer.response, FIELD_WWW_AUTHENTICATE);
        tx->t_head = clock_mono();
        tx->xfer.down.last_progress = tx->t_head; /* it could not, before */
        hooks_upstream_end(tx);
        return &tx_step_response;
    }
    if (status == 101) {
        return switched(tx);
    }
    if (++tx->xfer.interims > XFER_INTERIMS_MAX) {
        return fail(tx, 502, "http_protocol_error",
            "the origin sent too many interim responses");
    }
    head_remove_hop_by_hop(&tx->xfer.response);
    hooks_interim(tx);
    tx->conn->serve->interim(tx, &tx->xfer.response);
    return NULL;
}

static double
earlier(double a, double b)
{
    return a < b ? a : b;
}

static const struct step *
head_wait(struct tx *tx)
{
    const struct proxy_conf *pc = conf_of(tx);
    double now = clock_mono(), deadline = TASK_NEVER, again = TASK_NEVER;
    double stalled = tx->peer->ops->stalled_since(tx->peer);
    if (tx->xfer.is_request_sent) {
        deadline = tx->t_sent + (pc->proxy_header_timeout >= 0
                                        ? pc->proxy_header_timeout
                                        : pc->proxy_read_timeout);
    } else if (stalled != TASK_NEVER) {
        deadline = stalled + pc->proxy_send_timeout;
        again = now + STREAM_TRY_EVERY;
    }
    if (now >= deadline) {
        return tx->xfer.is_request_sent
                   ? fail(tx, 504, "http_response_timeout",
                         "the origin did not answer in time")
                   : fail(tx, 504, "connection_write_timeout",
                         "the origin did not read the request in time");
    }
    again = earlier(again, tx_body_wait(tx));
    task_wait(&tx->xfer.task, earlier(again, deadline), NULL, NULL);
    return TASK_WAIT;
}

static const struct step *
run_head(struct task *t)
{
    struct tx *tx = tx_of(t);
    const struct step *ended = ended_early(tx);
    if (ended == NULL) {
        upstream_send(tx);
        ended = tx_body_failed(tx);
    }
    if (ended != NULL) {
        return ended;
    }
    for (;;) {
        enum peer_io r = tx->peer->ops->recv_head(tx->peer, &tx->xfer);
        if (r == P_AGAIN) {
            return head_wait(tx);
        }
        if (r != P_OK) {
            return peer_lost(tx, r);
        }
        const struct step *next = head_arrived(tx);
        if (next != NULL) {
            return next;
        }
    }
}

static const struct step *
run_tunnel(struct task *t)
{
    struct tx *tx = tx_of(t);
    const struct decision *d = &tx->decision;
    tx->where = d->where != NULL ? d->where : tx->where;
    route_init(&tx->route, &tx->authority, false, STR_NONE);
    return &step_connect;
}

const struct step tx_step_passthrough = { "tx: tunnel", run_tunnel };
const struct step tx_step_upstream = { "tx: upstream", run_upstream };
static const struct step step_connect = { "tx: connect", run_connect };
static const struct step step_dial = { "tx: dial", run_dial };
static const struct step step_send = { "tx: send", run_send };
static const struct step step_head = { "tx: head", run_head };
