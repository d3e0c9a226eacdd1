/*
 * Lists of names and prefixes of credentials. Each is certain enough to make a
 * configuration an error; a key that looks like any word is not found.
 * modules/credential.c checks the arguments of its directives.
 */

#include "http/credential_text.h"

#define NAME_MAX_BYTES 128
#define WORD_REST_MIN 12  /* bytes behind a known prefix */
#define SCHEME_REST_MIN 8 /* bytes behind a scheme */

/* In lower case, with `-` for `_`. An entry that begins with `-` matches the
 * whole name without it, too. */
static const char *const name_ends[] = { "authorization", "authentication",
    "cookie", "token", "secret", "password", "passwd", "-pwd", "apikey",
    "-api-key", "-auth-key", "-access-key", "-secret-key", "-private-key",
    "-subscription-key", "-functions-key", "-application-key", "-credential",
    "-credentials", "-signature" };

/* Anti-forgery tokens: they give no access, and literal values ("no-check") are
 * common. */
static const char *const harmless_ends[] = { "csrf-token", "xsrf-token",
    "csrftoken", "xsrftoken", "atlassian-token" };

static const char *const prefixes[] = { "ghp_", "gho_", "ghu_", "ghs_", "ghr_",
    "github_pat_", "glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "sk-",
    "sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_", "xoxb-", "xoxp-",
    "xoxa-", "xoxr-", "xoxs-", "xapp-", "AKIA", "ASIA", "AIza", "ya29.",
    "GOCSPX-", "npm_", "pypi-", "rubygems_", "dckr_pat_", "dop_v1_", "doo_v1_",
    "hf_", "shpat_", "shpss_", "shpca_", "glsa_", "lin_api_", "sntrys_",
    "figd_", "ATATT3", "hvs.", "hvb.", "SG.", "eyJ" };

static const char *const schemes[] = { "bearer ", "basic ", "token ",
    "apikey " };

static bool
ends_in_any(struct str s, const char *const *ends, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct str end = str_of(ends[i]);
        if (str_ends(s, end) || str_eq(s, str_skip(end, end.p[0] == '-'))) {
            return true;
        }
    }
    return false;
}

bool
credential_text_is_name(struct str name)
{
    char lower[NAME_MAX_BYTES];
    /* only the end of the name counts */
    struct str s =
        str_skip(name, name.n > sizeof lower ? name.n - sizeof lower : 0);
    AN(s.n <= sizeof lower);
    for (size_t i = 0; i < s.n; i++) {
        char c = (char)ascii_lower((unsigned char)s.p[i]);
        lower[i] = c == '_' ? '-' : c;
    }
    s = str_n(lower, s.n);
    return ends_in_any(s, name_ends, LEN(name_ends)) &&
           !ends_in_any(s, harmless_ends, LEN(harmless_ends));
}

static bool
is_token_byte(char c)
{
    return ascii_is_alpha((unsigned char)c) ||
           ascii_is_digit((unsigned char)c) ||
           (c != '\0' && strchr("-._~+/", c) != NULL);
}

static size_t
word_length(struct str s)
{
    size_t n = 0;
    while (n < s.n && is_token_byte(s.p[n])) {
        n++;
    }
    return n;
}

static bool
is_known_word(struct str word)
{
    for (size_t i = 0; i < LEN(prefixes); i++) {
        struct str prefix = str_of(prefixes[i]);
        if (str_starts(word, prefix) && word.n >= prefix.n + WORD_REST_MIN) {
            return true;
        }
    }
    return false;
}

static bool
has_known_word(struct str s)
{
    while (s.n != 0) {
        size_t n = word_length(s);
        if (is_known_word(str_n(s.p, n))) {
            return true;
        }
        s = str_skip(s, n != 0 ? n : 1);
    }
    return false;
}

/* Whether it is a scheme and one word, which may have base64's padding. */
static bool
has_scheme(struct str s)
{
    for (size_t i = 0; i < LEN(schemes); i++) {
        struct str scheme = str_of(schemes[i]);
        if (s.n < scheme.n || !str_ieq(str_n(s.p, scheme.n), scheme)) {
            continue;
        }
        struct str rest = str_trim(str_skip(s, scheme.n));
        size_t n = word_length(rest);
        while (n < rest.n && rest.p[n] == '=') {
            n++;
        }
        return n == rest.n && n >= SCHEME_REST_MIN;
    }
    return false;
}

bool
credential_text_is_value(struct str value)
{
    struct str s = str_trim(value);
    return has_scheme(s) || has_known_word(s) ||
           memmem(s.p, s.n, "-----BEGIN ", 11) != NULL;
}
