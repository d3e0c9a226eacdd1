/*
 * Scans the names and values of a form, a byte at a time. Pure; refuses what
 * two readers may decode differently.
 */

#include "http/form_scan.h"

static void
begin_name(struct form_scan *s)
{
    s->named = 0;
    s->is_value = false;
    s->alive = s->n_names < 32 ? (1u << s->n_names) - 1 : UINT32_MAX;
    s->name_n = 0;
}

void
form_scan_init(struct form_scan *s, const struct str *names, unsigned n_names)
{
    AN(n_names <= SCAN_FIELDS_MAX);
    AN(n_names == 0 || names != NULL);
    *s = (struct form_scan){ .names = names, .n_names = n_names, .digits = -1 };
    begin_name(s);
}

static enum scan
bad(struct form_scan *s)
{
    s->is_bad = true;
    s->named = 0;
    return SCAN_BAD;
}

/* Keeps in `alive` the fields whose name goes on with `c`. */
static void
name_char(struct form_scan *s, int c)
{
    for (unsigned i = 0; i < s->n_names; i++) {
        struct str name = s->names[i];
        if (s->name_n >= name.n || (unsigned char)name.p[s->name_n] != c) {
            s->alive &= ~(1u << i);
        }
    }
    s->name_n++;
}

static void
begin_value(struct form_scan *s)
{
    AN(!s->is_value && s->named == 0);
    for (unsigned i = 0; i < s->n_names; i++) {
        bool is_it = (s->alive >> i & 1) != 0 && s->names[i].n == s->name_n;
        s->named |= is_it ? 1u << i : 0;
    }
    s->is_value = true;
}

static enum scan
text(struct form_scan *s, int c)
{
    if (!s->is_value) {
        name_char(s, c);
    }
    s->c = c < 0x80 ? c : SCAN_OTHER;
    return s->named != 0 ? SCAN_CHAR : SCAN_PASS;
}

static enum scan
escape(struct form_scan *s, unsigned char c)
{
    int digit = ascii_hex(c);
    AN(s->digits >= 0 && s->digits < 2);
    if (digit < 0) {
        return bad(s);
    }
    s->code = s->digits == 0 ? digit : s->code * 16 + digit;
    s->digits++;
    if (s->digits == 2) {
        s->digits = -1;
        return text(s, s->code);
    }
    return s->named != 0 ? SCAN_PART : SCAN_PASS;
}

enum scan
form_scan_byte(struct form_scan *s, unsigned char c)
{
    bool was_named = s->named != 0;
    if (s->is_bad) {
        return SCAN_BAD;
    }
    if (s->digits >= 0) {
        return escape(s, c);
    }
    if (c == '%') {
        s->digits = 0;
        return was_named ? SCAN_PART : SCAN_PASS;
    }
    if (c == '&') {
        begin_name(s);
        return was_named ? SCAN_END : SCAN_PASS;
    }
    if (c == ';' && was_named) {
        s->named = 0;
        return SCAN_END;
    }
    if (c == '=' && !s->is_value) {
        begin_value(s);
        return SCAN_PASS;
    }
    return text(s, c == '+' ? ' ' : c);
}

size_t
form_scan_plain(const struct form_scan *s, struct str bytes)
{
    size_t n = 0;
    if (s->is_value && s->named == 0 && s->digits < 0 && !s->is_bad) {
        while (n < bytes.n && bytes.p[n] != '&' && bytes.p[n] != '%') {
            n++;
        }
    }
    return n;
}

bool
form_scan_is_done(const struct form_scan *s)
{
    return !s->is_bad && s->digits < 0;
}
