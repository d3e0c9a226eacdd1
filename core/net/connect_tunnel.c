/*
 * See connect_tunnel.h. In a tunnel the client speaks first. So a proxy that
 * sends bytes right behind its answer is refused: weir would take them for
 * bytes of the origin.
 */

#include "net/connect_tunnel.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "http/h1_parse.h"

#define CONNECT_TUNNEL_MAGIC 0x9407a11eu
#define READ_SIZE 4096

struct connect_tunnel {
    unsigned magic;
    struct task task;
    struct task *waiter;
    struct dial *dial;
    struct stream *stream;
    struct bufq out;
    struct buf in;
    size_t scanned; /* bytes of `in` in which no head ends */
    size_t heads;   /* bytes of interim heads */
    const struct dial_proxy *proxy;
    double deadline;
    unsigned status; /* of the proxy's final answer; 0: none yet */
    bool is_done;
    struct dial_result result;
};

static const struct step step_reach, step_ask, step_answer, step_done;

static struct connect_tunnel *
tunnel_of(struct task *t)
{
    struct connect_tunnel *p = container_of(t, struct connect_tunnel, task);
    CHECK(p, CONNECT_TUNNEL_MAGIC);
    return p;
}

static const struct step *
finish(struct connect_tunnel *p)
{
    p->is_done = true;
    task_wake(p->waiter);
    return &step_done;
}

static const struct step *
run_done(struct task *t)
{
    task_wait(t, TASK_NEVER, NULL, NULL);
    return TASK_WAIT;
}

static const struct step *
fail(struct connect_tunnel *p, enum dial_error error, const char *proxy_error,
    const char *text)
{
    p->result.error = error;
    p->result.proxy_error = proxy_error;
    snprintf(p->result.text, sizeof p->result.text, "upstream proxy %.*s: %s",
        STR_ARG(p->proxy->text), text);
    stream_close(p->stream);
    p->stream = NULL;
    return finish(p);
}

/* The dial to the proxy failed. The error is the proxy's, not the origin's: so
 * the message may name the proxy, and an address of the proxy that the guard
 * denies is an error of the configuration, not a denial of the request. */
static const struct step *
not_reached(struct connect_tunnel *p)
{
    const struct dial_result *r = dial_result(p->dial);
    p->result.is_exhausted = r->is_exhausted;
    return fail(p, r->error == DIAL_OWN ? DIAL_OWN : DIAL_PROXY, r->proxy_error,
        r->text);
}

static const struct step *
run_reach(struct task *t)
{
    struct connect_tunnel *p = tunnel_of(t);
    const struct dial_result *r = dial_result(p->dial);
    if (r == NULL) {
        task_wait(t, TASK_NEVER, NULL, NULL);
        return TASK_WAIT;
    }
    p->result.addr = r->addr;
    if (r->error != DIAL_OK) {
        return not_reached(p);
    }
    p->stream = dial_take(p->dial, t);
    return &step_ask;
}

/* Waits for the stream, until the deadline. */
static const struct step *
wait_for_proxy(struct connect_tunnel *p)
{
    if (clock_mono() >= p->deadline) {
        return fail(p, DIAL_TIMEOUT, "connection_timeout",
            "it did not answer CONNECT in time");
    }
    task_wait(&p->task, p->deadline, NULL, NULL);
    return TASK_WAIT;
}

static const struct step *
broke_off(struct connect_tunnel *p)
{
    return fail(p, DIAL_PROXY, "connection_terminated",
        "it closed the connection instead of answering CONNECT");
}

static const struct step *
run_ask(struct task *t)
{
    struct connect_tunnel *p = tunnel_of(t);
    switch (stream_flush(p->stream, &p->out)) {
    case IO_OK:
        return &step_answer;
    case IO_AGAIN:
        return wait_for_proxy(p);
    case IO_EOF:
    case IO_ERR:
        break;
    }
    return broke_off(p);
}

static const struct step *
malformed(struct connect_tunnel *p, const char *why)
{
    char text[200];
    snprintf(text, sizeof text, "its answer to CONNECT is malformed: %s", why);
    return fail(p, DIAL_PROXY, "http_protocol_error", text);
}

/* The reason phrase for the message; none from a proxy that was given a
 * credential, as such a proxy could echo it there. */
static struct str
reason_of(const struct connect_tunnel *p, const struct head *h)
{
    if (p->proxy->credential.n != 0) {
        return STR_NONE;
    }
    return h->reason.n <= 100 ? h->reason : str_n(h->reason.p, 100);
}

static const struct step *
refused(struct connect_tunnel *p, const struct head *h)
{
    char text[200];
    struct str reason = reason_of(p, h);
    snprintf(text, sizeof text, "it answered CONNECT with %u%s%.*s%s",
        h->status, reason.n != 0 ? " " : "", STR_ARG(reason),
        h->status == 407 ? ", see \"auth\" of \"upstream_proxy\"" : "");
    p->status = h->status;
    return fail(p, DIAL_PROXY,
        h->status == 407 ? "proxy_configuration_error"
                         : "destination_unavailable",
        text);
}

/* The proxy agreed. `more` bytes were read behind the head of its answer; there
 * must be none, and none to read now. */
static const struct step *
opened(struct connect_tunnel *p, size_t more)
{
    char byte;
    size_t got;
    enum io r = more != 0 ? IO_OK : stream_read(p->stream, &byte, 1, &got);
    if (r == IO_AGAIN) {
        return finish(p);
    }
    return r == IO_OK ? fail(p, DIAL_PROXY, "http_protocol_error",
                            "it sent bytes behind its answer to CONNECT")
                      : broke_off(p);
}

/* Judges the head of `n` bytes in p->in. NULL: it was an interim answer, read
 * on. */
static const struct step *
read_answer(struct connect_tunnel *p, size_t n)
{
    struct h1_error err = { 0 };
    struct head h;
    struct arena *a = arena_new(2048);
    const struct step *next = NULL;
    head_init(&h, a);
    if (h1_parse_response(str_n(p->in.p, n), METHOD_CONNECT, &h, &err) != 0) {
        next = malformed(p, err.text);
    } else if (h.status >= 300) {
        next = refused(p, &h);
    } else if (h.status >= 200) {
        next = opened(p, p->in.n - n);
    } else if (h.status == 101) {
        next = fail(p, DIAL_PROXY, "http_upgrade_failed",
            "it switched protocols instead of answering CONNECT");
    }
    arena_free(a);
    buf_consume(&p->in, n);
    p->heads += n;
    p->scanned = 0;
    return next;
}

/* IO_OK: there are more bytes of the answer in p->in. */
static enum io
read_more(struct connect_tunnel *p, bool *is_too_large)
{
    size_t got = 0;
    char *to = buf_reserve(&p->in, READ_SIZE);
    *is_too_large = to == NULL || p->heads + p->in.n > CONNECT_TUNNEL_HEAD_MAX;
    if (*is_too_large) {
        return IO_ERR;
    }
    enum io r = stream_read(p->stream, to, READ_SIZE, &got);
    p->in.n += r == IO_OK ? got : 0;
    return r;
}

static const struct step *
run_answer(struct task *t)
{
    struct connect_tunnel *p = tunnel_of(t);
    for (;;) {
        struct h1_error err = { 0 };
        size_t n = 0;
        bool is_too_large = false;
        enum h1_result r =
            h1_response_end(buf_str(&p->in), &p->scanned, &n, &err);
        if (r == H1_BAD) {
            return malformed(p, err.text);
        }
        if (r == H1_OK) {
            const struct step *next = read_answer(p, n);
            if (next != NULL) {
                return next;
            }
            continue;
        }
        switch (read_more(p, &is_too_large)) {
        case IO_OK:
            break;
        case IO_AGAIN:
            return wait_for_proxy(p);
        case IO_EOF:
        case IO_ERR:
            return is_too_large ? fail(p, DIAL_PROXY, "http_protocol_error",
                                      "its answer to CONNECT is too large")
                                : broke_off(p);
        }
    }
}

static void
on_end(struct task *t)
{
    (void)t;
    PANIC("a connect_tunnel has no end step");
}

/* Writes CONNECT. The queue is marked secret before it is sent, so that the
 * credential is wiped with it. */
static void
write_request(
    struct connect_tunnel *p, struct str target, struct str credential)
{
    bufq_init(&p->out, SIZE_MAX);
    bufq_append(&p->out, STR("CONNECT "));
    bufq_append(&p->out, target);
    bufq_append(&p->out, STR(" HTTP/1.1\r\nHost: "));
    bufq_append(&p->out, target);
    if (credential.n != 0) {
        bufq_append(&p->out, STR("\r\nProxy-Authorization: "));
        bufq_append(&p->out, credential);
        bufq_mark_secret(&p->out);
    }
    bufq_append(&p->out, STR("\r\n\r\n"));
}

struct connect_tunnel *
connect_tunnel_start(const struct dial_args *args, struct str target,
    double timeout, struct task *waiter)
{
    const struct dial_proxy *proxy = args->proxy;
    struct connect_tunnel *p = xcalloc(sizeof *p);
    struct dial_args to_proxy = { .loop = args->loop,
        .dns = args->dns,
        .guard = args->guard,
        .policy = { .is_own_service = true },
        .name = proxy->name,
        .addr = proxy->addr,
        .port = proxy->port,
        .tls = proxy->tls,
        .serial = args->serial,
        .timeout = timeout };
    p->magic = CONNECT_TUNNEL_MAGIC;
    p->waiter = waiter;
    p->proxy = proxy;
    p->deadline = clock_mono() + timeout;
    buf_init(&p->in, CONNECT_TUNNEL_HEAD_MAX + READ_SIZE);
    write_request(p, target, proxy->credential);
    task_init(&p->task, args->loop, &step_reach, on_end);
    p->dial = dial_start(&to_proxy, &p->task);
    return p;
}

const struct dial_result *
connect_tunnel_result(const struct connect_tunnel *p)
{
    CHECK(p, CONNECT_TUNNEL_MAGIC);
    return p->is_done ? &p->result : NULL;
}

bool
connect_tunnel_is_unreached(const struct connect_tunnel *p)
{
    CHECK(p, CONNECT_TUNNEL_MAGIC);
    return p->status >= 500;
}

struct stream *
connect_tunnel_take(struct connect_tunnel *p, struct task *task)
{
    CHECK(p, CONNECT_TUNNEL_MAGIC);
    struct stream *s = p->stream;
    AN(s != NULL);
    p->stream = NULL;
    stream_set_task(s, task);
    return s;
}

void
connect_tunnel_free(struct connect_tunnel *p)
{
    CHECK(p, CONNECT_TUNNEL_MAGIC);
    task_fini(&p->task);
    dial_free(p->dial);
    stream_close(p->stream);
    bufq_fini(&p->out);
    buf_fini(&p->in);
    p->magic = 0;
    xfree(p);
}

static const struct step step_reach = { "connect_tunnel: reach", run_reach };
static const struct step step_ask = { "connect_tunnel: ask", run_ask };
static const struct step step_answer = { "connect_tunnel: answer", run_answer };
static const struct step step_done = { "connect_tunnel: done", run_done };
