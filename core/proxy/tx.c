/*
 * An exchange's life outside its steps: made by the conn, failed once, logged
 * once, freed by the conn.
 */

#include "proxy/tx.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/dial.h"
#include "proxy/conn.h"
#include "proxy/hook.h"
#include "proxy/tx_policy.h"
#include "proxy/worker.h"
#include "wire/peer.h"

static void
on_tx_end(struct task *t)
{
    struct tx *tx = tx_of(t);
    AZ(tx->is_over);
    tx->is_over = true;
    tx->conn->serve->end(tx);
}

struct tx *
tx_new(struct conn *c)
{
    struct arena *a = arena_new(4096);
    struct tx *tx = arena_calloc(a, sizeof *tx);
    tx->magic = TX_MAGIC;
    tx->conn = c;
    tx->sandbox = c->sandbox;
    tx->id = ++c->worker->next_tx;
    tx->t_start = clock_mono();
    task_init(&tx->xfer.task, c->worker->loop, &tx_step_target, on_tx_end);
    xfer_init(&tx->xfer, a, &c->task);
    tx->module_state = arena_calloc(a, modules_state_size(LIFE_TX));
    tx->where = c->worker->egress;
    tx->who = tx->where;
    if (c->sandbox != NULL) {
        tx_take_policy(tx);
    }
    return tx;
}

void
tx_free(struct tx *tx)
{
    CHECK(tx, TX_MAGIC);
    hooks_upstream_end(tx);
    task_fini(&tx->xfer.task);
    if (tx->dial != NULL) {
        dial_free(tx->dial);
    }
    if (tx->peer != NULL) {
        peer_close(tx->peer);
    }
    if (tx->pool_host != NULL) {
        pool_host_put(tx->conn->worker->pool, tx->pool_host);
    }
    xfer_fini(&tx->xfer);
    tx_drop_policy(tx);
    tx->magic = 0;
    arena_free(tx->xfer.arena);
}

void
tx_client_done(struct tx *tx)
{
    CHECK(tx, TX_MAGIC);
    AN(tx->client == TX_CLIENT_THERE);
    tx->client = TX_CLIENT_DONE;
    task_wake(&tx->xfer.task);
}

void
tx_client_gone(struct tx *tx, struct str cause)
{
    CHECK(tx, TX_MAGIC);
    if (tx->client == TX_CLIENT_GONE) {
        return;
    }
    tx->client = TX_CLIENT_GONE;
    tx_fail(tx, FAULT_CLIENT, "%.*s", STR_ARG(cause));
    task_wake(&tx->xfer.task);
}

/* Without the query and user information, in which a client may have put a
 * secret. Of a head that could not be read, as it came. */
static struct str
logged_target(const struct tx *tx)
{
    struct str path = tx->path.n != 0 ? tx->path : tx->xfer.request.path;
    bool is_connect = tx->xfer.request.method_id == METHOD_CONNECT;
    if (is_connect && tx->authority.host.n != 0) {
        return authority_format(tx->xfer.arena, &tx->authority, 0);
    }
    path.n = str_find(path, '?');
    if (path.n == 0 || path.p[0] == '/') {
        return path;
    }
    const char *at = memrchr(path.p, '@', path.n);
    return at != NULL ? str_skip(path, (size_t)(at - path.p)) : path;
}

/* ", rule: 2 denied_hosts in FILE:LINE", where it refused. */
static struct str
rule_of(const struct tx *tx, enum tx_fault fault)
{
    const struct decision *d = &tx->decision;
    if (fault != FAULT_POLICY || d->rule == 0 || d->outcome == DECIDE_ALLOW) {
        return STR("");
    }
    const struct token *at = decision_place(d);
    struct str place = at != NULL ? arena_printf(tx->xfer.arena, " in %s:%u",
                                        at->file, at->line)
                                  : STR("");
    return arena_printf(tx->xfer.arena, ", rule: %u %s%.*s", d->rule,
        decision_rule_name(d), STR_ARG(place));
}

void
tx_fail(struct tx *tx, enum tx_fault fault, const char *fmt, ...)
{
    CHECK(tx, TX_MAGIC);
    static const int levels[] = { LOG_INFO, LOG_INFO, LOG_WARN, LOG_ERR,
        LOG_ERR };
    char text[512];
    va_list ap;
    if (tx->fault != FAULT_NONE) {
        return;
    }
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    tx->fault = fault;
    tx->cause = arena_dup(tx->xfer.arena, str_of(text));
    struct str rule = rule_of(tx, fault);
    struct str target = log_quoted(tx->xfer.arena, logged_target(tx));
    conn_log(tx->conn, levels[fault],
        "%s%.*s, request: \"%.*s%s%.*s\", host: \"%.*s\"", text, STR_ARG(rule),
        STR_ARG(tx->xfer.request.method), target.n != 0 ? " " : "",
        STR_ARG(target), STR_ARG(tx->authority.host));
}

void
tx_client_at_fault(struct tx *tx, unsigned status)
{
    CHECK(tx, TX_MAGIC);
    tx->body_fault = status;
    tx->xfer.must_close = true;
    task_wake(&tx->xfer.task);
}

void
tx_deadline_changed(struct tx *tx)
{
    CHECK(tx, TX_MAGIC);
    tx->conn->serve->deadline(tx);
}

const struct step *
tx_break(struct tx *tx)
{
    CHECK(tx, TX_MAGIC);
    tx->xfer.is_broken = true;
    tx->xfer.must_close = true;
    return &tx_step_reply;
}

unsigned
tx_status(const struct tx *tx)
{
    CHECK(tx, TX_MAGIC);
    return tx->xfer.is_head_ready   ? tx->xfer.response.status
           : tx->fault == FAULT_OWN ? 503
                                    : 499;
}

void
tx_cut(struct tx *tx, struct str why)
{
    CHECK(tx, TX_MAGIC);
    if (tx->is_over) {
        return; /* it has one */
    }
    if (tx->fault == FAULT_NONE) {
        tx->fault = FAULT_OWN;
        tx->cause = why;
    }
    hooks_log(tx);
}

const void *
tx_where(const struct tx *tx, unsigned part)
{
    CHECK(tx, TX_MAGIC);
    return scope_part(tx->where, part);
}

const void *
tx_who(const struct tx *tx, unsigned part)
{
    CHECK(tx, TX_MAGIC);
    return scope_part(tx->who, part);
}

static const struct step *
tx_run_done(struct task *t)
{
    struct tx *tx = tx_of(t);
    AZ(tx->is_over);
    AZ(tx->peer);
    AZ(tx->dial);
    hooks_log(tx);
    return &task_end;
}

const struct step tx_step_done = { "tx: done", tx_run_done };
