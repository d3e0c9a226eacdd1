/*
 * What a host pattern may look like, and its canonical text. pattern.c calls
 * it before it files a pattern; nothing here knows of sets.
 */

#include "sandbox/pattern_text.h"

#include <stdio.h>

#define LABEL_BYTES_MAX 63

bool
pattern_refuse(struct pattern_error *err, const char *why)
{
    snprintf(err->text, sizeof err->text, "%s", why);
    return false;
}

static bool
is_name_byte(unsigned char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_';
}

const char *
pattern_byte_reason(unsigned char c)
{
    switch (c) {
    case ':':
        return "no port may stand in a host pattern";
    case '/':
        return "a host pattern is no URL and has no path";
    case '%':
        return "no percent-escape may stand in a host pattern";
    case '@':
        return "no user may stand in a host pattern";
    case '[':
    case ']':
        return "brackets may stand around an IPv6 address only";
    case '~':
        return "no regular expression may stand in this list";
    case '$':
        return "no variable may stand in a host pattern";
    case '*':
        return "\"*\" may stand as the whole first or last label of a host "
               "name only";
    default:
        return c >= 0x80 ? "write an international name in punycode"
                         : "a byte that no host name may have";
    }
}

bool
pattern_labels_check(struct str s, bool with_star, struct pattern_error *err)
{
    size_t label = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '.') {
            if (label == 0) {
                return pattern_refuse(err, i == 0
                                               ? "a host pattern may not begin "
                                                 "with a dot here"
                                               : "an empty label");
            }
            label = 0;
            continue;
        }
        if (!is_name_byte(c) && !(with_star && c == '*')) {
            return pattern_refuse(err, pattern_byte_reason(c));
        }
        if (++label > LABEL_BYTES_MAX) {
            return pattern_refuse(err, "a label of more than 63 bytes");
        }
    }
    return label != 0 || pattern_refuse(err, "an empty label");
}

bool
pattern_ends_in_number(struct str s)
{
    size_t at = s.n;
    while (at != 0 && s.p[at - 1] != '.') {
        at--;
    }
    struct str last = str_skip(s, at);
    bool is_hex = last.n >= 2 && last.p[0] == '0' && last.p[1] == 'x';
    for (size_t i = is_hex ? 2 : 0; i < last.n; i++) {
        unsigned char c = (unsigned char)last.p[i];
        if (is_hex ? ascii_hex(c) < 0 : !ascii_is_digit(c)) {
            return false;
        }
    }
    return true;
}

struct str
pattern_canonical(struct arena *a, struct str s)
{
    char *to = arena_alloc(a, s.n + 1);
    size_t n = 0;
    if (s.n > 1 && s.p[s.n - 1] == '.') {
        s.n--;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '*' && n != 0 && to[n - 1] == '*') {
            continue;
        }
        to[n++] = (char)ascii_lower((unsigned char)s.p[i]);
    }
    to[n] = '\0';
    return str_n(to, n);
}
