/*
 * The form of host patterns, and their canonical text. Called by pattern.c
 * before it adds a pattern. Knows nothing of sets.
 */

#include "match/pattern_text.h"

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
    case ',':
        return "blanks separate host patterns, and no comma";
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

/* Digits with a star, or with dots and a dash, and no letter. */
static bool
is_range(struct str s)
{
    bool has_digit = false, has_star = false, has_dash = false, has_dot = false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool is_digit = ascii_is_digit(c);
        has_digit = has_digit || is_digit;
        has_star = has_star || c == '*';
        has_dash = has_dash || c == '-';
        has_dot = has_dot || c == '.';
        if (!is_digit && c != '*' && c != '-' && c != '.') {
            return false;
        }
    }
    bool is_open = has_star && (has_dot || s.p[0] != '*');
    return has_digit && (is_open || (has_dash && has_dot));
}

/* "fd00::*", "fd00::1-fd00::9". A port comes after a single colon, or after a
 * bracket. */
static bool
is_range6(struct str s)
{
    struct str rest = str_skip(s, str_find(s, ':'));
    rest = str_skip(rest, rest.n != 0);
    return str_find(s, '[') == s.n && str_find(rest, ':') != rest.n;
}

/* How many octets come before ".*" and only stars; 0: another form. */
static unsigned
octets_before_star(struct str s, struct str *octets)
{
    struct str rest = s, label;
    unsigned n = 0, n_stars = 0;
    while (str_cut(&rest, '.', &label)) {
        uint64_t v;
        if (str_eq(label, STR("*"))) {
            n_stars++;
        } else if (n_stars == 0 && str_u64(label, &v) && v < 256) {
            n++;
            *octets = str_n(s.p, (size_t)(label.p + label.n - s.p));
        } else {
            return 0;
        }
    }
    return n_stars != 0 && n + n_stars <= 4 ? n : 0;
}

bool
pattern_range_check(struct str s, struct pattern_error *err)
{
    static const char *const zeros[] = { "", ".0.0.0", ".0.0", ".0" };
    struct str octets = STR_NONE;
    char why[CIDR_REFUSAL_MAX];
    if (cidr_refusal(s, why)[0] != '\0') {
        return pattern_refuse(err, str_skip(str_of(why), 2).p);
    }
    if (is_range6(s)) {
        return pattern_refuse(err,
            "no IPv6 address; a range of them is "
            "written as a CIDR, such as \"fd00:1::/64\"");
    }
    unsigned n = is_range(s) ? octets_before_star(s, &octets) : 0;
    if (n != 0) {
        snprintf(err->text, sizeof err->text,
            "a range of addresses is written \"%.*s%s/%u\"", STR_ARG(octets),
            zeros[n], n * 8);
        return false;
    }
    return !is_range(s) ||
           pattern_refuse(err, "a range of addresses is written as one or more "
                               "CIDRs, such as \"10.0.5.0/28\"");
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
