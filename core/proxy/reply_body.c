/*
 * See reply_body.h. Called by reply.c. In every type the reason comes first,
 * for there it is seen, and what a peer sent is text and nothing else.
 */

#include "proxy/reply_body.h"

#include <stdio.h>

#include "base/json.h"
#include "base/obj.h"

enum reply_type { REPLY_TEXT, REPLY_JSON, REPLY_HTML, REPLY_OTHER };

static enum reply_type
reply_type_of(struct str media)
{
    if (str_ieq(media, STR("text/html"))) {
        return REPLY_HTML;
    }
    if (str_ieq(media, STR("text/plain"))) {
        return REPLY_TEXT;
    }
    size_t suffix = media.n - (media.n < 5 ? media.n : 5);
    bool is_json = str_ieq(media, STR("application/json")) ||
                   str_ieq(str_skip(media, suffix), STR("+json"));
    return is_json ? REPLY_JSON : REPLY_OTHER;
}

/* The first of the three that Accept names; without one, plain text. */
static enum reply_type
reply_type(struct str accept)
{
    struct str part;
    while (str_cut(&accept, ',', &part)) {
        part = str_trim(str_n(part.p, str_find(part, ';')));
        enum reply_type type = reply_type_of(part);
        if (type != REPLY_OTHER) {
            return type;
        }
    }
    return REPLY_TEXT;
}

static bool
body_json(struct buf *b, const struct reply_text *t)
{
    bool ok = buf_addc(b, '{') && json_key_string(b, "error", t->reason) &&
              json_key_string(b, "type", STR("about:blank")) &&
              json_key_string(b, "title", t->title) &&
              json_key_u64(b, "status", t->status) &&
              json_key_string(b, "detail", t->detail);
    if (ok && t->message.n != 0) {
        ok = json_key_string(b, "message", t->message);
    }
    ok = ok && json_key_string(b, "rule", t->rule) &&
         json_key_string(b, "host", t->host) &&
         json_key_u64(b, "revision", t->revision) &&
         json_key_bool(b, "retryable", t->advice.is_retryable) &&
         json_key_string(b, "advice", str_of(t->advice.text));
    return ok && buf_add(b, STR("}\n"));
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
page_mark(struct str page, const struct reply_text *t, struct str status,
    struct str *value)
{
    const struct {
        struct str mark, value;
    } marks[] = {
        { STR("{{status}}"), status },
        { STR("{{reason}}"), t->title },
        { STR("{{error}}"), t->reason },
        { STR("{{detail}}"), t->detail },
        { STR("{{message}}"), t->message },
        { STR("{{advice}}"), str_of(t->advice.text) },
    };
    for (size_t i = 0; i < LEN(marks); i++) {
        if (str_starts(page, marks[i].mark)) {
            *value = marks[i].value;
            return marks[i].mark.n;
        }
    }
    return 0;
}

/* False where marks that come again and again make it too large. */
static bool
body_html(struct buf *b, const struct reply_text *t)
{
    char room[STR_U64_MAX];
    struct str status = str_of_u64(t->status, room), page = t->page;
    bool ok = page.n != 0;
    while (page.n != 0 && ok) {
        struct str value;
        size_t n = page_mark(page, t, status, &value);
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
body_text(struct buf *b, const struct reply_text *t)
{
    bool ok = buf_addf(b, "%.*s\n", STR_ARG(t->detail));
    if (ok && t->message.n != 0) {
        ok = buf_addf(b, "%.*s\n", STR_ARG(t->message));
    }
    return ok && buf_addf(b, "%s\n(%u %.*s, by weir)\n", t->advice.text,
                     t->status, STR_ARG(t->title));
}

const char *
reply_body(const struct reply_text *t, struct str accept, struct buf *b)
{
    switch (reply_type(accept)) {
    case REPLY_JSON:
        AN(body_json(b, t));
        return "application/problem+json";
    case REPLY_HTML:
        if (body_html(b, t)) {
            return "text/html; charset=utf-8";
        }
        buf_clear(b);
        break;
    case REPLY_TEXT:
    case REPLY_OTHER:
        break;
    }
    AN(body_text(b, t));
    return "text/plain; charset=utf-8";
}

struct str
reply_line(struct arena *a, struct str reason)
{
    AN(reason.n <= REPLY_REASON_MAX);
    char *out = arena_alloc(a, REPLY_REASON_MAX);
    for (size_t i = 0; i < reason.n; i++) {
        unsigned char ch = (unsigned char)reason.p[i];
        out[i] = ch >= 0x20 && ch < 0x7f ? (char)ch : '?';
    }
    return str_n(out, reason.n);
}
