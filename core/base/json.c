/*
 * Writes JSON from untrusted bytes, for the access log and for error pages.
 * Reads no JSON.
 */

#include "base/json.h"

/* The range of the second byte, and how many follow the first. */
struct lead {
    unsigned char first, last, more, low, high;
};

static const struct lead leads[] = {
    { 0xc2, 0xdf, 1, 0x80, 0xbf },
    { 0xe0, 0xe0, 2, 0xa0, 0xbf },
    { 0xe1, 0xec, 2, 0x80, 0xbf },
    { 0xed, 0xed, 2, 0x80, 0x9f },
    { 0xee, 0xef, 2, 0x80, 0xbf },
    { 0xf0, 0xf0, 3, 0x90, 0xbf },
    { 0xf1, 0xf3, 3, 0x80, 0xbf },
    { 0xf4, 0xf4, 3, 0x80, 0x8f },
};

static const struct lead *
lead_find(unsigned char c)
{
    for (size_t i = 0; i < LEN(leads); i++) {
        if (c >= leads[i].first && c <= leads[i].last) {
            return &leads[i];
        }
    }
    return NULL;
}

size_t
utf8_length(struct str s)
{
    if (s.n == 0) {
        return 0;
    }
    const unsigned char *p = (const unsigned char *)s.p;
    if (p[0] < 0x80) {
        return 1;
    }
    const struct lead *l = lead_find(p[0]);
    if (l == NULL || s.n <= l->more || p[1] < l->low || p[1] > l->high) {
        return 0;
    }
    for (size_t i = 2; i <= l->more; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return l->more + 1u;
}

static bool
json_escape_byte(struct buf *b, unsigned char c)
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    const char *hit = c != '\0' ? strchr(from, c) : NULL;
    if (hit != NULL) {
        return buf_addc(b, '\\') && buf_addc(b, to[hit - from]);
    }
    return buf_addf(b, "\\u%04x", c);
}

/* How many bytes at the start of `s` need no escape. */
static size_t
json_plain_length(struct str s)
{
    size_t i = 0;
    while (i < s.n) {
        unsigned char c = (unsigned char)s.p[i];
        size_t n = utf8_length(str_skip(s, i));
        bool is_line_end = n == 3 && memcmp(s.p + i, "\xe2\x80", 2) == 0 &&
                           ((unsigned char)s.p[i + 2] & 0xfe) == 0xa8;
        if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f || n == 0 ||
            is_line_end) {
            return i;
        }
        i += n;
    }
    return i;
}

bool
json_escape(struct buf *b, struct str s)
{
    while (s.n != 0) {
        size_t plain = json_plain_length(s);
        if (!buf_add(b, str_n(s.p, plain))) {
            return false;
        }
        s = str_skip(s, plain);
        if (s.n == 0) {
            return true;
        }
        size_t n = utf8_length(s);
        bool is_added =
            n == 0   ? buf_add(b, STR("\xef\xbf\xbd"))
            : n == 3 ? buf_addf(b, "\\u20%02x", (unsigned char)s.p[2] - 0x80u)
                     : json_escape_byte(b, (unsigned char)s.p[0]);
        if (!is_added) {
            return false;
        }
        s = str_skip(s, n != 0 ? n : 1);
    }
    return true;
}

static bool
json_string(struct buf *b, struct str s)
{
    return buf_addc(b, '"') && json_escape(b, s) && buf_addc(b, '"');
}

static bool
json_u64(struct buf *b, uint64_t v)
{
    return buf_addf(b, "%llu", (unsigned long long)v);
}

static bool
json_bool(struct buf *b, bool v)
{
    return buf_add(b, v ? STR("true") : STR("false"));
}

/* A comma, unless the buf is empty or ends with `{`, `[`, `,` or `:`. */
static bool
json_sep(struct buf *b)
{
    bool is_first = b->n == 0 || strchr("{[,:", b->p[b->n - 1]) != NULL;
    return is_first || buf_addc(b, ',');
}

static bool
json_key(struct buf *b, const char *key)
{
    return json_sep(b) && json_string(b, str_of(key)) && buf_addc(b, ':');
}

bool
json_key_string(struct buf *b, const char *key, struct str s)
{
    return json_key(b, key) && json_string(b, s);
}

bool
json_key_u64(struct buf *b, const char *key, uint64_t v)
{
    return json_key(b, key) && json_u64(b, v);
}

bool
json_key_bool(struct buf *b, const char *key, bool v)
{
    return json_key(b, key) && json_bool(b, v);
}
