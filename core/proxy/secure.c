/*
 * A client that speaks TLS to weir itself (listen … ssl), with weir's own
 * certificate: around its requests, and around the TLS of its tunnels. Called
 * by accept through conn.c, or by proxy_protocol.c; hands over to serve_h1.c.
 */

#include "base/clock.h"
#include "base/log.h"
#include "net/hello.h"
#include "net/tls.h"
#include "proxy/conn.h"
#include "proxy/listen.h"
#include "proxy/worker.h"

static const struct step step_hello, step_handshake;

/* For the next of the client's bytes. */
static const struct step *
wait_more(struct conn *c)
{
    double deadline = c->since + conn_patience(c);
    if (clock_mono() >= deadline) {
        conn_log(c, LOG_INFO, "client handshake timed out");
        return &task_end;
    }
    task_wait(&c->task, deadline, NULL, NULL);
    return TASK_WAIT;
}

/* OpenSSL would take a hello that is eight times as large, and whoever sends it
 * has not said yet whose it is. The name that it asks for says nothing. */
static const struct step *
run_hello(struct task *t)
{
    struct conn *c = conn_of(t);
    AZ(c->tx);
    AN(c->listen->ssl && c->tunnel == CONN_NO_TUNNEL);
    const struct step *next;
    struct hello h;
    if (!conn_read_hello(c, &h, NULL, &next)) {
        return next;
    }
    struct tls_server *own = listen_tls(c->worker->conf);
    c->wire.stream = tls_accept_own(own, c->wire.stream, &c->task);
    tls_unread(c->wire.stream, buf_str(&c->wire.in));
    buf_fini(&c->wire.in);
    return &step_handshake;
}

/* A client that was given http:// for https:// is told. */
static const struct step *
run_first_byte(struct task *t)
{
    struct conn *c = conn_of(t);
    AZ(c->tx);
    AN(c->listen->ssl);
    AN(c->requests == 0);
    enum io r = c->wire.in.n == 0 ? wire_fill(&c->wire, c->wire.in.max) : IO_OK;
    if (r == IO_AGAIN) {
        return wait_more(c);
    }
    if (r != IO_OK) {
        return &task_end;
    }
    bool is_tls = (unsigned char)c->wire.in.p[0] == TLS_RECORD_HANDSHAKE;
    return is_tls
               ? &step_hello
               : conn_refuse(c, 400, "no TLS where this proxy speaks TLS only");
}

static const struct step *
run_handshake(struct task *t)
{
    struct conn *c = conn_of(t);
    AZ(c->tx);
    AZ(c->wire.in.n); /* the TLS layer has it */
    switch (stream_handshake(c->wire.stream)) {
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
        tls_error(c->wire.stream));
    c->wire.stream = stream_pop(c->wire.stream); /* it has said its alert */
    return conn_linger(c);
}

const struct step conn_step_secure = { "conn: first byte", run_first_byte };
static const struct step step_hello = { "conn: own hello", run_hello };
static const struct step step_handshake = { "conn: own TLS", run_handshake };
