/*
 * Accept-Encoding, Content-Encoding and other fields about a body's bytes, for
 * exchanges of which a filter wants the decoded body.
 */

#include "proxy/coding.h"

#include "proxy/hook.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"
#include "proxy/reply.h"
#include "proxy/tx.h"

/* RFC 9110 12.4.2: a weight of zero, which forbids. */
static bool
is_forbidden(struct str part)
{
    struct str weight = str_trim(str_skip(part, str_find(part, ';')));
    size_t at = str_find(weight, '=');
    if (at == weight.n) {
        return false;
    }
    weight = str_trim(str_skip(weight, at + 1));
    bool is_zero = weight.n != 0;
    for (size_t i = 0; i < weight.n; i++) {
        is_zero = is_zero && (weight.p[i] == '0' || weight.p[i] == '.');
    }
    return is_zero;
}

/* Whether this part of Accept-Encoding may be sent to the origin. */
static bool
may_ask(struct str part)
{
    struct str name = str_trim(str_n(part.p, str_find(part, ';')));
    return str_ieq(name, STR("identity")) || hooks_transcoder(name) != NULL ||
           (str_eq(name, STR("*")) && is_forbidden(part));
}

/* Adds the parts of one field's value that may be sent; *is_cut: some may not.
 */
static size_t
copy_readable(struct str value, char *to, size_t n, bool *is_cut)
{
    struct str part;
    while (str_cut(&value, ',', &part)) {
        part = str_trim(part);
        if (part.n == 0 || !may_ask(part)) {
            *is_cut = *is_cut || part.n != 0;
            continue;
        }
        if (n != 0) {
            memcpy(to + n, ", ", 2);
            n += 2;
        }
        memcpy(to + n, part.p, part.n);
        n += part.n;
    }
    return n;
}

/* All parts of Accept-Encoding that may be sent, as one list. Its memory is
 * allocated once, since there may be thousands of parts. */
static struct str
readable(struct tx *tx, bool *is_cut)
{
    const struct head *h = &tx->xfer.request;
    const struct field *f = NULL;
    size_t max = 0, n = 0;
    while ((f = head_next(h, FIELD_ACCEPT_ENCODING, f)) != NULL) {
        max += 2 * (f->value.n + 1); /* "a,b" grows by a byte for each */
    }
    char *to = arena_alloc(tx->xfer.arena, max + 1);
    while ((f = head_next(h, FIELD_ACCEPT_ENCODING, f)) != NULL) {
        n = copy_readable(f->value, to, n, is_cut);
    }
    AN(n <= max);
    return str_n(to, n);
}

/* Whether a range of a body, or a coding that cannot be read, is refused. */
static bool
is_strict(const struct tx *tx, unsigned wishes)
{
    return !(wishes & FILTER_LOOKS) || tx->needs_whole;
}

void
coding_ask(struct tx *tx)
{
    struct head *h = &tx->xfer.request;
    unsigned wishes = hooks_wishes(tx);
    if (!(wishes & FILTER_IDENTITY)) {
        return;
    }
    bool is_cut = false;
    struct str list = readable(tx, &is_cut);
    if (is_cut) {
        head_set(
            h, STR("Accept-Encoding"), list.n != 0 ? list : STR("identity"));
    }
    if (is_strict(tx, wishes)) {
        head_remove(h, STR("Range"));
        head_remove(h, STR("If-Range"));
    }
}

/* Names that some origins send though there is no coding: clients take the body
 * as it is. Object stores send back what an SDK stored; others send a charset.
 */
static bool
is_no_coding(struct str name)
{
    static const char *const names[] = { "", "7bit", "8bit", "ascii",
        "aws-chunked", "big5", "binary", "gb18030", "gb2312", "gbk", "identity",
        "latin1", "none", "null", "shift_jis", "text", "us-ascii", "utf8" };
    static const char *const beginnings[] = { "euc-", "iso-8859-", "koi8-",
        "utf-", "windows-" };
    for (size_t i = 0; i < LEN(names); i++) {
        if (str_ieq(name, str_of(names[i]))) {
            return true;
        }
    }
    for (size_t i = 0; i < LEN(beginnings); i++) {
        struct str begins = str_of(beginnings[i]);
        if (name.n > begins.n && str_ieq(str_n(name.p, begins.n), begins)) {
            return true;
        }
    }
    return false;
}

bool
coding_of(const struct head *h, const struct transcoder **t)
{
    bool has_one = false;
    *t = NULL;
    for (const struct field *f = head_next(h, FIELD_CONTENT_ENCODING, NULL);
         f != NULL; f = head_next(h, FIELD_CONTENT_ENCODING, f)) {
        struct str rest = f->value, part;
        while (str_cut(&rest, ',', &part)) {
            part = str_trim(part);
            if (is_no_coding(part)) {
                continue;
            }
            *t = has_one ? NULL : hooks_transcoder(part);
            has_one = true;
            if (*t == NULL) {
                return false;
            }
        }
    }
    return true;
}

static bool
refuse(struct tx *tx, const char *error, const char *why)
{
    struct reply r = {
        .status = 502, .error = error, .rule = "upstream", .detail = str_of(why)
    };
    tx_fail(tx, FAULT_ORIGIN, "%s", why);
    tx_reply(tx, &r);
    return false;
}

static void
weaken_etag(struct tx *tx)
{
    struct head *h = &tx->xfer.response;
    for (unsigned i = 0; i < h->n; i++) {
        struct str *value = &h->fields[i].value;
        if (h->fields[i].id == FIELD_ETAG && !str_starts(*value, STR("W/"))) {
            *value = arena_printf(tx->xfer.arena, "W/%.*s", STR_ARG(*value));
        }
    }
}

/* Removes fields about the bytes that the origin sent, since other bytes leave.
 * A 304 too: it is not known whether its body would be compressed. */
static void
correct_head(struct tx *tx)
{
    struct head *h = &tx->xfer.response;
    head_remove(h, STR("Accept-Ranges"));
    head_remove_digests(h);
    if (tx->transcoder != NULL || h->status == 304) {
        weaken_etag(tx);
    }
}

/* Whether filters that want decoded bytes can have this response. */
static bool
decode(struct tx *tx, unsigned wishes, bool is_empty)
{
    struct head *h = &tx->xfer.response;
    bool is_part = h->status == 206;
    bool is_read = is_empty || coding_of(h, &tx->transcoder);
    if (is_strict(tx, wishes)) {
        if (is_part) {
            return refuse(tx, "http_protocol_error",
                "the origin sent a part of a body that was asked for whole");
        }
        if (!is_read) {
            return refuse(tx, "http_response_content_coding",
                "the origin sent a content coding that cannot be read, and the "
                "response has to be looked through");
        }
        head_remove(h, STR("Accept-Ranges"));
    } else if (is_part) {
        tx->transcoder = NULL; /* it passes as it comes */
    }
    if (h->status == 304) {
        head_remove(h, STR("Content-Length"));
    }
    if (!(wishes & FILTER_LOOKS)) {
        correct_head(tx);
    }
    return true;
}

bool
coding_begin(struct tx *tx)
{
    struct head *h = &tx->xfer.response;
    unsigned wishes = hooks_wishes(tx);
    bool has_body = head_response_has_body(h, tx->xfer.request.method_id);
    bool is_empty = h->status == 204 || h->status == 304 ||
                    (h->body == BODY_LENGTH && h->length == 0);
    AZ(tx->xfer.down.n_stages);
    if (wishes & FILTER_IDENTITY && !decode(tx, wishes, is_empty)) {
        return false;
    }
    if (is_empty) {
        return true;
    }
    if (!(wishes & FILTER_KEEPS_LENGTH) || tx->transcoder != NULL) {
        head_remove(h, STR("Content-Length"));
        h->body = has_body ? BODY_CHUNKED : h->body;
    }
    if (has_body) {
        hooks_filters(tx, false);
    }
    return true;
}
