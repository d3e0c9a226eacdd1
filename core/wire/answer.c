/*
 * A request and its answer, on the handler's side. The answer's task collects
 * the body and asks the handler; the connection's task reads and writes the
 * bytes (answer_conn.c). The state only goes forward: REQUEST, ASKED, STREAM,
 * GIVEN. It goes from REQUEST to GIVEN if the server refuses, and from ASKED to
 * GIVEN if the handler gives the whole answer at once.
 */

#include "wire/answer.h"

#include "base/clock.h"
#include "http/reason.h"
#include "wire/answer_conn.h"

static const struct step step_body, step_ask, step_room;

static struct answer *
answer_of(struct task *t)
{
    struct answer *a = container_of(t, struct answer, xfer.task);
    CHECK(a, ANSWER_MAGIC);
    return a;
}

static const struct answer_handler *
handler_of(const struct answer *a)
{
    return &a->conn->listener->server->conf.handler;
}

static const struct step *
wait_for_wake(struct answer *a)
{
    task_wait(&a->xfer.task, TASK_NEVER, NULL, NULL);
    return TASK_WAIT;
}

/* Takes what the pump has of the body. */
static void
collect(struct answer *a)
{
    struct bufq *from = pump_out(&a->xfer.up);
    while (!bufq_is_empty(from)) {
        struct str run = bufq_peek(from);
        AN(buf_add(
            &a->collected, run)); /* xfer.body_max keeps it below the limit */
        bufq_consume(from, run.n);
        pump_took(&a->xfer.up, run.n);
    }
}

static const struct step *
run_body(struct task *t)
{
    struct answer *a = answer_of(t);
    if (a->state != ANSWER_REQUEST) {
        return wait_for_wake(a); /* it was refused in the meantime */
    }
    collect(a);
    return pump_is_done(&a->xfer.up) ? &step_ask : wait_for_wake(a);
}

static const struct step *
run_ask(struct task *t)
{
    struct answer *a = answer_of(t);
    const struct answer_handler *h = handler_of(a);
    AN(a->state == ANSWER_REQUEST && !a->is_handled);
    AN(a->collected.n <= a->xfer.body_max);
    a->body = buf_str(&a->collected);
    a->state = ANSWER_ASKED;
    a->is_handled = true;
    a->xfer.task.step = &step_room;
    h->on_ask(a, h->arg);
    return wait_for_wake(a);
}

static const struct step *
run_room(struct task *t)
{
    struct answer *a = answer_of(t);
    const struct answer_handler *h = handler_of(a);
    AN(a->is_handled);
    if (a->state == ANSWER_STREAM && a->xfer.down.is_woken &&
        h->on_room != NULL) {
        h->on_room(a, h->arg);
    }
    return wait_for_wake(a);
}

static void
on_task_end(struct task *t)
{
    (void)t;
    PANIC("an answer has no end step");
}

struct answer *
answer_new(struct answer_conn *c)
{
    struct arena *arena = arena_new(4096);
    arena_mark_secret(arena); /* a head may have a token */
    struct answer *a = arena_calloc(arena, sizeof *a);
    const struct answer_conf *conf = &c->listener->server->conf;
    a->magic = ANSWER_MAGIC;
    a->conn = c;
    a->place = c->listener->args.place;
    a->request = &a->xfer.request;
    task_init(&a->xfer.task, conf->loop, &step_body, on_task_end);
    xfer_init(&a->xfer, arena, &c->task);
    a->xfer.body_max = conf->body_max;
    buf_init(&a->collected, conf->body_max);
    buf_mark_secret(&a->collected);
    head_add(&a->xfer.response, STR("Server"), STR("weir"));
    return a;
}

void
answer_add(struct answer *a, struct str name, struct str value)
{
    CHECK(a, ANSWER_MAGIC);
    AZ(a->xfer.is_head_ready);
    struct arena *arena = a->xfer.arena;
    head_add(
        &a->xfer.response, arena_dup(arena, name), arena_dup(arena, value));
}

static void
set_head(struct answer *a, unsigned status, enum body_kind kind, size_t length)
{
    struct head *h = &a->xfer.response;
    AN(status >= 200 && status <= 599);
    AZ(a->xfer.is_head_ready);
    h->status = status;
    h->reason = reason_of(status);
    h->minor = 1;
    h->body = kind;
    h->length = length;
    head_add(h, STR("Date"), arena_dup(a->xfer.arena, clock_http()));
    a->xfer.is_head_ready = true;
    task_wake(&a->conn->task);
}

static void
give(struct answer *a, unsigned status, struct str body)
{
    struct pump *down = &a->xfer.down;
    set_head(a, status, BODY_LENGTH, body.n);
    bufq_append(pump_in(down), body);
    pump_filled(down, body.n);
    pump_end(down);
    a->state = ANSWER_GIVEN;
}

void
answer_give(struct answer *a, unsigned status, struct str body)
{
    CHECK(a, ANSWER_MAGIC);
    AN(a->state == ANSWER_ASKED);
    give(a, status, body);
}

void
answer_begin(struct answer *a, unsigned status)
{
    CHECK(a, ANSWER_MAGIC);
    AN(a->state == ANSWER_ASKED);
    set_head(a, status, BODY_CHUNKED, 0);
    a->state = ANSWER_STREAM;
}

size_t
answer_write(struct answer *a, struct str s)
{
    CHECK(a, ANSWER_MAGIC);
    AN(a->state == ANSWER_STREAM);
    struct pump *down = &a->xfer.down;
    size_t n = bufq_write(pump_in(down), s);
    if (n != 0) {
        pump_filled(down, n);
    }
    if (n < s.n) {
        AN(pump_stop_if_full(down));
    }
    return n;
}

size_t
answer_room(const struct answer *a)
{
    CHECK(a, ANSWER_MAGIC);
    AN(a->state == ANSWER_STREAM);
    return bufq_room(&a->xfer.down.in);
}

void
answer_end(struct answer *a)
{
    CHECK(a, ANSWER_MAGIC);
    AN(a->state == ANSWER_STREAM);
    pump_end(&a->xfer.down);
    a->state = ANSWER_GIVEN;
}

void
answer_break(struct answer *a)
{
    CHECK(a, ANSWER_MAGIC);
    AN(a->state == ANSWER_STREAM);
    a->xfer.is_broken = a->xfer.must_close = true;
    a->state = ANSWER_GIVEN;
    task_wake(&a->conn->task);
}

void
answer_refuse(struct answer *a, unsigned status, const char *why)
{
    CHECK(a, ANSWER_MAGIC);
    AN(a->state == ANSWER_REQUEST && !a->is_handled);
    const struct answer_handler *h = handler_of(a);
    struct str body;
    if (h->on_refuse != NULL) {
        body = h->on_refuse(a, status, why, h->arg);
    } else {
        body = arena_printf(a->xfer.arena, "%s\n", why);
        answer_add(a, STR("Content-Type"), STR("text/plain; charset=utf-8"));
    }
    a->xfer.must_close = true;
    give(a, status, body);
}

void
answer_free(struct answer *a)
{
    CHECK(a, ANSWER_MAGIC);
    const struct answer_handler *h = handler_of(a);
    if (a->is_handled && h->on_end != NULL) {
        h->on_end(a, h->arg);
    }
    task_fini(&a->xfer.task);
    xfer_fini(&a->xfer);
    buf_fini(&a->collected);
    a->magic = 0;
    arena_free(a->xfer.arena);
}

static const struct step step_body = { "answer: body", run_body };
static const struct step step_ask = { "answer: ask", run_ask };
static const struct step step_room = { "answer: room", run_room };
