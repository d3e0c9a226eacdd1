/*
 * weir's own answers as responses of an exchange: the head, with the reason in
 * its status line; the body is reply_body.c's.
 */

#include "proxy/reply.h"

#include "base/buf.h"
#include "base/clock.h"
#include "http/head.h"
#include "policy/policy.h"
#include "proxy/advice.h"
#include "proxy/conn.h"
#include "proxy/deny_message.h"
#include "proxy/reply_body.h"
#include "proxy/tx.h"
#include "proxy/worker.h"

/* A page that is larger becomes plain text. */
#define BODY_MAX 16384

static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    { 200, "OK" },
    { 201, "Created" },
    { 202, "Accepted" },
    { 204, "No Content" },
    { 301, "Moved Permanently" },
    { 302, "Found" },
    { 303, "See Other" },
    { 304, "Not Modified" },
    { 307, "Temporary Redirect" },
    { 308, "Permanent Redirect" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 407, "Proxy Authentication Required" },
    { 408, "Request Timeout" },
    { 410, "Gone" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 421, "Misdirected Request" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 451, "Unavailable For Legal Reasons" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 505, "HTTP Version Not Supported" },
};

struct str
reply_reason(unsigned status)
{
    for (size_t i = 0; i < LEN(reasons); i++) {
        if (reasons[i].status == status) {
            return str_of(reasons[i].reason);
        }
    }
    return STR("Unknown");
}

/* Empties what the origin may have set and begins weir's own response. */
static struct head *
reply_begin(struct tx *tx, unsigned status)
{
    struct head *h = &tx->xfer.response;
    head_init(h, tx->xfer.arena);
    h->status = status;
    h->reason = reply_reason(status);
    h->minor = 1;
    head_add(h, STR("Server"), STR("weir"));
    head_add(h, STR("Date"), arena_dup(tx->xfer.arena, clock_http()));
    return h;
}

static void
reply_end(struct tx *tx, struct str body)
{
    struct head *h = &tx->xfer.response;
    pump_fini(&tx->xfer.down);
    pump_init(&tx->xfer.down, NULL, &tx->conn->task);
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
