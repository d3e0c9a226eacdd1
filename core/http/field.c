/*
 * Known field names: a perfect hash over length, first, middle and last byte.
 * A new name whose slot is taken does not compile (-Woverride-init): choose
 * other factors then.
 */

#include "http/field.h"

#include "http/scan.h"

#define SLOTS 256
#define SLOT(n, first, mid, last)                                              \
    (((n) + (first)*14u + (mid) + (last)*8u) % SLOTS)

/* STR() is no constant expression in gnu11. */
#define NAME(lit)                                                              \
    {                                                                          \
        "" lit, sizeof(lit) - 1                                                \
    }

static const struct str names[FIELD_COUNT] = {
    [FIELD_ACCEPT] = NAME("Accept"),
    [FIELD_ACCEPT_ENCODING] = NAME("Accept-Encoding"),
    [FIELD_ACCEPT_RANGES] = NAME("Accept-Ranges"),
    [FIELD_AGE] = NAME("Age"),
    [FIELD_ALLOW] = NAME("Allow"),
    [FIELD_ALT_SVC] = NAME("Alt-Svc"),
    [FIELD_AUTHORIZATION] = NAME("Authorization"),
    [FIELD_CACHE_CONTROL] = NAME("Cache-Control"),
    [FIELD_CONNECTION] = NAME("Connection"),
    [FIELD_CONTENT_DIGEST] = NAME("Content-Digest"),
    [FIELD_CONTENT_ENCODING] = NAME("Content-Encoding"),
    [FIELD_CONTENT_LENGTH] = NAME("Content-Length"),
    [FIELD_CONTENT_MD5] = NAME("Content-MD5"),
    [FIELD_CONTENT_RANGE] = NAME("Content-Range"),
    [FIELD_CONTENT_TYPE] = NAME("Content-Type"),
    [FIELD_COOKIE] = NAME("Cookie"),
    [FIELD_DATE] = NAME("Date"),
    [FIELD_DIGEST] = NAME("Digest"),
    [FIELD_ETAG] = NAME("ETag"),
    [FIELD_EXPECT] = NAME("Expect"),
    [FIELD_FORWARDED] = NAME("Forwarded"),
    [FIELD_HOST] = NAME("Host"),
    [FIELD_HTTP2_SETTINGS] = NAME("HTTP2-Settings"),
    [FIELD_IF_RANGE] = NAME("If-Range"),
    [FIELD_KEEP_ALIVE] = NAME("Keep-Alive"),
    [FIELD_LAST_MODIFIED] = NAME("Last-Modified"),
    [FIELD_LOCATION] = NAME("Location"),
    [FIELD_MAX_FORWARDS] = NAME("Max-Forwards"),
    [FIELD_ORIGIN] = NAME("Origin"),
    [FIELD_PROXY_AUTHENTICATE] = NAME("Proxy-Authenticate"),
    [FIELD_PROXY_AUTHORIZATION] = NAME("Proxy-Authorization"),
    [FIELD_PROXY_CONNECTION] = NAME("Proxy-Connection"),
    [FIELD_PROXY_STATUS] = NAME("Proxy-Status"),
    [FIELD_RANGE] = NAME("Range"),
    [FIELD_REFERER] = NAME("Referer"),
    [FIELD_REPR_DIGEST] = NAME("Repr-Digest"),
    [FIELD_RETRY_AFTER] = NAME("Retry-After"),
    [FIELD_SERVER] = NAME("Server"),
    [FIELD_SET_COOKIE] = NAME("Set-Cookie"),
    [FIELD_TE] = NAME("TE"),
    [FIELD_TRAILER] = NAME("Trailer"),
    [FIELD_TRANSFER_ENCODING] = NAME("Transfer-Encoding"),
    [FIELD_UPGRADE] = NAME("Upgrade"),
    [FIELD_USER_AGENT] = NAME("User-Agent"),
    [FIELD_VIA] = NAME("Via"),
    [FIELD_WWW_AUTHENTICATE] = NAME("WWW-Authenticate"),
    [FIELD_X_FORWARDED_FOR] = NAME("X-Forwarded-For"),
    [FIELD_X_HTTP_METHOD] = NAME("X-HTTP-Method"),
    [FIELD_X_HTTP_METHOD_OVERRIDE] = NAME("X-HTTP-Method-Override"),
    [FIELD_X_METHOD_OVERRIDE] = NAME("X-Method-Override"),
    [FIELD_X_ORIGINAL_URL] = NAME("X-Original-URL"),
    [FIELD_X_REWRITE_URL] = NAME("X-Rewrite-URL"),
};

static const uint8_t slots[SLOTS] = {
    [SLOT(6, 'a', 'e', 't')] = FIELD_ACCEPT,
    [SLOT(15, 'a', 'e', 'g')] = FIELD_ACCEPT_ENCODING,
    [SLOT(13, 'a', '-', 's')] = FIELD_ACCEPT_RANGES,
    [SLOT(3, 'a', 'g', 'e')] = FIELD_AGE,
    [SLOT(5, 'a', 'l', 'w')] = FIELD_ALLOW,
    [SLOT(7, 'a', '-', 'c')] = FIELD_ALT_SVC,
    [SLOT(13, 'a', 'i', 'n')] = FIELD_AUTHORIZATION,
    [SLOT(13, 'c', 'c', 'l')] = FIELD_CACHE_CONTROL,
    [SLOT(10, 'c', 'c', 'n')] = FIELD_CONNECTION,
    [SLOT(14, 'c', '-', 't')] = FIELD_CONTENT_DIGEST,
    [SLOT(16, 'c', 'e', 'g')] = FIELD_CONTENT_ENCODING,
    [SLOT(14, 'c', '-', 'h')] = FIELD_CONTENT_LENGTH,
    [SLOT(11, 'c', 'n', '5')] = FIELD_CONTENT_MD5,
    [SLOT(13, 'c', 't', 'e')] = FIELD_CONTENT_RANGE,
    [SLOT(12, 'c', 't', 'e')] = FIELD_CONTENT_TYPE,
    [SLOT(6, 'c', 'k', 'e')] = FIELD_COOKIE,
    [SLOT(4, 'd', 't', 'e')] = FIELD_DATE,
    [SLOT(6, 'd', 'e', 't')] = FIELD_DIGEST,
    [SLOT(4, 'e', 'a', 'g')] = FIELD_ETAG,
    [SLOT(6, 'e', 'e', 't')] = FIELD_EXPECT,
    [SLOT(9, 'f', 'a', 'd')] = FIELD_FORWARDED,
    [SLOT(4, 'h', 's', 't')] = FIELD_HOST,
    [SLOT(14, 'h', 'e', 's')] = FIELD_HTTP2_SETTINGS,
    [SLOT(8, 'i', 'a', 'e')] = FIELD_IF_RANGE,
    [SLOT(10, 'k', 'a', 'e')] = FIELD_KEEP_ALIVE,
    [SLOT(13, 'l', 'o', 'd')] = FIELD_LAST_MODIFIED,
    [SLOT(8, 'l', 't', 'n')] = FIELD_LOCATION,
    [SLOT(12, 'm', 'r', 's')] = FIELD_MAX_FORWARDS,
    [SLOT(6, 'o', 'g', 'n')] = FIELD_ORIGIN,
    [SLOT(18, 'p', 'h', 'e')] = FIELD_PROXY_AUTHENTICATE,
    [SLOT(19, 'p', 'h', 'n')] = FIELD_PROXY_AUTHORIZATION,
    [SLOT(16, 'p', 'n', 'n')] = FIELD_PROXY_CONNECTION,
    [SLOT(12, 'p', 's', 's')] = FIELD_PROXY_STATUS,
    [SLOT(5, 'r', 'n', 'e')] = FIELD_RANGE,
    [SLOT(7, 'r', 'e', 'r')] = FIELD_REFERER,
    [SLOT(11, 'r', 'd', 't')] = FIELD_REPR_DIGEST,
    [SLOT(11, 'r', '-', 'r')] = FIELD_RETRY_AFTER,
    [SLOT(6, 's', 'v', 'r')] = FIELD_SERVER,
    [SLOT(10, 's', 'o', 'e')] = FIELD_SET_COOKIE,
    [SLOT(2, 't', 'e', 'e')] = FIELD_TE,
    [SLOT(7, 't', 'i', 'r')] = FIELD_TRAILER,
    [SLOT(17, 't', '-', 'g')] = FIELD_TRANSFER_ENCODING,
    [SLOT(7, 'u', 'r', 'e')] = FIELD_UPGRADE,
    [SLOT(10, 'u', 'a', 't')] = FIELD_USER_AGENT,
    [SLOT(3, 'v', 'i', 'a')] = FIELD_VIA,
    [SLOT(16, 'w', 'e', 'e')] = FIELD_WWW_AUTHENTICATE,
    [SLOT(15, 'x', 'r', 'r')] = FIELD_X_FORWARDED_FOR,
    [SLOT(13, 'x', '-', 'd')] = FIELD_X_HTTP_METHOD,
    [SLOT(22, 'x', 'o', 'e')] = FIELD_X_HTTP_METHOD_OVERRIDE,
    [SLOT(17, 'x', '-', 'e')] = FIELD_X_METHOD_OVERRIDE,
    [SLOT(14, 'x', 'n', 'l')] = FIELD_X_ORIGINAL_URL,
    [SLOT(13, 'x', 'i', 'l')] = FIELD_X_REWRITE_URL,
};

const bool scan_is_token[256] = {
    ['0' ... '9'] = true,
    ['A' ... 'Z'] = true,
    ['a' ... 'z'] = true,
    ['!'] = true,
    ['#'] = true,
    ['$'] = true,
    ['%'] = true,
    ['&'] = true,
    ['\''] = true,
    ['*'] = true,
    ['+'] = true,
    ['-'] = true,
    ['.'] = true,
    ['^'] = true,
    ['_'] = true,
    ['`'] = true,
    ['|'] = true,
    ['~'] = true,
};

/* Compares without bit 0x20: in a name of letters, digits and hyphens it is the
 * case of a letter; the other bytes that compare equal are control bytes. */
static bool
is_known(const char *a, const char *known, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        if (((scan_load(a + i) ^ scan_load(known + i)) & ~SCAN_ALL(0x20)) !=
            0) {
            return false;
        }
    }
    for (; i < n; i++) {
        if (((a[i] ^ known[i]) & ~0x20) != 0) {
            return false;
        }
    }
    return true;
}

enum field_id
field_lookup(struct str name)
{
    if (name.n == 0) {
        return FIELD_OTHER;
    }
    unsigned first = (unsigned char)name.p[0] | 0x20u;
    unsigned mid = (unsigned char)name.p[name.n / 2] | 0x20u;
    unsigned last = (unsigned char)name.p[name.n - 1] | 0x20u;
    unsigned id = slots[SLOT((unsigned)name.n, first, mid, last)];
    if (id == FIELD_OTHER || names[id].n != name.n ||
        !is_known(name.p, names[id].p, name.n)) {
        return FIELD_OTHER;
    }
    return (enum field_id)id;
}

struct str
field_name(enum field_id id)
{
    AN(id < FIELD_COUNT);
    return names[id];
}

static unsigned char
fold(char c)
{
    return c == '_' ? '-' : ascii_lower((unsigned char)c);
}

bool
field_name_starts(struct str name, struct str prefix)
{
    if (name.n < prefix.n) {
        return false;
    }
    for (size_t i = 0; i < prefix.n; i++) {
        if (fold(name.p[i]) != fold(prefix.p[i])) {
            return false;
        }
    }
    return true;
}

bool
field_name_eq(struct str a, struct str b)
{
    return a.n == b.n && field_name_starts(a, b);
}

bool
field_name_is_valid(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (!scan_is_token[(unsigned char)name.p[i]]) {
            return false;
        }
    }
    return name.n != 0;
}

bool
field_name_is_reserved(struct str name)
{
    static const char *const reserved[] = { "host", "connection", "keep-alive",
        "content-length", "transfer-encoding", "te", "trailer", "upgrade",
        "expect", "http2-settings" };
    for (size_t i = 0; i < LEN(reserved); i++) {
        if (field_name_eq(name, str_of(reserved[i]))) {
            return true;
        }
    }
    return field_name_starts(name, STR("Proxy-"));
}

bool
field_value_is_valid(struct str value)
{
    return value.n == 0 ||
           scan_text(value.p, value.p + value.n) == value.p + value.n;
}
