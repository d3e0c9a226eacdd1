/*
 * RFC 8259's grammar as a state machine, which also compares the path to the
 * current value with each field's pointer. Pure. After the first error no field
 * is named.
 *
 * The container at depth d is on the path of field i's pointer when open[i] is
 * d - 1 or more; its current member or element is when open[i] is d.
 */

#include "http/json_scan.h"

#include <stdio.h>

#include "base/json.h"

#define FIELD(I) (1u << (I))

void
json_scan_init(
    struct json_scan *s, const struct json_pointer *const *fields, unsigned n)
{
    AN(n <= SCAN_FIELDS_MAX);
    *s = (struct json_scan){ .fields = fields, .n_fields = n };
    for (unsigned i = 0; i < n; i++) {
        AN(fields[i]->n != 0 && fields[i]->n <= JSON_TOKENS_MAX);
    }
}

static enum scan
bad(struct json_scan *s)
{
    s->state = JSON_BAD;
    s->named = 0;
    return SCAN_BAD;
}

static enum scan
go(struct json_scan *s, enum json_state state)
{
    s->state = state;
    return SCAN_PASS;
}

static bool
is_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
is_array(const struct json_scan *s)
{
    unsigned at = s->depth - 1;
    return s->depth != 0 && (s->arrays[at / 64] >> at % 64 & 1) != 0;
}

/* The fields whose pointer leads into the innermost container, and further. */
static uint32_t
fields_here(const struct json_scan *s)
{
    AN(s->depth <= JSON_DEPTH_MAX && s->n_fields <= SCAN_FIELDS_MAX);
    uint32_t here = 0;
    for (unsigned i = 0; i < s->n_fields && s->depth != 0; i++) {
        bool is_here =
            s->open[i] + 1u == s->depth && s->fields[i]->n >= s->depth;
        here |= is_here ? FIELD(i) : 0;
    }
    return here;
}

/* Field i's pointer leads to the member or element that begins. False: it led
 * to one of that name before. */
static bool
enter(struct json_scan *s, unsigned i)
{
    if (s->seen[i] >= s->depth) {
        return false;
    }
    s->seen[i] = s->open[i] = (uint8_t)s->depth;
    return true;
}

static void
begin_element(struct json_scan *s)
{
    uint32_t here = fields_here(s);
    char text[24];
    if (here == 0) {
        return;
    }
    int n = snprintf(text, sizeof text, "%llu",
        (unsigned long long)s->elements[s->depth - 1]);
    for (unsigned i = 0; i < s->n_fields; i++) {
        bool is_it =
            (here & FIELD(i)) != 0 &&
            str_eq(s->fields[i]->tokens[s->depth - 1], str_n(text, (size_t)n));
        if (is_it) {
            bool is_first = enter(s, i);
            AN(is_first); /* an index comes once */
        }
    }
}

static enum scan
end_value(struct json_scan *s)
{
    for (unsigned i = 0; i < s->n_fields && s->depth != 0; i++) {
        if (s->open[i] == s->depth) {
            s->open[i]--;
        }
    }
    return go(s, s->depth != 0 ? JSON_AFTER : JSON_END);
}

static enum scan
open_container(struct json_scan *s, bool is_list)
{
    unsigned at = s->depth;
    if (at == JSON_DEPTH_MAX) {
        return bad(s);
    }
    uint64_t bit = (uint64_t)1 << at % 64;
    s->arrays[at / 64] =
        is_list ? s->arrays[at / 64] | bit : s->arrays[at / 64] & ~bit;
    if (at < JSON_TOKENS_MAX) {
        s->elements[at] = 0;
    }
    s->depth++;
    return go(s, is_list ? JSON_FIRST_VALUE : JSON_FIRST_KEY);
}

static enum scan
close_container(struct json_scan *s, unsigned char c)
{
    if (s->depth == 0 || is_array(s) != (c == ']')) {
        return bad(s);
    }
    s->depth--;
    return end_value(s);
}

static enum scan
begin_text(struct json_scan *s)
{
    s->is_key = false;
    for (unsigned i = 0; i < s->n_fields && s->depth != 0; i++) {
        bool is_it = s->open[i] == s->depth && s->fields[i]->n == s->depth;
        s->named |= is_it ? FIELD(i) : 0;
    }
    return go(s, JSON_STRING);
}

static enum scan
begin_literal(struct json_scan *s, const char *rest)
{
    s->literal = rest;
    return go(s, JSON_LITERAL);
}

static enum scan
value_byte(struct json_scan *s, unsigned char c)
{
    if (is_blank(c)) {
        return SCAN_PASS;
    }
    if (c == ']' && s->state == JSON_FIRST_VALUE) {
        return close_container(s, c);
    }
    if (is_array(s)) {
        begin_element(s);
    }
    switch (c) {
    case '"':
        return begin_text(s);
    case '{':
    case '[':
        return open_container(s, c == '[');
    case 't':
        return begin_literal(s, "rue");
    case 'f':
        return begin_literal(s, "alse");
    case 'n':
        return begin_literal(s, "ull");
    case '-':
        return go(s, JSON_MINUS);
    case '0':
        return go(s, JSON_ZERO);
    default:
        return ascii_is_digit(c) ? go(s, JSON_INT) : bad(s);
    }
}

static enum scan
key_byte(struct json_scan *s, unsigned char c)
{
    if (is_blank(c)) {
        return SCAN_PASS;
    }
    if (c == '}' && s->state == JSON_FIRST_KEY) {
        return close_container(s, c);
    }
    if (c != '"') {
        return bad(s);
    }
    s->is_key = true;
    s->alive = fields_here(s);
    AZ(s->named);
    s->key_n = 0;
    s->high = 0;
    return go(s, JSON_STRING);
}

static enum scan
end_key(struct json_scan *s)
{
    AN(s->depth != 0 && (s->alive == 0 || s->depth <= JSON_TOKENS_MAX));
    s->alive = s->high != 0 ? 0 : s->alive;
    for (unsigned i = 0; i < s->n_fields && s->alive != 0; i++) {
        bool is_it = (s->alive & FIELD(i)) != 0 &&
                     s->fields[i]->tokens[s->depth - 1].n == s->key_n;
        if (is_it && !enter(s, i)) {
            return bad(s);
        }
    }
    return go(s, JSON_COLON);
}

static enum scan
after_byte(struct json_scan *s, unsigned char c)
{
    if (is_blank(c)) {
        return SCAN_PASS;
    }
    if (c != ',') {
        return c == ']' || c == '}' ? close_container(s, c) : bad(s);
    }
    if (!is_array(s)) {
        return go(s, JSON_KEY);
    }
    if (s->depth <= JSON_TOKENS_MAX) {
        s->elements[s->depth - 1]++;
    }
    return go(s, JSON_VALUE);
}

/* Keeps in `alive` the fields whose token goes on with this byte. */
static void
key_text(struct json_scan *s, unsigned c)
{
    AN(c <= 0xff);
    for (unsigned i = 0; i < s->n_fields && s->alive != 0; i++) {
        if ((s->alive & FIELD(i)) == 0) {
            continue;
        }
        struct str token = s->fields[i]->tokens[s->depth - 1];
        if (s->key_n >= token.n || (unsigned char)token.p[s->key_n] != c) {
            s->alive &= ~FIELD(i);
        }
    }
    s->key_n++;
}

static void
key_code(struct json_scan *s, unsigned c)
{
    if (c < 0x80) {
        key_text(s, c);
        return;
    }
    if (c >= 0x10000) {
        key_text(s, 0xf0 | c >> 18);
        key_text(s, 0x80 | (c >> 12 & 0x3f));
    } else if (c >= 0x800) {
        key_text(s, 0xe0 | c >> 12);
    } else {
        key_text(s, 0xc0 | c >> 6);
    }
    if (c >= 0x800) {
        key_text(s, 0x80 | (c >> 6 & 0x3f));
    }
    key_text(s, 0x80 | (c & 0x3f));
}

/* \uXXXX in a key. No pointer can name a key with half a surrogate pair, which
 * is not a character. */
static void
key_escape(struct json_scan *s, unsigned c)
{
    bool is_low = c >= 0xdc00 && c <= 0xdfff;
    if (is_low != (s->high != 0)) {
        s->alive = 0;
    }
    if (is_low) {
        key_code(s, 0x10000 + ((s->high & 0x3ff) << 10) + (c & 0x3ff));
        s->high = 0;
    } else if (c >= 0xd800 && c <= 0xdbff) {
        s->high = c;
    } else {
        s->high = 0;
        key_code(s, c);
    }
}

/* A byte of the decoded string, or of a UTF-8 sequence in it. */
static enum scan
text(struct json_scan *s, unsigned char c)
{
    s->state = s->left != 0 ? JSON_UTF8 : JSON_STRING;
    if (s->is_key) {
        s->alive = s->high != 0 ? 0 : s->alive;
        s->high = 0;
        key_text(s, c);
        return SCAN_PASS;
    }
    s->c = c < 0x80 ? c : SCAN_OTHER;
    return s->named != 0 ? SCAN_CHAR : SCAN_PASS;
}

static enum scan
part(struct json_scan *s, enum json_state state)
{
    s->state = state;
    return s->named != 0 ? SCAN_PART : SCAN_PASS;
}

static enum scan
escape_byte(struct json_scan *s, unsigned char c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (c == 'u') {
        s->digits = s->code = 0;
        return part(s, JSON_HEX);
    }
    size_t at = str_find(STR("\"\\/bfnrt"), (char)c);
    AN(sizeof from == sizeof to);
    return at < sizeof from - 1 ? text(s, (unsigned char)to[at]) : bad(s);
}

static enum scan
hex_byte(struct json_scan *s, unsigned char c)
{
    int digit = ascii_hex(c);
    if (digit < 0) {
        return bad(s);
    }
    s->code = s->code * 16 + (unsigned)digit;
    s->digits++;
    if (s->digits < 4) {
        return part(s, JSON_HEX);
    }
    if (s->is_key) {
        key_escape(s, s->code);
        return go(s, JSON_STRING);
    }
    s->state = JSON_STRING;
    s->c = s->code < 0x80 ? (int)s->code : SCAN_OTHER;
    return s->named != 0 ? SCAN_CHAR : SCAN_PASS;
}

/* Unicode 15, table 3-7. */
static enum scan
utf8_first(struct json_scan *s, unsigned char c)
{
    if (c < 0xc2 || c > 0xf4) {
        return bad(s);
    }
    s->left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    s->lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    s->hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    return text(s, c);
}

static enum scan
utf8_byte(struct json_scan *s, unsigned char c)
{
    if (c < s->lo || c > s->hi) {
        return bad(s);
    }
    s->left--;
    s->lo = 0x80;
    s->hi = 0xbf;
    return text(s, c);
}

static enum scan
string_byte(struct json_scan *s, unsigned char c)
{
    if (c == '"') {
        bool was_named = s->named != 0;
        s->named = 0;
        enum scan r = s->is_key ? end_key(s) : end_value(s);
        return was_named ? SCAN_END : r;
    }
    if (c == '\\') {
        return part(s, JSON_ESCAPE);
    }
    if (c < 0x20) {
        return bad(s);
    }
    return c < 0x80 ? text(s, c) : utf8_first(s, c);
}

static enum scan
literal_byte(struct json_scan *s, unsigned char c)
{
    if (c != (unsigned char)*s->literal) {
        return bad(s);
    }
    s->literal++;
    return *s->literal != '\0' ? SCAN_PASS : end_value(s);
}

static bool
is_whole_number(enum json_state state)
{
    return state == JSON_ZERO || state == JSON_INT || state == JSON_FRACTION ||
           state == JSON_EXPONENT;
}

/* The state after a digit; JSON_BAD: none may stand here. */
static enum json_state
number_digit(enum json_state state, unsigned char c)
{
    switch (state) {
    case JSON_MINUS:
        return c == '0' ? JSON_ZERO : JSON_INT;
    case JSON_INT:
        return JSON_INT;
    case JSON_POINT:
    case JSON_FRACTION:
        return JSON_FRACTION;
    case JSON_E:
    case JSON_E_SIGN:
    case JSON_EXPONENT:
        return JSON_EXPONENT;
    default:
        return JSON_BAD; /* behind a leading zero */
    }
}

static enum scan
number_byte(struct json_scan *s, unsigned char c)
{
    enum json_state was = s->state;
    if (ascii_is_digit(c)) {
        enum json_state next = number_digit(was, c);
        return next != JSON_BAD ? go(s, next) : bad(s);
    }
    if (c == '.' && (was == JSON_ZERO || was == JSON_INT)) {
        return go(s, JSON_POINT);
    }
    if (ascii_lower(c) == 'e' && is_whole_number(was) && was != JSON_EXPONENT) {
        return go(s, JSON_E);
    }
    if ((c == '+' || c == '-') && was == JSON_E) {
        return go(s, JSON_E_SIGN);
    }
    if (!is_whole_number(was)) {
        return bad(s);
    }
    end_value(s);
    return json_scan_byte(s, c);
}

/* RFC 8259 8.1: a parser may ignore the mark, and many servers do. */
static enum scan
begin_byte(struct json_scan *s, unsigned char c)
{
    if (c != 0xef) {
        s->state = JSON_VALUE;
        return value_byte(s, c);
    }
    s->literal = "\xbb\xbf";
    return go(s, JSON_MARK);
}

static enum scan
mark_byte(struct json_scan *s, unsigned char c)
{
    if (c != (unsigned char)*s->literal) {
        return bad(s);
    }
    s->literal++;
    return *s->literal == '\0' ? go(s, JSON_VALUE) : SCAN_PASS;
}

enum scan
json_scan_byte(struct json_scan *s, unsigned char c)
{
    switch (s->state) {
    case JSON_BEGIN:
        return begin_byte(s, c);
    case JSON_MARK:
        return mark_byte(s, c);
    case JSON_VALUE:
    case JSON_FIRST_VALUE:
        return value_byte(s, c);
    case JSON_KEY:
    case JSON_FIRST_KEY:
        return key_byte(s, c);
    case JSON_COLON:
        return is_blank(c) ? SCAN_PASS : c == ':' ? go(s, JSON_VALUE) : bad(s);
    case JSON_AFTER:
        return after_byte(s, c);
    case JSON_END:
        return is_blank(c) ? SCAN_PASS : bad(s);
    case JSON_STRING:
        return string_byte(s, c);
    case JSON_ESCAPE:
        return escape_byte(s, c);
    case JSON_HEX:
        return hex_byte(s, c);
    case JSON_UTF8:
        return utf8_byte(s, c);
    case JSON_LITERAL:
        return literal_byte(s, c);
    case JSON_BAD:
        return SCAN_BAD;
    default:
        return number_byte(s, c);
    }
}

static bool
is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

size_t
json_scan_plain(const struct json_scan *s, struct str bytes)
{
    size_t n = 0, k = 1;
    if (s->state != JSON_STRING || s->named != 0 ||
        (s->is_key && s->alive != 0)) {
        return 0;
    }
    while (n < bytes.n && k != 0) {
        unsigned char c = (unsigned char)bytes.p[n];
        if (is_plain(c)) {
            n++;
        } else {
            k = c >= 0x80 ? utf8_length(str_skip(bytes, n)) : 0;
            n += k;
        }
    }
    return n;
}

bool
json_scan_is_done(const struct json_scan *s)
{
    return s->state == JSON_END || (s->depth == 0 && is_whole_number(s->state));
}
