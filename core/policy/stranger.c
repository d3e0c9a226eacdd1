/*
 * Which part of a name its owner registered is a guess: the last two labels, or
 * three if the second is a usual one of a country ("co.uk"). A list of all
 * public suffixes would soon be out of date; where the guess is wrong, a
 * warning is missing.
 */

#include "policy/stranger.h"

/* Nobody registers names there (RFC 6761, 6762, 8375; ICANN for internal). */
static const char *const own_tops[] = { "internal", "local", "localhost",
    "test", "example", "invalid", "arpa", "lan" };

static const char *const second_levels[] = { "co", "com", "net", "org", "gov",
    "edu", "ac", "or", "ne", "go" };

static bool
is_one_of(struct str s, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (str_ieq(s, str_of(words[i]))) {
            return true;
        }
    }
    return false;
}

/* Takes the last label off, and returns it. */
static struct str
take_label(struct str *s)
{
    size_t at = s->n;
    while (at != 0 && s->p[at - 1] != '.') {
        at--;
    }
    struct str label = str_skip(*s, at);
    s->n = at != 0 ? at - 1 : 0;
    return label;
}

/* How many labels at the end of `s` no single owner has: 1 for "com", 2 for
 * "co.uk", 0 below a name in which nobody can register. */
static unsigned
public_labels(struct str s)
{
    struct str top = take_label(&s);
    struct str second = take_label(&s);
    if (is_one_of(top, own_tops, LEN(own_tops))) {
        return 0;
    }
    return top.n == 2 && is_one_of(second, second_levels, LEN(second_levels))
               ? 2
               : 1;
}

static unsigned
count_labels(struct str s)
{
    unsigned n = 0;
    while (s.n != 0) {
        take_label(&s);
        n++;
    }
    return n;
}

/* What follows the last `*`; false: there is none. */
static bool
tail_of(struct str pattern, struct str *tail)
{
    size_t at = pattern.n;
    while (at != 0 && pattern.p[at - 1] != '*') {
        at--;
    }
    *tail = str_skip(pattern, at);
    return at != 0;
}

/* A name of another owner that the pattern matches: "evil" stands for the first
 * star that a label goes on from, and a whole name for a star at the end. */
static struct str
example_of(struct arena *a, struct str pattern)
{
    static const struct str last = STR("evil.example");
    char *to = arena_alloc(a, pattern.n * 4 + last.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < pattern.n; i++) {
        bool is_end = i + 1 == pattern.n;
        struct str s = pattern.p[i] != '*' ? str_n(pattern.p + i, 1)
                       : !is_end           ? STR("evil")
                                           : last;
        if (pattern.p[i] == '*' && is_end && i != 0 &&
            pattern.p[i - 1] != '.') {
            to[n++] = '.';
        }
        memcpy(to + n, s.p, s.n);
        n += s.n;
    }
    to[n] = '\0';
    return str_n(to, n);
}

bool
stranger_matches(struct arena *a, struct str pattern, struct str *example,
    struct str *instead)
{
    struct str tail, all = STR("*.");
    if (!tail_of(pattern, &tail) || str_starts(tail, STR("."))) {
        return false;
    }
    bool has_name = false;
    for (size_t i = 0; i < pattern.n; i++) {
        has_name = has_name || str_find(all, pattern.p[i]) == all.n;
    }
    bool is_open_end = tail.n == 0;
    unsigned n = public_labels(tail);
    if (!has_name || (!is_open_end && (n == 0 || count_labels(tail) > n + 1))) {
        return false;
    }
    *example = example_of(a, pattern);
    bool is_slip = tail.n + 1 == pattern.n && tail.n != 0 && tail.p[0] != '-';
    *instead = is_slip ? arena_printf(
                             a, "\"%.*s *.%.*s\"", STR_ARG(tail), STR_ARG(tail))
                       : STR("each name in full");
    return true;
}

bool
stranger_owns_below(struct str pattern)
{
    if (!str_starts(pattern, STR("*."))) {
        return false;
    }
    struct str suffix = str_skip(pattern, 2);
    unsigned n = public_labels(suffix);
    return n != 0 && count_labels(suffix) <= n;
}
