/*
 * The end of a connection that may still be sending: it is told that weir will
 * say no more, and what comes is thrown away for a while, so that the client
 * sees its answer and not a reset (RFC 9112 9.6). Follows serve_h1.c.
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
    char waste[8192];
    enum io r = IO_OK;
    AZ(c->tx);
    stream_shutdown(c->stream);
    while (r == IO_OK && c->lingered < LINGER_BYTES) {
        size_t got = 0;
        r = stream_read(c->stream, waste, sizeof waste, &got);
        c->lingered += got;
    }
    if (r != IO_AGAIN || clock_mono() >= end) {
        return &task_end;
    }
    task_wait(t, end, NULL, NULL);
    return TASK_WAIT;
}

const struct step conn_step_linger = { "conn: linger", run_linger };
