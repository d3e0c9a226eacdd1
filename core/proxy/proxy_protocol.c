/*
 * A connection that a front end passes on (listen … proxy_protocol): whose it
 * is stands in a header before all else. Called by accept through conn.c; hands
 * over to serve_h1.c or secure.c when the hooks know the client.
 */

#include "proxy/conn.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/proxy_protocol.h"
#include "proxy/hook.h"

/* A front end that says nothing of a client speaks for itself: its address,
 * which may be in a sandbox's range, makes it no sandbox. */
static const struct step *
take_header(struct conn *c, const struct proxy_protocol *h, size_t n)
{
    buf_consume(&c->wire.in, n);
    c->has_client = h->has_client;
    if (h->has_client) {
        c->client = h->client;
    }
    return hooks_accept(c) == V_NEXT ? conn_first_step(c) : &task_end;
}

static const struct step *
run_proxy_protocol(struct task *t)
{
    struct conn *c = conn_of(t);
    AZ(c->tx);
    AZ(c->sandbox); /* whose it is stands in what is to come */
    AN(c->tunnel == CONN_NO_TUNNEL);
    struct proxy_protocol h;
    size_t n;
    double deadline = c->since + conn_patience(c);
    size_t limit = c->wire.in.max < PROXY_PROTOCOL_MAX ? c->wire.in.max
                                                       : PROXY_PROTOCOL_MAX;
    enum io r = IO_OK;
    while (r == IO_OK) {
        switch (proxy_protocol_parse(buf_str(&c->wire.in), &h, &n)) {
        case PROXY_PROTOCOL_OK:
            return take_header(c, &h, n);
        case PROXY_PROTOCOL_BAD:
            conn_log(c, LOG_WARN, "malformed PROXY header");
            return &task_end;
        case PROXY_PROTOCOL_MORE:
            break;
        }
        if (c->wire.in.n >= limit) {
            conn_log(c, LOG_WARN, "PROXY header is too large");
            return &task_end;
        }
        r = wire_fill(&c->wire, limit);
    }
    if (r != IO_AGAIN || clock_mono() >= deadline) {
        conn_log(c, LOG_INFO, "no PROXY header came");
        return &task_end;
    }
    task_wait(t, deadline, NULL, NULL);
    return TASK_WAIT;
}

const struct step conn_step_proxy_protocol = { "conn: front end",
    run_proxy_protocol };
