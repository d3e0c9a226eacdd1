/*
 * Canonical hosts and paths. Called by the codecs, by conf, and by each room
 * that takes a name from outside. Decides nothing, resolves nothing, and copies
 * only what is not canonical.
 */

#include "http/url.h"

#include "http/scan.h"

#define LABEL_MAX 63
#define NAME_MAX_BYTES 253

static const bool is_label_byte[256] = {
    ['0' ... '9'] = true,
    ['A' ... 'Z'] = true,
    ['a' ... 'z'] = true,
    ['-'] = true,
    ['_'] = true,
};

static bool
refuse(const char **why, const char *text)
{
    *why = text;
    return false;
}

static bool
is_all_digits(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_is_digit((unsigned char)s.p[i])) {
            return false;
        }
    }
    return s.n != 0;
}

static bool
is_hex_number(struct str s)
{
    if (s.n < 2 || s.p[0] != '0' || ascii_lower((unsigned char)s.p[1]) != 'x') {
        return false;
    }
    for (size_t i = 2; i < s.n; i++) {
        if (ascii_hex((unsigned char)s.p[i]) < 0) {
            return false;
        }
    }
    return true;
}

/* Whether the last label is a number, so that a resolver may read `s` as an
 * IPv4 address in an old form (WHATWG URL, "ends in a number"). */
static bool
ends_in_number(struct str s)
{
    size_t at = s.n;
    while (at != 0 && s.p[at - 1] != '.') {
        at--;
    }
    struct str last = str_skip(s, at);
    return is_all_digits(last) || is_hex_number(last);
}

/* Checks the labels of a name without trailing dot. */
static bool
check_labels(struct str s, bool *has_upper, const char **why)
{
    size_t label = 0;
    *has_upper = false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '.') {
            if (label == 0) {
                return refuse(why, "the host has an empty label");
            }
            label = 0;
            continue;
        }
        if (!is_label_byte[c]) {
            return refuse(why, "the host has a byte that no name may have");
        }
        if (++label > LABEL_MAX) {
            return refuse(why, "a label of the host is too long");
        }
        *has_upper = *has_upper || (c >= 'A' && c <= 'Z');
    }
    return label != 0 || refuse(why, "the host has an empty label");
}

static struct str
lower_dup(struct arena *a, struct str s)
{
    AN(s.n != 0);
    char *p = arena_alloc(a, s.n + 1);
    for (size_t i = 0; i < s.n; i++) {
        p[i] = (char)ascii_lower((unsigned char)s.p[i]);
    }
    p[s.n] = '\0';
    return str_n(p, s.n);
}

static void
set_address(struct arena *a, struct authority *out, struct str s)
{
    char text[ADDR_TEXT_MAX];
    AN(out->ip.family == 4 || out->ip.family == 6);
    struct str canonical = addr_format(&out->ip, false, text);
    out->kind = out->ip.family == 4 ? HOST_IP4 : HOST_IP6;
    out->host = str_eq(canonical, s) ? s : arena_dup(a, canonical);
}

/* A name or an IPv4 address. */
static bool
parse_name(
    struct arena *a, struct str s, struct authority *out, const char **why)
{
    bool has_upper;
    if (s.n == 0) {
        return refuse(why, "the host is empty");
    }
    struct str name = s;
    if (name.p[name.n - 1] == '.') {
        name.n--;
    }
    if (name.n > NAME_MAX_BYTES) {
        return refuse(why, "the host is too long");
    }
    if (!check_labels(name, &has_upper, why)) {
        return false;
    }
    if (ends_in_number(name)) {
        if (!addr_parse(s, &out->ip) || out->ip.family != 4) {
            return refuse(why, "the host is an address in ambiguous form");
        }
        set_address(a, out, s);
        return true;
    }
    out->kind = HOST_NAME;
    out->host = has_upper ? lower_dup(a, name) : name;
    return true;
}

static bool
parse_ip6(
    struct arena *a, struct str s, struct authority *out, const char **why)
{
    if (str_find(s, ':') == s.n || !addr_parse(s, &out->ip)) {
        return refuse(why, "the host is no valid IPv6 address");
    }
    set_address(a, out, s);
    return true;
}

static bool
parse_port(struct str s, uint16_t *port, const char **why)
{
    uint64_t v;
    if (s.n > 5 || !str_u64(s, &v) || v == 0 || v > UINT16_MAX ||
        s.p[0] == '0') {
        return refuse(why, "the port is invalid");
    }
    *port = (uint16_t)v;
    return true;
}

/* Cuts off "[v6]", or the part before the first colon; `rest` follows it. */
static bool
cut_host(struct str s, struct str *host, struct str *rest, const char **why)
{
    if (s.n == 0 || s.p[0] != '[') {
        size_t at = str_find(s, ':');
        *host = str_n(s.p, at);
        *rest = str_skip(s, at);
        return true;
    }
    size_t end = str_find(s, ']');
    if (end == s.n) {
        return refuse(why, "the host lacks its closing bracket");
    }
    *host = str_n(s.p + 1, end - 1);
    *rest = str_skip(s, end + 1);
    return true;
}

bool
authority_parse(struct arena *a, struct str s, uint16_t default_port,
    struct authority *out, const char **why)
{
    struct str host, rest;
    *out = (struct authority){ .port = default_port };
    if (str_find(s, '@') != s.n) {
        return refuse(why, "userinfo is not allowed");
    }
    if (!cut_host(s, &host, &rest, why)) {
        return false;
    }
    if (rest.n != 0 && rest.p[0] != ':') {
        return refuse(why, "bytes follow the host");
    }
    if (rest.n != 0 && !parse_port(str_skip(rest, 1), &out->port, why)) {
        return false;
    }
    return s.p != NULL && s.n != 0 && s.p[0] == '['
               ? parse_ip6(a, host, out, why)
               : parse_name(a, host, out, why);
}

bool
host_parse(
    struct arena *a, struct str s, struct authority *out, const char **why)
{
    *out = (struct authority){ .port = 0 };
    if (str_find(s, ':') == s.n) {
        return parse_name(a, s, out, why);
    }
    if (s.p[0] == '[' && s.p[s.n - 1] == ']') {
        s = str_n(s.p + 1, s.n - 2);
    }
    return parse_ip6(a, s, out, why);
}

bool
authority_eq(const struct authority *a, const struct authority *b)
{
    return a->kind == b->kind && a->port == b->port && str_eq(a->host, b->host);
}

static char *
append(char *p, struct str s)
{
    if (s.n != 0) {
        memcpy(p, s.p, s.n);
    }
    return p + s.n;
}

struct str
authority_format(
    struct arena *a, const struct authority *au, uint16_t default_port)
{
    AN(au->host.n != 0);
    bool has_port = au->port != 0 && au->port != default_port;
    bool is_ip6 = au->kind == HOST_IP6;
    if (!has_port && !is_ip6) {
        return au->host;
    }
    char room[STR_U64_MAX];
    struct str port = has_port ? str_of_u64(au->port, room) : STR_NONE;
    char *text = arena_alloc(a, au->host.n + port.n + 3), *p = text;
    p = append(p, is_ip6 ? STR("[") : STR_NONE);
    p = append(p, au->host);
    p = append(p, is_ip6 ? STR("]") : STR_NONE);
    p = append(p, has_port ? STR(":") : STR_NONE);
    p = append(p, port);
    return str_n(text, (size_t)(p - text));
}

static bool
is_unreserved(unsigned char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

/* Whether the path is canonical at first sight: it has no escape, no empty
 * segment and none that begins with a dot. */
static bool
is_plain_path(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool is_start = i != 0 && s.p[i - 1] == '/';
        if (!scan_is_graph(c) || c == '%' || c == '\\' || c == '?' ||
            c == '#' || (is_start && (c == '/' || c == '.'))) {
            return false;
        }
    }
    return s.n != 0 && s.p[0] == '/';
}

/* Writes the escape at s.p, which begins with "%", in canonical form. Returns
 * the bytes written; 0: refused. */
static size_t
decode_escape(struct str s, char *to, const char **why)
{
    AN(s.n != 0 && s.p[0] == '%');
    int high = s.n >= 3 ? ascii_hex((unsigned char)s.p[1]) : -1;
    int low = s.n >= 3 ? ascii_hex((unsigned char)s.p[2]) : -1;
    if (high < 0 || low < 0) {
        refuse(why, "the path has an invalid escape");
        return 0;
    }
    unsigned char c = (unsigned char)(high * 16 + low);
    if (c == 0) {
        refuse(why, "the path has an escaped NUL");
        return 0;
    }
    if (is_unreserved(c)) {
        to[0] = (char)c;
        return 1;
    }
    to[0] = '%';
    to[1] = "0123456789ABCDEF"[high];
    to[2] = "0123456789ABCDEF"[low];
    return 3;
}

/* Writes all escapes in canonical form; the result is never longer. */
static bool
decode_path(struct str s, char *to, size_t *n, const char **why)
{
    *n = 0;
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        if (!scan_is_graph(c) || c == '\\' || c == '?' || c == '#') {
            return refuse(why, "the path has a byte that it may not have");
        }
        if (c != '%') {
            to[(*n)++] = (char)c;
            i++;
            continue;
        }
        size_t put = decode_escape(str_skip(s, i), to + *n, why);
        if (put == 0) {
            return false;
        }
        *n += put;
        i += 3;
    }
    return true;
}

enum segment { SEG_NAME, SEG_EMPTY, SEG_DOT, SEG_DOTS, SEG_PARAM };

/* Dots with a parameter behind ("..;x") are the parent segment for some origins
 * and a name for others. */
static enum segment
classify(struct str seg)
{
    size_t dots = 0;
    while (dots < seg.n && seg.p[dots] == '.') {
        dots++;
    }
    struct str rest = str_skip(seg, dots);
    if (dots > 2 || (dots == 0 && rest.n != 0)) {
        return SEG_NAME;
    }
    if (rest.n == 0) {
        return dots == 0 ? SEG_EMPTY : dots == 1 ? SEG_DOT : SEG_DOTS;
    }
    bool has_param = rest.p[0] == ';' || str_starts(rest, STR("%3B"));
    return has_param ? SEG_PARAM : SEG_NAME;
}

/* The length of `to` without its last segment. `to` begins and ends with a
 * slash. */
static size_t
parent(const char *to, size_t n)
{
    AN(n > 1 && to[0] == '/' && to[n - 1] == '/');
    n--;
    while (to[n - 1] != '/') {
        n--;
    }
    return n;
}

/* Writes `s` without dot and empty segments to `to`, which has room for s.n
 * bytes. `s` begins with a slash. */
static bool
resolve_segments(struct str s, char *to, size_t *n, const char **why)
{
    struct str rest = str_skip(s, 1), seg;
    AN(s.n != 0 && s.p[0] == '/');
    to[0] = '/';
    *n = 1;
    while (str_cut(&rest, '/', &seg)) {
        switch (classify(seg)) {
        case SEG_PARAM:
            return refuse(why, "the path has a dot segment with parameters");
        case SEG_DOTS:
            if (*n == 1) {
                return refuse(why, "the path climbs above its root");
            }
            *n = parent(to, *n);
            break;
        case SEG_NAME:
            memcpy(to + *n, seg.p, seg.n);
            *n += seg.n;
            if (rest.p != NULL) {
                to[(*n)++] = '/';
            }
            break;
        case SEG_EMPTY:
        case SEG_DOT:
            break;
        }
    }
    return true;
}

bool
path_canonical(
    struct arena *a, struct str path, struct str *out, const char **why)
{
    size_t n;
    *out = path;
    if (is_plain_path(path) || str_eq(path, STR("*"))) {
        return true;
    }
    if (path.n == 0 || path.p[0] != '/') {
        return refuse(why, "the path does not begin with a slash");
    }
    char *decoded = arena_alloc(a, path.n);
    char *to = arena_alloc(a, path.n);
    if (!decode_path(path, decoded, &n, why) ||
        !resolve_segments(str_n(decoded, n), to, &n, why)) {
        return false;
    }
    AN(n != 0 && n <= path.n && to[0] == '/');
    *out = str_n(to, n);
    return true;
}

/* The flag of the escape at s.p; 0: it is another one. */
static unsigned
slash_escape(struct str s)
{
    if (str_starts(s, STR("%2F"))) {
        return PATH_DECODE_SLASH;
    }
    return str_starts(s, STR("%5C")) ? PATH_DECODE_BACKSLASH : 0;
}

unsigned
path_encoded_slashes(struct str path)
{
    unsigned found = 0;
    size_t at = str_find(path, '%');
    while (at < path.n) {
        found |= slash_escape(str_skip(path, at));
        at++;
        at += str_find(str_skip(path, at), '%');
    }
    return found;
}

bool
path_decode_slashes(
    struct arena *a, struct str path, unsigned which, struct str *out)
{
    const char *why = NULL;
    char *decoded = arena_alloc(a, path.n + 1);
    char *to = arena_alloc(a, path.n + 1);
    size_t n = 0;
    AN(which != 0);
    for (size_t i = 0; i < path.n;) {
        bool is_hit = (slash_escape(str_skip(path, i)) & which) != 0;
        decoded[n++] = is_hit ? '/' : path.p[i];
        i += is_hit ? 3 : 1;
    }
    if (n == 0 || decoded[0] != '/' ||
        !resolve_segments(str_n(decoded, n), to, &n, &why)) {
        return false;
    }
    AN(n <= path.n);
    *out = str_n(to, n);
    return true;
}
