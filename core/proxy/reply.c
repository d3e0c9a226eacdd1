/*
 * weir's own answers: one sentence, in the type that the client reads best.
 */

#include "proxy/reply.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "http/head.h"
#include "proxy/conn.h"
#include "proxy/tx.h"
#include "proxy/worker.h"

#define BODY_MAX 16384

/* What is longer is cut: JSON may need six times as much. */
#define DETAIL_MAX 1024

enum reply_type { REPLY_TEXT, REPLY_JSON, REPLY_HTML };

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

/* The first of the three that Accept names; without one, plain text. */
static enum reply_type
reply_type(const struct tx *tx)
{
    struct str accept = head_get(&tx->request, FIELD_ACCEPT);
    struct str part;
    while (str_cut(&accept, ',', &part)) {
        part = str_trim(str_n(part.p, str_find(part, ';')));
        if (str_ieq(part, STR("application/json")) ||
            str_ieq(part, STR("application/problem+json"))) {
            return REPLY_JSON;
        }
        if (str_ieq(part, STR("text/html"))) {
            return REPLY_HTML;
        }
        if (str_ieq(part, STR("text/plain"))) {
            return REPLY_TEXT;
        }
    }
    return REPLY_TEXT;
}

/* What a program or an agent should do about it. */
static const char *
reply_advice(unsigned status)
{
    switch (status) {
    case 403:
    case 405:
        return "Do not retry: whoever runs this sandbox decides what may "
               "leave.";
    case 407:
        return "Send this sandbox's id and token as proxy credentials.";
    case 421:
        return "Open a new connection for this host.";
    case 502:
    case 503:
    case 504:
        return "The request may be tried again later.";
    default:
        return "Mend the request; sending it again unchanged will not help.";
    }
}

static bool
body_json(struct buf *b, const struct tx *tx, const struct reply *r)
{
    bool ok = buf_addf(b, "{\"type\":\"about:blank\",\"title\":") &&
              json_string(b, reply_reason(r->status)) &&
              buf_addf(b, ",\"status\":%u,\"detail\":", r->status) &&
              json_string(b, r->detail) && buf_addf(b, ",\"rule\":") &&
              json_string(b, str_of(r->rule != NULL ? r->rule : "")) &&
              buf_addf(b, ",\"host\":") && json_string(b, tx->authority.host) &&
              buf_addf(b, ",\"revision\":0,\"advice\":") &&
              json_string(b, str_of(reply_advice(r->status)));
    return ok && buf_addf(b, "}\n");
}

static bool
add_html(struct buf *b, struct str s)
{
    bool ok = true;
    for (size_t i = 0; i < s.n && ok; i++) {
        switch (s.p[i]) {
        case '<':
            ok = buf_add(b, STR("&lt;"));
            break;
        case '>':
            ok = buf_add(b, STR("&gt;"));
            break;
        case '&':
            ok = buf_add(b, STR("&amp;"));
            break;
        case '"':
            ok = buf_add(b, STR("&quot;"));
            break;
        case '\'':
            ok = buf_add(b, STR("&#39;"));
            break;
        default:
            ok = buf_addc(b, s.p[i]);
        }
    }
    return ok;
}

/* The value of the mark that `page` begins with, and its length; 0: none. */
static size_t
page_mark(struct str page, const struct reply *r, const char *status,
    struct str *value)
{
    const struct {
        struct str mark, value;
    } marks[] = {
        { STR("{{status}}"), str_of(status) },
        { STR("{{reason}}"), reply_reason(r->status) },
        { STR("{{detail}}"), r->detail },
        { STR("{{advice}}"), str_of(reply_advice(r->status)) },
    };
    for (size_t i = 0; i < LEN(marks); i++) {
        if (str_starts(page, marks[i].mark)) {
            *value = marks[i].value;
            return marks[i].mark.n;
        }
    }
    return 0;
}

static bool
body_html(struct buf *b, struct str page, const struct reply *r)
{
    char status[16];
    bool ok = true;
    snprintf(status, sizeof status, "%u", r->status);
    while (page.n != 0 && ok) {
        struct str value;
        size_t n = page_mark(page, r, status, &value);
        if (n != 0) {
            ok = add_html(b, value);
        } else {
            n = str_find(str_skip(page, 1), '{') + 1;
            ok = buf_add(b, str_n(page.p, n));
        }
        page = str_skip(page, n);
    }
    return ok;
}

static bool
body_text(struct buf *b, const struct reply *r)
{
    return buf_addf(b, "%u %.*s: %.*s\n%s\n", r->status,
        STR_ARG(reply_reason(r->status)), STR_ARG(r->detail),
        reply_advice(r->status));
}

static const char *
reply_body(struct tx *tx, const struct reply *r, struct buf *b)
{
    struct str page = worker_page(tx->conn->worker, r->status);
    switch (reply_type(tx)) {
    case REPLY_JSON:
        AN(body_json(b, tx, r));
        return "application/problem+json";
    case REPLY_HTML:
        if (page.n != 0 && body_html(b, page, r)) {
            return "text/html; charset=utf-8";
        }
        buf_clear(b);
        break;
    case REPLY_TEXT:
        break;
    }
    AN(body_text(b, r));
    return "text/plain; charset=utf-8";
}

/* Empties what the origin may have set and begins weir's own response. */
static struct head *
reply_begin(struct tx *tx, unsigned status)
{
    struct head *h = &tx->response;
    head_init(h, tx->arena);
    h->status = status;
    h->reason = reply_reason(status);
    h->minor = 1;
    head_add(h, STR("Server"), STR("weir"));
    head_add(h, STR("Date"), arena_dup(tx->arena, clock_http()));
    return h;
}

static void
reply_end(struct tx *tx, struct str body)
{
    struct head *h = &tx->response;
    pump_fini(&tx->down);
    pump_init(&tx->down, NULL, &tx->conn->task);
    h->body = BODY_LENGTH;
    h->length = body.n;
    bufq_append(pump_in(&tx->down), body);
    pump_filled(&tx->down, body.n);
    pump_end(&tx->down);
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

void
tx_reply(struct tx *tx, const struct reply *what)
{
    CHECK(tx, TX_MAGIC);
    struct reply cut = *what;
    const struct reply *r = &cut;
    struct head *h = reply_begin(tx, r->status);
    struct buf b;
    if (cut.detail.n > DETAIL_MAX) {
        cut.detail.n = DETAIL_MAX;
    }
    buf_init(&b, BODY_MAX);
    const char *type = reply_body(tx, r, &b);
    head_add(h, STR("Content-Type"), str_of(type));
    if (r->error != NULL) {
        struct str details = reply_details(tx->arena, r->detail);
        head_add(h, STR("Proxy-Status"),
            arena_printf(tx->arena, "weir; error=%s; details=\"%.*s\"",
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
