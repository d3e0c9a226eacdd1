/*
 * weir's own answers as responses of an exchange: the head, with the reason in
 * its status line; the body is reply_body.c's.
 */

#include "proxy/reply.h"

#include "base/buf.h"
#include "base/clock.h"
#include "http/head.h"
#include "http/reason.h"
#include "policy/policy.h"
#include "proxy/advice.h"
#include "proxy/conn.h"
#include "proxy/deny_message.h"
#include "proxy/reply_body.h"
#include "proxy/tx.h"
#include "proxy/worker.h"

/* A page that is larger becomes plain text. */
#define BODY_MAX 16384

/* Empties what the origin may have set and begins weir's own response. */
static struct head *
reply_begin(struct tx *tx, unsigned status)
{
    struct head *h = &tx->xfer.response;
    tx->xfer.follows = XFER_BODY; /* be it in place of a 101 */
    head_init(h, tx->xfer.arena);
    h->status = status;
    h->reason = reason_of(status);
    h->minor = 1;
    head_add(h, STR("Server"), STR("weir"));
    head_add(h, STR("Date"), arena_dup(tx->xfer.arena, clock_http()));
    return h;
}

static void
reply_end(struct tx *tx, struct str body)
{
    struct head *h = &tx->xfer.response;
    struct task *sink = tx->xfer.down.sink;
    pump_fini(&tx->xfer.down);
    pump_init(&tx->xfer.down, NULL, sink);
    h->body = BODY_LENGTH;
    h->length = body.n;
    bufq_append(pump_in(&tx->xfer.down), body);
    pump_filled(&tx->xfer.down, body.n);
    pump_end(&tx->xfer.down);
}

/* A details parameter is an sf-string: printable ASCII, quotes escaped. */
static struct str
reply_details(struct arena *a, struct str s)
{
    char *out = arena_alloc(a, s.n * 2 + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];
        if (ch == '"' || ch == '\\') {
            out[n++] = '\\';
        }
        out[n++] = ch >= 0x20 && ch < 0x7f ? (char)ch : '?';
    }
    return str_n(out, n);
}

static struct str
cut_to(struct str s, size_t max)
{
    return str_n(s.p, s.n < max ? s.n : max);
}

void
tx_reply(struct tx *tx, const struct reply *r)
{
    CHECK(tx, TX_MAGIC);
    struct head *h = reply_begin(tx, r->status);
    struct reply_text t = { .status = r->status,
        .title = h->reason,
        .reason = cut_to(
            r->reason.p != NULL ? r->reason : r->detail, REPLY_REASON_MAX),
        .detail = cut_to(r->detail, REPLY_TEXT_MAX),
        .message = r->is_denial ? deny_message(tx) : STR_NONE,
        .rule = str_of(r->rule != NULL ? r->rule : ""),
        .host = tx->authority.host,
        .revision = tx->policy != NULL ? tx->policy->revision : 0,
        .advice = advice_for(r->status, r->error),
        .page = worker_page(tx->conn->worker, r->status) };
    struct buf b;
    buf_init(&b, BODY_MAX);
    const char *type =
        reply_body(&t, head_get(&tx->xfer.request, FIELD_ACCEPT), &b);
    h->reason = reply_line(tx->xfer.arena, t.reason);
    head_add(h, STR("Content-Type"), str_of(type));
    if (r->error != NULL) {
        struct str details = reply_details(tx->xfer.arena, t.detail);
        head_add(h, STR("Proxy-Status"),
            arena_printf(tx->xfer.arena, "weir; error=%s; details=\"%.*s\"",
                r->error, STR_ARG(details)));
    }
    reply_end(tx, buf_str(&b));
    buf_fini(&b);
}

void
tx_reply_text(struct tx *tx, unsigned status, struct str text)
{
    CHECK(tx, TX_MAGIC);
    struct head *h = reply_begin(tx, status);
    if (text.n != 0) {
        head_add(h, STR("Content-Type"), STR("text/plain"));
    }
    reply_end(tx, text);
}
