/*
 * The first steps of an exchange: what it asks for, whose it is, whether it
 * may, and what goes with it. No byte has gone anywhere yet, and no name has
 * been resolved.
 */

#include "proxy/tx.h"

#include "base/clock.h"
#include "proxy/coding.h"
#include "proxy/conn.h"
#include "proxy/finding.h"
#include "proxy/hook.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"
#include "proxy/reply.h"
#include "proxy/tunnel.h"
#include "proxy/worker.h"
#include "sandbox/sandbox.h"

/* RFC 9110 15.5.6: a 405 names what is taken instead; others are, too. */
#define FORWARDED_METHODS "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

static const struct step *
refuse(struct tx *tx, unsigned status, const char *rule, const char *why)
{
    struct reply r = { .status = status,
        .error = "http_request_error",
        .rule = rule,
        .detail = str_of(why) };
    tx_fail(tx, FAULT_CLIENT, "%s", why);
    tx_reply(tx, &r);
    if (status == 405) {
        head_add(&tx->xfer.response, STR("Allow"), STR(FORWARDED_METHODS));
    }
    return &tx_step_reply;
}

/* Cuts the target into what is sent upstream: path and query. */
static void
take_path(struct tx *tx)
{
    struct str path = tx->xfer.request.path;
    size_t at = str_find(path, '?');
    tx->path = str_n(path.p, at);
    if (at < path.n) {
        tx->query = str_skip(path, at + 1);
    }
}

/* In a tunnel the target must be the tunnel's (SPEC 5, one target); outside
 * one it must name its own. NULL: in order. */
static const struct step *
take_authority(struct tx *tx)
{
    const struct conn *c = tx->conn;
    const struct head *h = &tx->xfer.request;
    bool is_connect = h->method_id == METHOD_CONNECT;
    if (!c->is_tunnel) {
        tx->authority = h->authority;
        if (is_connect || h->form == TARGET_ABSOLUTE) {
            bool is_https = !is_connect && str_eq(h->scheme, STR("https"));
            return is_https ? refuse(tx, 400, "request",
                                  "https in absolute form: use CONNECT")
                            : NULL;
        }
        return refuse(tx, 400, "request",
            "this is a proxy: send CONNECT or an absolute-form target");
    }
    tx->authority = c->target;
    if (is_connect) {
        return refuse(tx, 405, "method", "CONNECT inside a tunnel");
    }
    struct str scheme = c->is_tls ? STR("https") : STR("http");
    bool is_same = !c->is_misdirected &&
                   authority_eq(&h->authority, &c->target) &&
                   (h->form != TARGET_ABSOLUTE || str_eq(h->scheme, scheme));
    return is_same ? NULL
                   : refuse(tx, 421, "target",
                         "the request is not for the host that this "
                         "connection was opened for");
}

static const struct step *
open_tunnel(struct tx *tx)
{
    enum tunnel tunnel = hooks_tunnel(tx->conn, &tx->decision);
    if (tunnel == TUNNEL_REFUSE) {
        enum verdict v = tunnel_refuse(tx);
        AN(v == V_REPLY);
        return &tx_step_reply;
    }
    head_init(&tx->xfer.response, tx->xfer.arena);
    tx->xfer.response.status = 200;
    tx->xfer.response.reason = STR("Connection Established");
    tx->xfer.response.minor = 1;
    tx->xfer.is_tunnel_open = true;
    tx->is_passthrough = tunnel == TUNNEL_PASS;
    pump_end(&tx->xfer.down);
    return &tx_step_reply;
}

static const struct step *
run_target(struct task *t)
{
    struct tx *tx = tx_of(t);
    struct conn *c = tx->conn;
    bool is_connect = tx->xfer.request.method_id == METHOD_CONNECT;
    if (tx->client == TX_CLIENT_GONE) {
        return &tx_step_done;
    }
    if (tx->path.p == NULL) {
        take_path(tx);
        const struct step *refused = take_authority(tx);
        if (refused != NULL) {
            return refused;
        }
        if (tx->xfer.request.method_id == METHOD_TRACE) {
            return refuse(tx, 405, "method", "TRACE is not forwarded");
        }
    }
    struct target target = { .kind = is_connect ? T_CONNECT : T_REQUEST,
        .authority = tx->authority,
        .head = &tx->xfer.request,
        .tx = tx };
    switch (hooks_target(c, &target, &tx->hook_at)) {
    case V_NEXT:
        return is_connect ? open_tunnel(tx) : &tx_step_request;
    case V_WAIT:
        return TASK_WAIT;
    case V_REPLY:
        return &tx_step_reply;
    case V_ABORT:
        break;
    }
    return tx_break(tx);
}

/* A secret leaves over verified TLS, or to a service on this host. */
static const struct step *
keep_secret_safe(struct tx *tx)
{
    struct reply r = { .status = 403,
        .error = "http_request_denied",
        .rule = "secret",
        .is_denial = true,
        .detail = STR("a credential is bound to this host, and it is sent "
                      "over TLS only") };
    if (!tx->needs_tls || route_secure(&tx->route, tx_where(tx, PART_PROXY))) {
        return NULL;
    }
    tx_fail(tx, FAULT_POLICY, "credential on a plain port");
    finding(tx->conn, FINDING_CREDENTIAL, tx->authority.host, r.rule);
    tx_reply(tx, &r);
    return &tx_step_reply;
}

/* What weir itself takes off and puts on, whatever the modules do. */
static void
normalise_head(struct tx *tx)
{
    const struct proxy_conf *pc = tx_where(tx, PART_PROXY);
    struct head *h = &tx->xfer.request;
    head_remove_hop_by_hop(h);
    head_remove_prefix(h, STR("Proxy-"));
    head_remove(h, STR("Host"));
    head_add_first(h, STR("Host"),
        authority_format(
            tx->xfer.arena, &tx->authority, tx->conn->is_tls ? 443 : 80));
    if (pc->via) {
        head_add(h, STR("Via"), STR("1.1 weir"));
    }
}

/* Byte for byte as it came where no rule looked at the path. */
static struct str
target_of(struct tx *tx)
{
    if (tx->route.path.p == tx->xfer.request.path.p) {
        return tx->xfer.request.path;
    }
    return arena_printf(tx->xfer.arena, "%.*s%s%.*s", STR_ARG(tx->route.path),
        tx->query.p != NULL ? "?" : "", STR_ARG(tx->query));
}

/* By its length, or by what came of it while it was not known where it goes. */
static bool
is_too_large(const struct xfer *x)
{
    bool has_length = x->request.body == BODY_LENGTH;
    return (has_length && x->body_max != 0 &&
               x->request.length > x->body_max) ||
           xfer_is_too_large(x);
}

static const struct step *
run_request(struct task *t)
{
    struct tx *tx = tx_of(t);
    if (tx->client == TX_CLIENT_GONE) {
        return &tx_step_done;
    }
    if (tx->t_request == 0) {
        tx->t_request = clock_mono();
        const struct proxy_conf *pc = tx_where(tx, PART_PROXY);
        tx->xfer.body_max = pc->client_max_body_size;
        if (is_too_large(&tx->xfer)) {
            return refuse(tx, 413, "client_max_body_size",
                "the request body is larger than client_max_body_size");
        }
        route_init(&tx->route, &tx->authority, tx->conn->is_tls, tx->path);
        normalise_head(tx);
        if (!tx->xfer.up.is_ended) {
            tx_deadline_changed(tx); /* its time-out is this block's */
        }
    }
    switch (hooks_request(tx)) {
    case V_NEXT:
        break;
    case V_WAIT:
        return TASK_WAIT;
    case V_REPLY:
        return &tx_step_reply;
    case V_ABORT:
        return tx_break(tx);
    }
    const struct step *refused = keep_secret_safe(tx);
    if (refused != NULL) {
        return refused;
    }
    if (tx->xfer.target.p == NULL) {
        tx->xfer.target = target_of(tx);
    }
    coding_ask(tx);
    hooks_filters(tx, true);
    return pump_keeps_length(&tx->xfer.up) ? &tx_step_upstream : &tx_step_hold;
}

const struct step tx_step_target = { "tx: target", run_target };
const struct step tx_step_request = { "tx: request", run_request };
