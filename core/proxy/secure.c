/*
 * A client that speaks TLS to weir itself (listen … ssl), with weir's own
 * certificate: around its requests, and around the TLS of its tunnels. Called
 * by accept through conn.c, or by front.c; hands over to serve_h1.c.
 */

#include "base/clock.h"
#include "base/log.h"
#include "net/tls.h"
#include "proxy/conn.h"
#include "proxy/listen.h"
#include "proxy/worker.h"

static const struct step step_handshake;

/* For the next of the client's bytes. */
static const struct step *
wait_more(struct conn *c)
{
    double deadline = c->since + conn_patience(c);
    if (clock_mono() >= deadline) {
        conn_log(c, LOG_INFO, "client handshake with this proxy timed out");
        return &task_end;
    }
    task_wait(&c->task, deadline, NULL, NULL);
    return TASK_WAIT;
}

/* OpenSSL would end what is no TLS without a word, and its client may be one
 * that was given http:// for https://. */
static const struct step *
begin_tls(struct conn *c)
{
    if ((unsigned char)c->in.p[0] != TLS_RECORD_HANDSHAKE) {
        return conn_refuse(c, 400, "no TLS where this proxy speaks TLS only");
    }
    struct tls_server *own = listen_tls(c->worker->conf);
    c->stream = tls_accept_own(own, c->stream, &c->task);
    tls_unread(c->stream, buf_str(&c->in));
    buf_fini(&c->in);
    return &step_handshake;
}

static const struct step *
run_first_byte(struct task *t)
{
    struct conn *c = conn_of(t);
    enum io r = c->in.n == 0 ? conn_fill(c, c->in.max) : IO_OK;
    if (r == IO_OK) {
        return begin_tls(c);
    }
    return r == IO_AGAIN ? wait_more(c) : &task_end;
}

static const struct step *
run_handshake(struct task *t)
{
    struct conn *c = conn_of(t);
    switch (stream_handshake(c->stream)) {
    case IO_OK:
        c->since = clock_mono();
        return &conn_step_serve;
    case IO_AGAIN:
        return wait_more(c);
    case IO_EOF:
    case IO_ERR:
        break;
    }
    conn_log(c, LOG_INFO, "client handshake with this proxy failed: %s",
        tls_error(c->stream));
    c->stream = stream_pop(c->stream); /* it has said its alert */
    return conn_linger(c);
}

const struct step conn_step_secure = { "conn: first byte", run_first_byte };
static const struct step step_handshake = { "conn: own TLS", run_handshake };
