/*
 * The end of a connection that may still be sending: it is told that weir will
 * say no more, and what comes is thrown away until lingering_time is over, so
 * that the client sees its answer and not a reset (RFC 9112 9.6). The answer is
 * a response of serve_h1.c's, or the alert that refuses a handshake.
 */

#include "base/clock.h"
#include "proxy/conn.h"
#include "proxy/proxy_conf.h"
#include "proxy/worker.h"

static const struct step *
run_linger(struct task *t)
{
    struct conn *c = conn_of(t);
    double end = c->since + worker_conf(c->worker)->lingering_time;
    AZ(c->tx);
    if (wire_linger(&c->wire, t, &c->lingering) != IO_AGAIN ||
        clock_mono() >= end) {
        return &task_end;
    }
    task_wait(t, end, NULL, NULL);
    return TASK_WAIT;
}

const struct step *
conn_linger(struct conn *c)
{
    CHECK(c, CONN_MAGIC);
    buf_fini(&c->wire.in);
    c->since = clock_mono();
    return &conn_step_linger;
}

const struct step *
conn_alert(struct conn *c, enum tls_alert alert)
{
    char record[TLS_ALERT_SIZE];
    CHECK(c, CONN_MAGIC);
    tls_alert_write(record, alert);
    bufq_append(&c->wire.out, str_n(record, sizeof record));
    return conn_linger(c);
}

const struct step conn_step_linger = { "conn: linger", run_linger };
