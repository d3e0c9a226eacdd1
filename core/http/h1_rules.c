/*
 * The rules by which a head has one meaning: RFC 9112 3.2 (target and
 * Host), 6.3 (how a body ends), 9.3 (whether the connection persists). A
 * request that breaks one is refused; nothing is guessed or repaired. A
 * response is accepted where its meaning is plain: equal lengths count once,
 * and an odd Connection concerns this hop only.
 */

#include "http/h1_rules.h"

#include <inttypes.h>

#include "http/h1_parse.h"

#define CONNECTION_OPTIONS_MAX 32 /* with empty ones; each costs a search */
#define LENGTH_DIGITS_MAX 18      /* below 2^63 */

static bool
is_twice(const struct head *h, enum field_id id)
{
    const struct field *f = head_next(h, id, NULL);
    return f != NULL && head_next(h, id, f) != NULL;
}

/* A parser that reads `_` as `-` would frame the message by such a field. */
static int
refuse_mimics(const struct head *h, struct h1_error *err)
{
    for (unsigned i = 0; h->has_underscore && i < h->n; i++) {
        const struct field *f = &h->fields[i];
        if (f->id == FIELD_OTHER &&
            (field_name_eq(f->name, STR("Content-Length")) ||
                field_name_eq(f->name, STR("Transfer-Encoding")))) {
            return h1_refuse(err, H1_E_MIMIC);
        }
    }
    return 0;
}

static int
take_authority(
    struct head *h, struct str s, uint16_t default_port, struct h1_error *err)
{
    const char *why = NULL;
    if (!authority_parse(h->arena, s, default_port, &h->authority, &why)) {
        return h1_refuse_why(err, H1_E_AUTHORITY, why);
    }
    if (h->authority.port == 0) {
        return h1_refuse_why(err, H1_E_AUTHORITY, "CONNECT without a port");
    }
    return 0;
}

/* The path behind an absolute form's authority (RFC 9112 3.2.1, 3.2.4). */
static struct str
absolute_path(const struct head *h, struct str rest)
{
    if (rest.n == 0) {
        return h->method_id == METHOD_OPTIONS ? STR("*") : STR("/");
    }
    return rest.p[0] == '?' ? arena_printf(h->arena, "/%.*s", STR_ARG(rest))
                            : rest;
}

static int
take_absolute(struct head *h, struct str target, struct h1_error *err)
{
    struct str scheme = str_n(target.p, str_find(target, ':'));
    struct str rest = str_skip(target, scheme.n);
    bool is_https = str_ieq(scheme, STR("https"));
    if ((!is_https && !str_ieq(scheme, STR("http"))) ||
        !str_starts(rest, STR("://"))) {
        return h1_refuse(err, H1_E_TARGET);
    }
    h->form = TARGET_ABSOLUTE;
    h->scheme = is_https ? STR("https") : STR("http");
    rest = str_skip(rest, 3);
    size_t n = 0;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?') {
        n++;
    }
    h->path = absolute_path(h, str_skip(rest, n));
    return take_authority(h, str_n(rest.p, n), is_https ? 443 : 80, err);
}

/* The method decides which forms are allowed (RFC 9112 3.2). No client sends a
 * fragment. */
static int
take_target(struct head *h, struct str target, struct h1_error *err)
{
    if (str_find(target, '#') != target.n) {
        return h1_refuse(err, H1_E_TARGET);
    }
    if (h->method_id == METHOD_CONNECT) {
        h->form = TARGET_AUTHORITY;
        if (take_authority(h, target, 0, err) != 0) {
            return -1;
        }
        h->path = STR_NONE;
        return 0;
    }
    if (target.p[0] == '/') {
        h->form = TARGET_ORIGIN;
        h->path = target;
        return 0;
    }
    if (str_eq(target, STR("*")) && h->method_id == METHOD_OPTIONS) {
        h->form = TARGET_ASTERISK;
        h->path = target;
        return 0;
    }
    return take_absolute(h, target, err);
}

/* The port of a Host that has none; 0: any port. */
static uint16_t
host_port(const struct head *h, uint16_t default_port)
{
    switch (h->form) {
    case TARGET_AUTHORITY:
        return 0;
    case TARGET_ABSOLUTE:
        return str_eq(h->scheme, STR("https")) ? 443 : 80;
    case TARGET_ORIGIN:
    case TARGET_ASTERISK:
        break;
    }
    return default_port;
}

/* By RFC 9112 3.2.2 the target counts, not Host. Here a request in which they
 * differ is ambiguous and refused. */
static int
take_host(struct head *h, uint16_t default_port, struct h1_error *err)
{
    struct authority host;
    const char *why = NULL;
    if (!head_has(h, FIELD_HOST)) {
        return h->minor == 0 ? 0 : h1_refuse(err, H1_E_HOST_MISSING);
    }
    if (is_twice(h, FIELD_HOST)) {
        return h1_refuse(err, H1_E_HOST_TWICE);
    }
    if (!authority_parse(h->arena, head_get(h, FIELD_HOST),
            host_port(h, default_port), &host, &why)) {
        return h1_refuse_why(err, H1_E_HOST, why);
    }
    if (h->authority.kind == HOST_NONE) {
        h->authority = host;
        return 0;
    }
    if (h->method_id == METHOD_CONNECT) {
        return 0; /* the target counts, and Host is not forwarded; some clients
                     send the proxy's own name in it */
    }
    host.port = host.port != 0 ? host.port : h->authority.port;
    return authority_eq(&host, &h->authority)
               ? 0
               : h1_refuse(err, H1_E_HOST_DIFFERS);
}

static int
parse_length(struct str s, uint64_t *out, struct h1_error *err)
{
    if (s.n > LENGTH_DIGITS_MAX || (s.n > 1 && s.p[0] == '0') ||
        !str_u64(s, out)) {
        return h1_refuse(err, H1_E_LENGTH);
    }
    return 0;
}

static int
take_one_length(struct head *h, struct h1_error *err)
{
    if (is_twice(h, FIELD_CONTENT_LENGTH)) {
        return h1_refuse(err, H1_E_LENGTH_TWICE);
    }
    return parse_length(head_get(h, FIELD_CONTENT_LENGTH), &h->length, err);
}

/* A response may have its length several times, in fields or lists, if all are
 * equal (RFC 9110 8.6). They become one field. */
static int
take_lengths(struct head *h, struct h1_error *err)
{
    unsigned n = 0;
    for (const struct field *f = head_next(h, FIELD_CONTENT_LENGTH, NULL);
         f != NULL; f = head_next(h, FIELD_CONTENT_LENGTH, f)) {
        struct str rest = f->value, part;
        while (str_cut(&rest, ',', &part)) {
            uint64_t length;
            part = str_trim(part);
            while (part.n > 1 && part.p[0] == '0') {
                part = str_skip(part, 1);
            }
            if (parse_length(part, &length, err) != 0) {
                return -1;
            }
            if (n++ != 0 && length != h->length) {
                return h1_refuse(err, H1_E_LENGTH_TWICE);
            }
            h->length = length;
        }
    }
    if (n == 0) {
        return h1_refuse(err, H1_E_LENGTH);
    }
    struct str canonical = arena_printf(h->arena, "%" PRIu64, h->length);
    if (n > 1 || !str_eq(canonical, head_get(h, FIELD_CONTENT_LENGTH))) {
        head_set(h, STR("Content-Length"), canonical);
    }
    return 0;
}

/* RFC 2616 3.6 had "identity" for no coding. */
static bool
is_identity(const struct head *h)
{
    return !is_twice(h, FIELD_TRANSFER_ENCODING) &&
           str_ieq(head_get(h, FIELD_TRANSFER_ENCODING), STR("identity"));
}

/* Sets h->body by the fields alone; BODY_NONE if there are none. */
static int
take_framing(struct head *h, enum h1_from from, struct h1_error *err)
{
    bool has_length = head_has(h, FIELD_CONTENT_LENGTH);
    if (!head_has(h, FIELD_TRANSFER_ENCODING) ||
        (from == H1_RESPONSE && is_identity(h))) {
        if (!has_length) {
            return 0;
        }
        h->body = BODY_LENGTH;
        return from == H1_RESPONSE ? take_lengths(h, err)
                                   : take_one_length(h, err);
    }
    if (has_length) {
        return h1_refuse(err, H1_E_LENGTH_AND_CODING);
    }
    if (h->minor == 0 || is_twice(h, FIELD_TRANSFER_ENCODING) ||
        !str_ieq(head_get(h, FIELD_TRANSFER_ENCODING), STR("chunked"))) {
        return h1_refuse(err, H1_E_CODING);
    }
    h->body = BODY_CHUNKED;
    return 0;
}

struct options {
    bool close, keep_alive, upgrade;
    unsigned n;
};

/* One member of Connection. head_remove_hop_by_hop() removes the fields that it
 * names; a member that is no token is ignored. */
static void
take_option(struct options *o, struct str option)
{
    switch (field_lookup(option)) {
    case FIELD_KEEP_ALIVE:
        o->keep_alive = true;
        break;
    case FIELD_UPGRADE:
        o->upgrade = true;
        break;
    default:
        o->close = o->close || str_ieq(option, STR("close"));
    }
}

/* A request's Connection may not name a field for all recipients, by which the
 * message is framed, routed or decoded (RFC 9110 7.6.1). */
static int
check_option(struct str option, struct h1_error *err)
{
    bool is_good =
        field_name_is_valid(option) && !head_is_for_all(field_lookup(option));
    return is_good ? 0 : h1_refuse(err, H1_E_CONNECTION);
}

static int
take_options(const struct head *h, enum h1_from from, struct options *o,
    struct h1_error *err)
{
    for (const struct field *f = head_next(h, FIELD_CONNECTION, NULL);
         f != NULL; f = head_next(h, FIELD_CONNECTION, f)) {
        struct str rest = f->value, part;
        while (str_cut(&rest, ',', &part)) {
            part = str_trim(part);
            if (++o->n > CONNECTION_OPTIONS_MAX) {
                return h1_refuse(err, H1_E_CONNECTION);
            }
            if (part.n == 0) {
                continue;
            }
            if (from == H1_REQUEST && check_option(part, err) != 0) {
                return -1;
            }
            take_option(o, part);
        }
    }
    return 0;
}

static int
take_connection(struct head *h, enum h1_from from, struct h1_error *err)
{
    struct options o = { 0 };
    if (take_options(h, from, &o, err) != 0) {
        return -1;
    }
    h->keep_alive = !o.close && (h->minor >= 1 || o.keep_alive);
    if (o.upgrade && h->minor >= 1 && head_has(h, FIELD_UPGRADE)) {
        bool is_ws = str_ieq(head_get(h, FIELD_UPGRADE), STR("websocket"));
        h->upgrade = is_ws && !is_twice(h, FIELD_UPGRADE) ? UPGRADE_WEBSOCKET
                                                          : UPGRADE_OTHER;
    }
    return 0;
}

int
h1_request_rules(struct head *h, struct str target, uint16_t default_port,
    struct h1_error *err)
{
    if (take_target(h, target, err) != 0 ||
        take_host(h, default_port, err) != 0 || refuse_mimics(h, err) != 0 ||
        take_framing(h, H1_REQUEST, err) != 0 ||
        take_connection(h, H1_REQUEST, err) != 0) {
        return -1;
    }
    if (h->body == BODY_LENGTH && h->length == 0) {
        h->body = BODY_NONE;
    }
    if (h->method_id == METHOD_CONNECT && h->body != BODY_NONE) {
        return h1_refuse(err, H1_E_CONNECT_BODY);
    }
    h->expects_continue = h->minor >= 1 && str_ieq(head_get(h, FIELD_EXPECT),
                                               STR("100-continue"));
    h->accepts_trailers = head_list_has(h, FIELD_TE, STR("trailers"));
    return 0;
}

/* Whether the response may have no body but announces one: the origin may send
 * it all the same, so the connection is not used again. */
static bool
is_body_unexpected(const struct head *h)
{
    bool is_bare = h->status < 200 || h->status == 204;
    return is_bare && (h->body == BODY_CHUNKED ||
                          (h->body == BODY_LENGTH && h->length != 0));
}

int
h1_response_rules(struct head *h, enum method method, struct h1_error *err)
{
    if (refuse_mimics(h, err) != 0 || take_framing(h, H1_RESPONSE, err) != 0 ||
        take_connection(h, H1_RESPONSE, err) != 0) {
        return -1;
    }
    if (!head_response_has_body(h, method)) {
        h->keep_alive = h->keep_alive && !is_body_unexpected(h);
        h->body = BODY_NONE;
    } else if (h->body == BODY_NONE) {
        h->body = BODY_UNTIL_CLOSE;
        h->keep_alive = false;
    }
    return 0;
}
