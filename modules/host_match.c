/*
 * The `host` and `location` blocks, and the question which of them serves:
 * asks for the decision (SPEC 5) on every CONNECT, SNI and request, and turns
 * it into an answer. The rules themselves are in policy/decide.c, which walks
 * the blocks.
 */

#include "module.h"

static enum verdict
answer(struct tx *tx, unsigned status)
{
    const struct decision *d = &tx->decision;
    bool is_denial = d->outcome != DECIDE_BAD;
    struct reply r = { .status = status,
        .error = is_denial ? "http_request_denied" : "http_request_error",
        .rule = decision_rule_name(d),
        .is_denial = is_denial,
        .reason = decision_reason(d, tx->xfer.arena),
        .detail = decision_explain(d, tx->xfer.arena) };
    tx_fail(tx, FAULT_POLICY, "%.*s", STR_ARG(r.detail));
    finding(tx->conn, FINDING_DENIED, tx->authority.host, r.rule);
    tx_reply(tx, &r);
    if (d->outcome == DECIDE_METHOD) {
        head_add(&tx->xfer.response, STR("Allow"),
            decision_allow(d, tx->xfer.arena));
    }
    return V_REPLY;
}

/* The operator's own text, or the place of a redirect, cannot be sent. */
static enum verdict
refuse_return(struct tx *tx)
{
    struct reply r = { .status = 400,
        .error = "http_request_error",
        .rule = decision_rule_name(&tx->decision),
        .detail = STR("what this request would be answered with has a byte "
                      "of the request in it that cannot stand there") };
    tx_fail(tx, FAULT_CLIENT, "%.*s", STR_ARG(r.detail));
    tx_reply(tx, &r);
    return V_REPLY;
}

static enum verdict
answer_return(struct tx *tx)
{
    const struct value *text = NULL;
    struct str s = STR_NONE;
    unsigned code = decision_return(&tx->decision, &text);
    if (text != NULL && !value_eval(text, tx, tx->xfer.arena, &s)) {
        return refuse_return(tx);
    }
    if (text == NULL && code >= 400) {
        return answer(tx, code);
    }
    bool is_redirect = code >= 301 && code <= 308 && code != 304;
    if (is_redirect && !field_value_is_valid(s)) {
        return refuse_return(tx);
    }
    tx_reply_text(tx, code, is_redirect ? STR("") : s);
    if (is_redirect) {
        head_add(&tx->xfer.response, STR("Location"), s);
    }
    return V_REPLY;
}

/* The tunnel is opened, and each request in it is denied. */
static bool
is_shown_inside(
    const struct conn *c, const struct target *t, const struct decision *d)
{
    return t->kind != T_REQUEST && !c->is_passthrough &&
           hooks_tunnel(c, d) == TUNNEL_OPEN;
}

static enum verdict
act(struct conn *c, const struct target *t, const struct decision *d)
{
    if (d->outcome == DECIDE_ALLOW || is_shown_inside(c, t, d)) {
        return V_NEXT;
    }
    if (t->tx == NULL) {
        finding(c, FINDING_DENIED, t->authority.host, decision_rule_name(d));
        return V_ABORT;
    }
    return d->outcome == DECIDE_RETURN ? answer_return(t->tx)
                                       : answer(t->tx, decision_status(d));
}

static enum verdict
on_target(struct conn *c, const struct target *t)
{
    struct decision own;
    struct decision *d = t->tx != NULL ? &t->tx->decision : &own;
    struct decide_query q = { .policy = t->tx != NULL ? t->tx->policy
                                                      : c->sandbox->policy,
        .is_request = t->kind == T_REQUEST };
    if (q.is_request) {
        q.method = t->head->method;
        q.path = t->tx->path;
        q.arena = t->tx->xfer.arena;
    }
    judge(&q, &t->authority, c->worker->egress, d);
    if (q.is_request) {
        t->tx->where = d->where != NULL ? d->where : t->tx->where;
        t->tx->path = d->path;
    }
    return act(c, t, d);
}

/* What could choose otherwise behind weir than it chose here (SPEC 5). */
static enum verdict
on_request(struct tx *tx, struct head *h)
{
    const struct block *b = tx->decision.block;
    if (b == NULL) {
        return V_NEXT;
    }
    const struct block *inner =
        tx->decision.location != NULL ? tx->decision.location : b;
    if (inner->conf->methods.n != 0) {
        head_remove(h, STR("X-HTTP-Method"));
        head_remove(h, STR("X-HTTP-Method-Override"));
        head_remove(h, STR("X-Method-Override"));
    }
    if (b->locations != NULL) {
        head_remove(h, STR("X-Original-URL"));
        head_remove(h, STR("X-Rewrite-URL"));
    }
    return V_NEXT;
}

static const struct cmd cmds[] = {
    { .name = "host",
        .contexts = CONF_EGRESS | CONF_CLASS,
        .min_args = 1,
        .max_args = 255,
        .flags = CMD_BLOCK,
        .block = CONF_HOST,
        .set = block_set_host,
        .part = &block_part },
    { .name = "location",
        .contexts = CONF_HOST | CONF_HANDLER,
        .min_args = 1,
        .max_args = 2,
        .flags = CMD_BLOCK,
        .block = CONF_LOCATION,
        .set = block_set_location,
        .part = &block_part },
    { 0 },
};

const struct module host_match_module = {
    .conf = { .name = "host_match", .cmds = cmds },
    .on_target = on_target,
    .on_request = on_request,
};
