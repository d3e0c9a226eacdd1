/*
 * What is inside a tunnel: TLS or HTTP, by its first bytes, unless it is a
 * passthrough one. Called when a CONNECT was answered; hands over to
 * intercept.c, serve_h1.c or splice.c.
 */

#include "proxy/conn.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/tls_record.h"
#include "proxy/worker.h"

/* TLS that nothing here can open is passed through, if it may be. */
static const struct step *
step_for(struct conn *c)
{
    bool is_tls = (unsigned char)c->wire.in.p[0] == TLS_RECORD_HANDSHAKE;
    c->is_passthrough |= is_tls && c->worker->leaves == NULL;
    return c->is_passthrough ? &conn_step_passthrough
           : is_tls          ? &conn_step_intercept
                             : &conn_step_serve;
}

static const struct step *
run_sniff(struct task *t)
{
    struct conn *c = conn_of(t);
    double deadline = c->since + conn_patience(c);
    enum io r = c->wire.in.n == 0 ? wire_fill(&c->wire, c->wire.in.max) : IO_OK;
    if (r == IO_OK) {
        return step_for(c);
    }
    if (r != IO_AGAIN || clock_mono() >= deadline) {
        conn_log(c, LOG_INFO, "tunnel closed before its first byte");
        return &task_end;
    }
    task_wait(t, deadline, NULL, NULL);
    return TASK_WAIT;
}

const struct step conn_step_sniff = { "conn: sniff", run_sniff };
