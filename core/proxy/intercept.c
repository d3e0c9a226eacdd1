/*
 * TLS inside a tunnel, opened with a certificate of the sandbox's own CA. The
 * name is the SNI as hello.c reads it; where the client sends none, the
 * tunnel's host. A name that is not the tunnel's is answered by 421 to every
 * request (SPEC 5, one target).
 */

#include "proxy/conn.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/hello.h"
#include "net/leaf.h"
#include "net/tls.h"
#include "proxy/distrust.h"
#include "proxy/finding.h"
#include "proxy/hook.h"
#include "proxy/proxy_conf.h"
#include "proxy/worker.h"
#include "sandbox/sandbox.h"

static const struct step step_handshake;

static struct leaf_owner
owner_of(const struct conn *c)
{
    return (struct leaf_owner){ .serial = c->sandbox->serial,
        .index = c->sandbox->index,
        .ca_cert_der = c->sandbox->ca_der };
}

static void
forget_leaf(struct task *t, void *arg)
{
    leaf_forget(arg, t);
}

/* Called by the TLS layer inside the handshake, until it answers other than
 * 0. The task is woken when the leaf is there. */
static int
use_leaf(void *arg, struct ssl_st *ssl)
{
    struct conn *c = arg;
    struct leaf_owner owner = owner_of(c);
    if (c->leaf == NULL) {
        switch (
            leaf_get(c->worker->leaves, &owner, c->sni, &c->task, &c->leaf)) {
        case LEAF_READY:
            break;
        case LEAF_PENDING:
            return 0;
        case LEAF_DENIED:
            conn_log(c, LOG_WARN, "mint_rate exceeded for \"%.*s\"",
                STR_ARG(c->sni));
            finding(c, FINDING_MINT, c->sni, "mint_rate");
            return -1;
        case LEAF_FAILED:
            conn_log(
                c, LOG_ERR, "no certificate for \"%.*s\"", STR_ARG(c->sni));
            return -1;
        }
    }
    return leaf_use(c->leaf, ssl) == 0 ? 1 : -1;
}

/* A client without the CA is the first thing that goes wrong in a new sandbox:
 * told where it is seen, with what to do. */
static void
log_failure(const struct conn *c)
{
    struct str dir = c->worker->setup.ca_dir, id = c->sandbox->id;
    if (tls_is_distrusted(c->wire.stream) &&
        distrust_is_news(
            c->worker->distrust, c->sandbox->serial, clock_mono())) {
        conn_log(c, LOG_WARN,
            "sandbox \"%.*s\" does not trust its CA: give its clients "
            "\"%.*s/%.*s.pem\" (%s, for \"%.*s\")",
            STR_ARG(id), STR_ARG(dir), STR_ARG(id), tls_error(c->wire.stream),
            STR_ARG(c->sni));
        finding(c, FINDING_DISTRUST, c->sni, "ca");
        return;
    }
    conn_log(c, LOG_INFO, "client handshake for \"%.*s\" failed: %s",
        STR_ARG(c->sni), tls_error(c->wire.stream));
}

static const struct step *
run_handshake(struct task *t)
{
    struct conn *c = conn_of(t);
    double deadline = c->since + worker_conf(c->worker)->client_header_timeout;
    switch (stream_handshake(c->wire.stream)) {
    case IO_OK:
        c->is_tls = true;
        c->since = clock_mono();
        c->requests = 0;
        if (c->leaf != NULL) {
            leaf_unref(c->leaf);
            c->leaf = NULL;
        }
        return &conn_step_serve;
    case IO_AGAIN:
        break;
    case IO_EOF:
    case IO_ERR:
        log_failure(c);
        c->wire.stream = stream_pop(c->wire.stream); /* it has said its alert */
        return conn_linger(c);
    }
    if (clock_mono() >= deadline) {
        conn_log(c, LOG_INFO, "client handshake timed out");
        leaf_forget(c->worker->leaves, t); /* it may just have asked again */
        return &task_end;
    }
    task_wait(t, deadline, forget_leaf, c->worker->leaves);
    return TASK_WAIT;
}

/* An address is no name (RFC 6066 3), yet some clients send it. */
bool
conn_read_sni(struct conn *c, const struct hello *h, struct authority *au)
{
    const char *why = NULL;
    *au = c->target;
    if (h->sni_len == 0) {
        return true;
    }
    struct str sni = arena_dup(c->arena, str_n(h->sni, h->sni_len));
    bool is_host = host_parse(c->arena, sni, au, &why);
    au->port = c->target.port;
    if (is_host && (au->kind == HOST_NAME || authority_eq(au, &c->target))) {
        return true;
    }
    conn_log(c, LOG_INFO, "malformed SNI");
    return false;
}

/* It is none: malformed, too large, or of another protocol, which knows no
 * alerts. */
static const struct step *
refuse_hello(struct conn *c, enum hello_result parsed)
{
    conn_log(c, LOG_INFO, "%s ClientHello",
        parsed == HELLO_MORE ? "incomplete" : "malformed");
    return parsed == HELLO_NOT_TLS ? &task_end
                                   : conn_alert(c, ALERT_DECODE_ERROR);
}

bool
conn_read_hello(struct conn *c, struct hello *h, struct authority *au,
    const struct step **next)
{
    double deadline = c->since + worker_conf(c->worker)->client_header_timeout;
    enum io r = IO_OK;
    enum hello_result parsed = hello_parse(buf_str(&c->wire.in), h);
    while (parsed == HELLO_MORE && r == IO_OK) {
        r = wire_fill(&c->wire, c->wire.in.max);
        parsed = r == IO_OK ? hello_parse(buf_str(&c->wire.in), h) : parsed;
    }
    if (parsed == HELLO_OK && (au == NULL || conn_read_sni(c, h, au))) {
        return true;
    }
    bool may_come =
        parsed == HELLO_MORE && r == IO_AGAIN && c->wire.in.n < c->wire.in.max;
    if (parsed == HELLO_OK) {
        *next = conn_alert(c, ALERT_UNRECOGNIZED_NAME);
    } else if (!may_come) {
        *next = refuse_hello(c, parsed);
    } else if (clock_mono() < deadline) {
        task_wait(&c->task, deadline, NULL, NULL);
        *next = TASK_WAIT;
    } else {
        conn_log(c, LOG_INFO, "client handshake timed out");
        *next = &task_end;
    }
    return false;
}

static const struct step *
begin_tls(struct conn *c)
{
    AN(c->worker->leaves != NULL);
    struct tls_accept_args args = {
        .name = c->has_sni ? c->sni : STR_NONE, .use_cert = use_leaf, .arg = c
    };
    leaf_sid_ctx(c->sandbox->ca_digest, c->sni, args.sid_ctx);
    c->wire.stream =
        tls_accept(c->worker->tls, c->wire.stream, &args, &c->task);
    tls_unread(c->wire.stream, buf_str(&c->wire.in));
    buf_fini(&c->wire.in);
    return &step_handshake;
}

static const struct step *
run_intercept(struct task *t)
{
    struct conn *c = conn_of(t);
    const struct step *next;
    struct hello h;
    struct target target = { .kind = T_SNI };
    if (!conn_read_hello(c, &h, &target.authority, &next)) {
        return next;
    }
    c->sni = target.authority.host;
    c->has_sni = h.sni_len != 0;
    c->is_misdirected = !authority_eq(&target.authority, &c->target);
    if (c->is_misdirected) {
        conn_log(c, LOG_WARN, "SNI \"%.*s\" in a tunnel for \"%.*s\"",
            STR_ARG(c->sni), STR_ARG(c->target.host));
        finding(c, FINDING_SNI, c->sni, "sni");
        return begin_tls(c);
    }
    unsigned at = 0;
    return hooks_target(c, &target, &at) == V_NEXT
               ? begin_tls(c)
               : conn_alert(c, ALERT_ACCESS_DENIED);
}

const struct step conn_step_intercept = { "conn: intercept", run_intercept };
static const struct step step_handshake = { "conn: handshake", run_handshake };
