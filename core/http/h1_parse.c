/*
 * Parses the lines of an HTTP/1 head: its end, the start line, field lines. It
 * checks each byte against the class that its place allows. h1_rules.c checks
 * what the lines mean together.
 */

#include "http/h1_parse.h"

#include "http/h1_rules.h"
#include "http/scan.h"

/* The most lines that continue one field (obs-fold). */
#define FOLDS_MAX 32

/* The rest of the head, from p to end. It ends in an empty line (check_end), so
 * each search for the end of a line finds one. */
struct cursor {
    const char *p, *end;
    enum h1_from from;
    bool has_bare; /* a line ended in a bare LF */
};

/* The length of the line end at `p`: of CRLF, or in a response of a bare LF,
 * too (RFC 9112 2.2); 0: there is none. */
static inline size_t
line_end(enum h1_from from, const char *p, const char *end)
{
    if (end - p >= 2 && p[0] == '\r' && p[1] == '\n') {
        return 2;
    }
    return from == H1_RESPONSE && p < end && *p == '\n' ? 1 : 0;
}

/* Whether `in` has, from `at` on, a control byte outside of a line end. A CR as
 * the last byte may become part of one. */
static bool
has_stray_control(struct str in, size_t at, enum h1_from from)
{
    const char *end = in.p + in.n, *p = in.p + at;
    for (p = scan_text(p, end); p < end; p = scan_text(p, end)) {
        size_t n = line_end(from, p, end);
        bool is_open = *p == '\r' && p + 1 == end;
        if (n == 0 && !is_open) {
            return true;
        }
        p += is_open ? 1 : n;
    }
    return false;
}

static enum h1_result
head_is_bad(struct h1_error *err, enum h1_error_kind kind)
{
    h1_refuse(err, kind);
    return H1_BAD;
}

/* `in` has no head's end. If its last byte is a CR, it is searched again. */
static enum h1_result
head_goes_on(
    struct str in, enum h1_from from, size_t *scanned, struct h1_error *err)
{
    if (has_stray_control(in, *scanned, from)) {
        return head_is_bad(err, H1_E_CONTROL);
    }
    bool ends_in_cr = in.n != 0 && in.p[in.n - 1] == '\r';
    *scanned = in.n - (ends_in_cr ? 1 : 0);
    return H1_MORE;
}

/* The head ends with its first empty line. */
static enum h1_result
head_end(struct str in, enum h1_from from, size_t *scanned, size_t *n,
    struct h1_error *err)
{
    AN(*scanned <= in.n);
    size_t at = *scanned;
    if (in.n == 0) {
        return H1_MORE; /* no bytes, which may lie nowhere */
    }
    for (;;) {
        at += str_find(str_skip(in, at), '\n');
        if (at == in.n) {
            return head_goes_on(in, from, scanned, err);
        }
        size_t before = at != 0 && in.p[at - 1] == '\r' ? at - 1 : at;
        if (before == at && from == H1_REQUEST) {
            return head_is_bad(err, H1_E_CONTROL);
        }
        if (before == 0) {
            return head_is_bad(err, H1_E_BLANK_LINE);
        }
        at++;
        if (in.p[before - 1] == '\n') {
            *n = at;
            return H1_OK;
        }
    }
}

enum h1_result
h1_head_end(struct str in, size_t *scanned, size_t *n, struct h1_error *err)
{
    return head_end(in, H1_REQUEST, scanned, n, err);
}

enum h1_result
h1_response_end(struct str in, size_t *scanned, size_t *n, struct h1_error *err)
{
    return head_end(in, H1_RESPONSE, scanned, n, err);
}

void
h1_head_overflow(struct str in, struct h1_error *err)
{
    bool has_line = str_find(in, '\n') != in.n;
    h1_refuse(err, has_line ? H1_E_HEAD_SIZE : H1_E_TARGET_SIZE);
}

/* The length of the line end at `p`, 0: none. Behind a bare LF, a CRLF is none:
 * a parser that knows CRLF only would read both lines as one. */
static inline size_t
eol(const struct cursor *c, const char *p)
{
    size_t n = line_end(c->from, p, c->end);
    return n == 2 && c->has_bare ? 0 : n;
}

/* Moves the cursor behind the line end at `p`; false: there is none. */
static inline bool
end_line(struct cursor *c, const char *p)
{
    size_t n = eol(c, p);
    c->has_bare = c->has_bare || n == 1;
    c->p = p + n;
    return n != 0;
}

/* Refuses the byte at `p`: as H1_E_CONTROL if it is a control byte outside of a
 * line end, else as `kind`. */
static int
refuse_at(const struct cursor *c, const char *p, enum h1_error_kind kind,
    struct h1_error *err)
{
    bool is_control = !scan_is_text((unsigned char)*p) && eol(c, p) == 0;
    return h1_refuse(err, is_control ? H1_E_CONTROL : kind);
}

static const char *
skip_token(const char *p)
{
    while (scan_is_token[(unsigned char)*p]) {
        p++;
    }
    return p;
}

static const char *
skip_ows(const char *p)
{
    while (*p == ' ' || *p == '\t') {
        p++;
    }
    return p;
}

/* Parses "name: value" and the line end. In a response, blanks before the colon
 * are dropped (RFC 9112 5.1). */
static int
parse_field(struct cursor *c, struct field *f, struct h1_error *err)
{
    const char *p = skip_token(c->p);
    if (p == c->p && (*p == ' ' || *p == '\t')) {
        return h1_refuse(err, H1_E_FOLD);
    }
    f->name = str_n(c->p, (size_t)(p - c->p));
    if (c->from == H1_RESPONSE) {
        p = skip_ows(p);
    }
    if (f->name.n == 0 || *p != ':') {
        return refuse_at(c, p, H1_E_FIELD_NAME, err);
    }
    const char *start = skip_ows(p + 1);
    const char *end = scan_text(start, c->end);
    if (!end_line(c, end)) {
        return h1_refuse(err, H1_E_CONTROL);
    }
    const char *last = end;
    while (last > start && (last[-1] == ' ' || last[-1] == '\t')) {
        last--;
    }
    f->value = str_n(start, (size_t)(last - start));
    f->id = (uint8_t)field_lookup(f->name);
    bool has_blanks = f->name.p + f->name.n != p;
    f->is_raw = !has_blanks && start == p + 2 && p[1] == ' ' && last == end &&
                !c->has_bare;
    f->is_gone = false;
    return 0;
}

/* Parses the empty line; nothing may follow it. */
static int
parse_end(const struct cursor *c, struct h1_error *err)
{
    size_t n = eol(c, c->p);
    return n != 0 && c->p + n == c->end ? 0 : h1_refuse(err, H1_E_BLANK_LINE);
}

/* The number of lines that continue a field; adds the room they need to *room.
 * -1: one has a control byte. */
static int
count_folds(const struct cursor *c, size_t *room)
{
    struct cursor at = *c;
    int n = 0;
    for (; *at.p == ' ' || *at.p == '\t'; n++) {
        const char *end = scan_text(at.p, at.end);
        *room += (size_t)(end - at.p) + 1;
        if (!end_line(&at, end)) {
            return -1;
        }
    }
    return n;
}

/* Joins the lines that continue a response's field to it by a space (RFC 9112
 * 5.2), in one piece. A field that frames the message may not continue. */
static int
parse_folds(
    struct cursor *c, struct field *f, struct head *h, struct h1_error *err)
{
    enum field_id id = (enum field_id)f->id;
    size_t room = f->value.n, at = f->value.n;
    int n = count_folds(c, &room);
    if (n == 0) {
        return 0;
    }
    if (n < 0) {
        return h1_refuse(err, H1_E_CONTROL);
    }
    if (n > FOLDS_MAX || head_is_for_all(id) || id == FIELD_CONNECTION) {
        return h1_refuse(err, H1_E_FOLD);
    }
    char *to = arena_alloc(h->arena, room);
    memcpy(to, f->value.p, at);
    while (n-- > 0) {
        const char *end = scan_text(c->p, c->end);
        struct str part = str_trim(str_n(c->p, (size_t)(end - c->p)));
        to[at++] = ' ';
        memcpy(to + at, part.p, part.n);
        at += part.n;
        AN(end_line(c, end));
    }
    AN(at <= room);
    f->value = str_trim(str_n(to, at));
    f->is_raw = false;
    return 0;
}

static int
parse_fields(
    struct cursor *c, unsigned max, struct head *h, struct h1_error *err)
{
    struct field f;
    while (eol(c, c->p) == 0) {
        if (h->n == max) {
            return h1_refuse(err, H1_E_FIELD_COUNT);
        }
        if (parse_field(c, &f, err) != 0 ||
            (c->from == H1_RESPONSE && parse_folds(c, &f, h, err) != 0)) {
            return -1;
        }
        head_push(h, &f);
    }
    return parse_end(c, err);
}

/* A known method in another case, which some origins read as that method. */
static bool
is_disguised(struct str method)
{
    char text[8];
    if (method.n > sizeof text) {
        return false;
    }
    for (size_t i = 0; i < method.n; i++) {
        unsigned char ch = (unsigned char)method.p[i];
        text[i] = (char)(ascii_is_alpha(ch) ? ch & ~0x20 : ch);
    }
    return method_lookup(str_n(text, method.n)) != METHOD_OTHER;
}

static int
parse_method(struct cursor *c, struct head *h, struct h1_error *err)
{
    const char *p = skip_token(c->p);
    h->method = str_n(c->p, (size_t)(p - c->p));
    if (eol(c, p) != 0) {
        return h1_refuse(err, p == c->p ? H1_E_BLANK_LINE : H1_E_START_LINE);
    }
    if (p == c->p || *p != ' ') {
        return refuse_at(c, p, H1_E_METHOD, err);
    }
    if (h->method.n > H1_METHOD_MAX) {
        return h1_refuse(err, H1_E_METHOD_SIZE);
    }
    h->method_id = method_lookup(h->method);
    if (h->method_id == METHOD_OTHER && is_disguised(h->method)) {
        return h1_refuse(err, H1_E_METHOD);
    }
    c->p = p + 1;
    return 0;
}

static int
parse_target(struct cursor *c, struct str *target, struct h1_error *err)
{
    const char *p = scan_graph(c->p, c->end);
    *target = str_n(c->p, (size_t)(p - c->p));
    if (target->n == 0 || *p == '\r') {
        return refuse_at(c, p, H1_E_START_LINE, err);
    }
    if (*p != ' ') {
        return refuse_at(c, p, H1_E_TARGET, err);
    }
    if (target->n > H1_TARGET_MAX) {
        return h1_refuse(err, H1_E_TARGET_SIZE);
    }
    c->p = p + 1;
    return 0;
}

static bool
is_version(const char *p)
{
    return memcmp(p, "HTTP/", 5) == 0 && ascii_is_digit((unsigned char)p[5]) &&
           p[6] == '.' && ascii_is_digit((unsigned char)p[7]);
}

/* Parses "HTTP/1.0" or "HTTP/1.1". */
static int
parse_version(struct cursor *c, struct head *h, struct h1_error *err)
{
    if (c->end - c->p < 8 || !is_version(c->p)) {
        const char *p = scan_text(c->p, c->end);
        return refuse_at(c, p, H1_E_START_LINE, err);
    }
    if (c->p[5] != '1' || c->p[7] > '1') {
        return h1_refuse(err, H1_E_VERSION);
    }
    h->minor = (unsigned)(c->p[7] - '0');
    c->p += 8;
    return 0;
}

static int
parse_request_line(
    struct cursor *c, struct head *h, struct str *target, struct h1_error *err)
{
    if (parse_method(c, h, err) != 0 || parse_target(c, target, err) != 0 ||
        parse_version(c, h, err) != 0) {
        return -1;
    }
    if (!end_line(c, c->p)) {
        return refuse_at(c, c->p, H1_E_START_LINE, err);
    }
    return 0;
}

bool
h1_may_be_request(struct str in, struct arena *a, struct h1_error *err)
{
    size_t n = 0, line = str_find(in, '\n');
    while (n < in.n && scan_is_token[(unsigned char)in.p[n]]) {
        n++;
    }
    if (n > H1_METHOD_MAX) {
        h1_refuse(err, H1_E_METHOD_SIZE);
        return false;
    }
    if (n < in.n && (n == 0 || in.p[n] != ' ')) {
        h1_refuse(err, H1_E_METHOD);
        return false;
    }
    if (line == in.n) {
        return true;
    }
    struct cursor c = { in.p, in.p + line + 1, H1_REQUEST, false };
    struct str target;
    struct head h;
    head_init(&h, a);
    return parse_request_line(&c, &h, &target, err) == 0;
}

/* Checks what struct cursor promises: the last bytes are an empty line. */
static int
check_end(struct str bytes, enum h1_from from, size_t max, struct h1_error *err)
{
    if (bytes.n > max) {
        return h1_refuse(err, H1_E_HEAD_SIZE);
    }
    bool is_bare = from == H1_RESPONSE && str_ends(bytes, STR("\n\n"));
    if (!is_bare && !str_ends(bytes, STR("\r\n\r\n"))) {
        return h1_refuse(err, H1_E_CONTROL);
    }
    return 0;
}

int
h1_parse_request(struct str bytes, uint16_t default_port, struct head *h,
    struct h1_error *err)
{
    struct cursor c = { bytes.p, bytes.p + bytes.n, H1_REQUEST, false };
    struct str target;
    if (check_end(bytes, H1_REQUEST, H1_REQUEST_HEAD_MAX, err) != 0 ||
        parse_request_line(&c, h, &target, err) != 0) {
        return -1;
    }
    h->path = target; /* for the log, until take_target() sets the path */
    if (parse_fields(&c, H1_REQUEST_FIELDS_MAX, h, err) != 0) {
        return -1;
    }
    return h1_request_rules(h, target, default_port, err);
}

/* Parses " 200 reason". The reason may be empty, or missing with its space (RFC
 * 9112 4). */
static int
parse_status(struct cursor *c, struct head *h, struct h1_error *err)
{
    uint64_t status;
    if (c->end - c->p < 4 || *c->p != ' ') {
        return refuse_at(c, c->p, H1_E_START_LINE, err);
    }
    const char *p = c->p + 4;
    if (!str_u64(str_n(c->p + 1, 3), &status) || status < 100 ||
        (*p != ' ' && eol(c, p) == 0)) {
        return h1_refuse(err, H1_E_STATUS);
    }
    h->status = (unsigned)status;
    p += *p == ' ' ? 1 : 0;
    const char *end = scan_text(p, c->end);
    if (!end_line(c, end)) {
        return h1_refuse(err, H1_E_CONTROL);
    }
    h->reason = str_n(p, (size_t)(end - p));
    return 0;
}

int
h1_parse_response(
    struct str bytes, enum method method, struct head *h, struct h1_error *err)
{
    struct cursor c = { bytes.p, bytes.p + bytes.n, H1_RESPONSE, false };
    if (check_end(bytes, H1_RESPONSE, H1_RESPONSE_HEAD_MAX, err) != 0 ||
        parse_version(&c, h, err) != 0 || parse_status(&c, h, err) != 0 ||
        parse_fields(&c, H1_RESPONSE_FIELDS_MAX, h, err) != 0 ||
        h1_response_rules(h, method, err) != 0) {
        err->status = 502;
        return -1;
    }
    return 0;
}

int
h1_parse_fields(struct str bytes, enum h1_from from, struct field *fields,
    unsigned max, unsigned *n, struct h1_error *err)
{
    struct cursor c = { bytes.p, bytes.p + bytes.n, from, false };
    *n = 0;
    if (str_eq(bytes, STR("\r\n"))) {
        return 0;
    }
    if (check_end(bytes, from, SIZE_MAX, err) != 0) {
        return -1;
    }
    while (eol(&c, c.p) == 0) {
        if (*n == max) {
            return h1_refuse(err, H1_E_FIELD_COUNT);
        }
        if (parse_field(&c, &fields[*n], err) != 0) {
            return -1;
        }
        (*n)++;
    }
    return parse_end(&c, err);
}
