/*
 * One fetch: dials, sends the request while it waits for the response, collects
 * the body. All steps have one deadline; a failure of any step is in the
 * result.
 */

#include "wire/fetch.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "http/h1_parse.h"
#include "wire/peer.h"
#include "wire/up_h1.h"
#include "wire/xfer.h"

#define FETCH_MAGIC 0xfe7c4fe7u

struct fetch {
    unsigned magic;
    struct xfer xfer; /* the fetch lies in its arena; it has the task */
    struct task *waiter;
    struct fetch_args args; /* strings and fields are in the arena */
    struct dial *dial;      /* until there is a stream; else NULL */
    struct peer *peer;      /* from then on; else NULL */
    struct buf body;
    double deadline;
    bool is_done;
    struct fetch_result result;
};

static const struct step step_begin, step_dial, step_head, step_body, step_done;

static struct fetch *
fetch_of(struct task *t)
{
    struct fetch *f = container_of(t, struct fetch, xfer.task);
    CHECK(f, FETCH_MAGIC);
    return f;
}

static void
close_connection(struct fetch *f)
{
    if (f->dial != NULL) {
        dial_free(f->dial);
        f->dial = NULL;
    }
    if (f->peer != NULL) {
        peer_close(f->peer);
        f->peer = NULL;
    }
}

static const struct step *
finish(struct fetch *f)
{
    AZ(f->is_done);
    close_connection(f);
    f->is_done = true;
    task_wake(f->waiter);
    return &step_done;
}

static const struct step *
fail(struct fetch *f, enum fetch_error error, const char *text)
{
    AN(error != FETCH_OK);
    f->result.error = error;
    snprintf(f->result.text, sizeof f->result.text, "%s", text);
    return finish(f);
}

static bool
is_late(const struct fetch *f)
{
    return clock_mono() >= f->deadline;
}

/* Waits for the origin. */
static const struct step *
wait_or_fail(struct fetch *f)
{
    if (is_late(f)) {
        return fail(f, FETCH_TIMEOUT, "the response did not come in time");
    }
    task_wait(&f->xfer.task, f->deadline, NULL, NULL);
    return TASK_WAIT;
}

/* Parses the request line that an HTTP proxy would get. So the rules for
 * requests decide which URLs are valid, and a URL can put nothing else into the
 * head. */
static bool
parse_url(struct fetch *f, struct h1_error *err)
{
    struct head *h = &f->xfer.request;
    struct str line = arena_printf(f->xfer.arena, "%.*s %.*s HTTP/1.0\r\n\r\n",
        STR_ARG(f->args.method), STR_ARG(f->args.url));
    if (h1_parse_request(line, 80, h, err) != 0) {
        return false;
    }
    if (h->form != TARGET_ABSOLUTE) {
        h1_refuse(err, H1_E_TARGET);
        return false;
    }
    f->xfer.target = h->path;
    return true;
}

static bool
is_https(const struct fetch *f)
{
    return str_eq(f->xfer.request.scheme, STR("https"));
}

/* False: a field that cannot be sent, or that frames the request. */
static bool
add_fields(struct fetch *f)
{
    struct head *h = &f->xfer.request;
    head_add(h, STR("Host"),
        authority_format(f->xfer.arena, &h->authority, is_https(f) ? 443 : 80));
    for (unsigned i = 0; i < f->args.n_fields; i++) {
        const struct fetch_field *field = &f->args.fields[i];
        if (!field_name_is_valid(field->name) ||
            !field_value_is_valid(field->value) ||
            field_name_is_reserved(field->name)) {
            return false;
        }
        head_add(h, field->name, field->value);
    }
    return true;
}

static void
add_body(struct fetch *f)
{
    struct xfer *x = &f->xfer;
    x->request.body = f->args.body.p != NULL ? BODY_LENGTH : BODY_NONE;
    x->request.length = f->args.body.n;
    if (f->args.is_secret) {
        bufq_mark_secret(pump_in(&x->up));
    }
    bufq_append(pump_in(&x->up), f->args.body);
    pump_filled(&x->up, f->args.body.n);
    pump_end(&x->up);
}

static void
start_dial(struct fetch *f)
{
    const struct authority *au = &f->xfer.request.authority;
    struct dial_args args = { .loop = f->args.loop,
        .dns = f->args.dns,
        .guard = f->args.guard,
        .policy = f->args.policy,
        .name = au->host,
        .addr = au->ip,
        .port = au->port,
        .tls = is_https(f) ? f->args.tls : NULL,
        .timeout = f->deadline - clock_mono() };
    f->dial = dial_start(&args, &f->xfer.task);
}

static const struct step *
run_begin(struct task *t)
{
    struct fetch *f = fetch_of(t);
    struct h1_error err = { 0 };
    AZ(f->dial != NULL || f->peer != NULL);
    if (!parse_url(f, &err)) {
        return fail(f, FETCH_REQUEST, err.text);
    }
    if (is_https(f) && f->args.tls == NULL) {
        return fail(f, FETCH_REQUEST, "this fetch cannot use https");
    }
    if (!add_fields(f)) {
        return fail(f, FETCH_REQUEST, "a header field that cannot be sent");
    }
    start_dial(f);
    return &step_dial;
}

static const struct step *
dial_failed(struct fetch *f, const struct dial_result *r)
{
    bool is_timeout = r->error == DIAL_TIMEOUT || r->error == DIAL_DNS_TIMEOUT;
    f->result.dial = r->error;
    return fail(f, is_timeout ? FETCH_TIMEOUT : FETCH_DIAL, r->text);
}

static const struct step *
run_dial(struct task *t)
{
    struct fetch *f = fetch_of(t);
    const struct dial_result *r = dial_result(f->dial);
    AZ(f->peer);
    if (r == NULL) {
        task_wait(t, TASK_NEVER, NULL, NULL); /* the dial has the deadline */
        return TASK_WAIT;
    }
    f->result.addr = r->addr;
    if (r->error != DIAL_OK) {
        return dial_failed(f, r);
    }
    f->peer = up_h1_new(dial_take(f->dial, t), &r->addr);
    dial_free(f->dial);
    f->dial = NULL;
    peer_begin(f->peer, t, true);
    add_body(f);
    return &step_head;
}

/* A failure here is found when the response is read. */
static void
send_request(struct fetch *f)
{
    struct xfer *x = &f->xfer;
    if (!x->is_request_sent) {
        x->is_request_sent = f->peer->ops->send(f->peer, x) == P_OK;
    }
}

static const struct step *
peer_failed(struct fetch *f, enum peer_io r)
{
    AN(r != P_OK && r != P_AGAIN);
    if (r == P_BAD) {
        return fail(f, FETCH_BAD, f->xfer.why);
    }
    return fail(
        f, FETCH_BROKEN, "the connection ended before the response did");
}

/* NULL: it was an interim head, and another follows. */
static const struct step *
head_arrived(struct fetch *f)
{
    struct xfer *x = &f->xfer;
    if (x->response.status == 101) {
        return fail(f, FETCH_BAD, "it switched protocols without being asked");
    }
    if (x->response.status < 200) {
        return ++x->interims > XFER_INTERIMS_MAX
                   ? fail(f, FETCH_BAD, "too many interim responses")
                   : NULL;
    }
    f->result.status = x->response.status;
    f->result.head = &x->response;
    if (x->response.body == BODY_LENGTH && x->response.length > f->args.max) {
        return fail(f, FETCH_LARGE, "the response is too large");
    }
    return &step_body;
}

static const struct step *
run_head(struct task *t)
{
    struct fetch *f = fetch_of(t);
    const struct step *next = NULL;
    AN(f->peer != NULL && f->dial == NULL);
    send_request(f);
    while (next == NULL) {
        enum peer_io r = f->peer->ops->head(f->peer, &f->xfer);
        if (r == P_AGAIN) {
            return wait_or_fail(f);
        }
        next = r == P_OK ? head_arrived(f) : peer_failed(f, r);
    }
    return next;
}

/* Takes what the pump has of the body. False: it is too large. */
static bool
collect(struct fetch *f)
{
    struct pump *down = &f->xfer.down;
    struct bufq *from = pump_out(down);
    while (!bufq_is_empty(from)) {
        struct str run = bufq_peek(from);
        if (!buf_add(&f->body, run)) {
            return false;
        }
        bufq_consume(from, run.n);
        pump_took(down, run.n); /* no wake needed: the source is this task */
    }
    return true;
}

static const struct step *
body_arrived(struct fetch *f)
{
    if (f->xfer.may_be_cut) {
        return fail(f, FETCH_BROKEN, "TLS ended without close_notify");
    }
    f->result.body = buf_str(&f->body);
    return finish(f);
}

static const struct step *
run_body(struct task *t)
{
    struct fetch *f = fetch_of(t);
    struct xfer *x = &f->xfer;
    uint64_t had = x->down.bytes_in;
    AN(f->peer != NULL && f->result.head != NULL);
    send_request(f);
    enum peer_io r = f->peer->ops->body(f->peer, x);
    if (!collect(f)) {
        return fail(f, FETCH_LARGE, "the response is too large");
    }
    if (r == P_OK) {
        return body_arrived(f);
    }
    if (r != P_AGAIN) {
        return peer_failed(f, r);
    }
    turn_spend(&x->turn, t, x->down.bytes_in - had, WIRE_TURN_BYTES);
    return wait_or_fail(f);
}

static const struct step *
run_done(struct task *t)
{
    AN(fetch_of(t)->is_done);
    task_wait(t, TASK_NEVER, NULL, NULL);
    return TASK_WAIT;
}

static void
on_end(struct task *t)
{
    (void)t;
    PANIC("a fetch has no end step");
}

static const struct fetch_field *
dup_fields(struct arena *a, const struct fetch_field *from, unsigned n)
{
    struct fetch_field *fields = arena_calloc(a, (n + 1) * sizeof *fields);
    for (unsigned i = 0; i < n; i++) {
        fields[i].name = arena_dup(a, from[i].name);
        fields[i].value = arena_dup(a, from[i].value);
    }
    return fields;
}

struct fetch *
fetch_start(const struct fetch_args *args, struct task *waiter)
{
    AN(args->max != 0 && args->timeout > 0);
    struct arena *a = arena_new(4096);
    struct fetch *f = arena_calloc(a, sizeof *f);
    f->magic = FETCH_MAGIC;
    f->waiter = waiter;
    f->deadline = clock_mono() + args->timeout;
    f->args = *args;
    f->args.method = arena_dup(a, args->method);
    f->args.url = arena_dup(a, args->url);
    f->args.fields = dup_fields(a, args->fields, args->n_fields);
    if (args->body.p != NULL) {
        f->args.body = arena_dup(a, args->body);
    }
    task_init(&f->xfer.task, args->loop, &step_begin, on_end);
    xfer_init(&f->xfer, a, NULL);
    f->xfer.is_secret = args->is_secret;
    buf_init(&f->body, args->max);
    task_wake(&f->xfer.task);
    return f;
}

const struct fetch_result *
fetch_result(const struct fetch *f)
{
    CHECK(f, FETCH_MAGIC);
    return f->is_done ? &f->result : NULL;
}

/* Wipes this file's copies; the queues and buffers that others have are marked
 * and wiped by them. */
static void
wipe(struct fetch *f)
{
    for (unsigned i = 0; i < f->args.n_fields; i++) {
        struct str value = f->args.fields[i].value;
        mem_wipe((char *)value.p, value.n);
    }
    if (f->args.body.p != NULL) {
        mem_wipe((char *)f->args.body.p, f->args.body.n);
    }
}

void
fetch_free(struct fetch *f)
{
    CHECK(f, FETCH_MAGIC);
    struct arena *a = f->xfer.arena;
    close_connection(f);
    task_fini(&f->xfer.task);
    xfer_fini(&f->xfer);
    buf_fini(&f->body);
    if (f->args.is_secret) {
        wipe(f);
    }
    f->magic = 0;
    arena_free(a);
}

static const struct step step_begin = { "fetch: begin", run_begin };
static const struct step step_dial = { "fetch: dial", run_dial };
static const struct step step_head = { "fetch: head", run_head };
static const struct step step_body = { "fetch: body", run_body };
static const struct step step_done = { "fetch: done", run_done };
