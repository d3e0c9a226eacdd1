/*
 * Host pattern sets: SPEC 5's examples, what is refused, the order in which
 * patterns win, and ten thousand of them against a naive matcher.
 */

#include "match/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <valgrind/valgrind.h>

#include <cmocka.h>

#include "base/mem.h"
#include "naive.h"

/* Of what chance makes; the other passes run them all. */
#define SEEDS (RUNNING_ON_VALGRIND ? 8 : 200)
#define MANY (RUNNING_ON_VALGRIND ? 1000 : 10000)

/* A compiled set of words; each one's value is its text as given. */
static struct pattern_set *
set_of(enum pattern_kind kind, const char *words)
{
    struct pattern_set *s = pattern_set_new(kind);
    struct str rest = str_of(words), word;
    struct pattern_error err;
    while (rest.n != 0 && str_cut(&rest, ' ', &word)) {
        if (!pattern_set_add(s, word, (void *)word.p, &err)) {
            fail_msg("%.*s: %s", STR_ARG(word), err.text);
        }
    }
    pattern_set_compile(s);
    return s;
}

/* The pattern that matches, "-" for none, "failed". */
static const char *
match(const struct pattern_set *s, const char *host)
{
    static char text[300];
    struct addr a;
    struct pattern_hit hit;
    const struct addr *literal = addr_parse(str_of(host), &a) ? &a : NULL;
    switch (pattern_match(s, str_of(host), literal, &hit)) {
    case PATTERN_NONE:
        return "-";
    case PATTERN_FAILED:
        return "failed";
    case PATTERN_MATCH:
        break;
    }
    snprintf(text, sizeof text, "%.*s", STR_ARG(hit.pattern));
    return text;
}

static void
expect(enum pattern_kind kind, const char *words, const char *host,
    const char *pattern)
{
    struct pattern_set *s = set_of(kind, words);
    const char *found = match(s, host);
    if (strcmp(found, pattern) != 0) {
        fail_msg("%s in \"%s\": %s, not %s", host, words, found, pattern);
    }
    pattern_set_unref(s);
}

static void
list_examples_of_the_spec(void **state)
{
    (void)state;
    expect(PATTERN_LIST, "*.example.com", "a.b.example.com", "*.example.com");
    expect(PATTERN_LIST, "*.example.com", "example.com", "-");
    expect(PATTERN_LIST, "*.example.com", "notexample.com", "-");
    expect(PATTERN_LIST, "google.*", "google.co.uk", "google.*");
    expect(PATTERN_LIST, "google.*", "maps.google.com", "-");
    expect(PATTERN_LIST, "*", "anything.at.all", "*");
    expect(PATTERN_LIST, "*", "10.0.0.1", "*");
    expect(PATTERN_LIST, "**.example", "a.example", "*.example");
    expect(PATTERN_LIST, "a*b.example", "a.x.b.example", "a*b.example");
    expect(PATTERN_LIST, "a.b", "aab", "-");
    expect(PATTERN_LIST, "", "a", "-");
}

static void
list_addresses(void **state)
{
    (void)state;
    expect(PATTERN_LIST, "10.0.0.0/8", "10.1.2.3", "10.0.0.0/8");
    expect(PATTERN_LIST, "10.0.0.0/8", "11.1.2.3", "-");
    expect(PATTERN_LIST, "10.1.2.3", "10.1.2.3", "10.1.2.3");
    expect(PATTERN_LIST, "[2001:DB8::1]", "2001:db8::1", "2001:db8::1");
    expect(PATTERN_LIST, "2001:db8:0::/32", "2001:db8::9", "2001:db8::/32");
    expect(PATTERN_LIST, "::ffff:10.1.2.3", "10.1.2.3", "10.1.2.3");
    /* a name is no address, whatever it looks like */
    struct pattern_set *s = set_of(PATTERN_LIST, "10.0.0.0/8");
    assert_int_equal(
        pattern_match(s, STR("10.1.2.3"), NULL, NULL), PATTERN_NONE);
    pattern_set_unref(s);
}

static void
list_order(void **state)
{
    (void)state;
    /* an exact name goes first, then the order added */
    expect(PATTERN_LIST, "* *.b.test a.b.test", "a.b.test", "a.b.test");
    expect(PATTERN_LIST, "*.test *.b.test", "a.b.test", "*.test");
    expect(PATTERN_LIST, "*.b.test *.test", "a.b.test", "*.b.test");
    expect(PATTERN_LIST, "a.* *.test", "a.b.test", "a.*");
    expect(PATTERN_LIST, "*.test a.*", "a.b.test", "*.test");
    expect(PATTERN_LIST, "* 10.0.0.1", "10.0.0.1", "10.0.0.1");
    expect(PATTERN_LIST, "* 10.0.0.0/8", "10.0.0.1", "*");
    expect(PATTERN_LIST, "10.0.0.0/8 10.1.0.0/16", "10.1.0.1", "10.0.0.0/8");
    expect(PATTERN_LIST, "10.1.0.0/16 10.0.0.0/8", "10.1.0.1", "10.1.0.0/16");
}

static void
server_examples(void **state)
{
    static const char words[] = "*.test *.b.test a.b.test mail.* mail.x.* "
                                "~^a\\d+\\.re$ ~.*\\.re .dot.org 10.0.0.1";
    (void)state;
    expect(PATTERN_SERVER, words, "a.b.test", "a.b.test");
    expect(PATTERN_SERVER, words, "c.b.test", "*.b.test");
    expect(PATTERN_SERVER, words, "x.y.b.test", "*.b.test");
    expect(PATTERN_SERVER, words, "b.test", "*.test");
    expect(PATTERN_SERVER, words, "mail.org", "mail.*");
    expect(PATTERN_SERVER, words, "mail.x.org", "mail.x.*");
    expect(PATTERN_SERVER, words, "mail.test", "*.test");
    expect(PATTERN_SERVER, words, "a12.re", "~^a\\d+\\.re$");
    expect(PATTERN_SERVER, words, "b12.re", "~.*\\.re");
    expect(PATTERN_SERVER, words, "dot.org", "dot.org");
    expect(PATTERN_SERVER, words, "a.dot.org", "*.dot.org");
    expect(PATTERN_SERVER, words, "10.0.0.1", "10.0.0.1");
    expect(PATTERN_SERVER, words, "none.example", "-");
    /* the whole name, in any case of the pattern */
    expect(PATTERN_SERVER, "~B\\.re", "ab.re", "-");
    expect(PATTERN_SERVER, "~B\\.re", "b.re", "~B\\.re");
    expect(PATTERN_SERVER, "~a|ab", "ab", "~a|ab");
}

static void
canonical_text(void **state)
{
    (void)state;
    expect(PATTERN_LIST, "EXAMPLE.com.", "example.com", "example.com");
    expect(PATTERN_LIST, "*.Example.COM.", "a.example.com", "*.example.com");
    expect(PATTERN_SERVER, "EXAMPLE.com.", "example.com", "example.com");
    expect(PATTERN_LIST, "xn--bcher-kva.example", "xn--bcher-kva.example",
        "xn--bcher-kva.example");
    expect(PATTERN_LIST, "a_b.example", "a_b.example", "a_b.example");
    struct pattern_set *s = set_of(PATTERN_LIST, "A.test 10.0.0.0/8 *.B");
    assert_int_equal(pattern_set_count(s), 3);
    assert_true(str_eq(pattern_set_nth(s, 0), STR("a.test")));
    assert_true(str_eq(pattern_set_nth(s, 1), STR("10.0.0.0/8")));
    assert_true(str_eq(pattern_set_nth(s, 2), STR("*.b")));
    pattern_set_unref(s);
}

#define L64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."

static const struct refused {
    const char *pattern, *why;
    bool in_list, in_server;
} refusals[] = {
    { "", "an empty host pattern", true, true },
    { "a.test:443", "no port", true, true },
    { "http://a.test", "no URL", true, true },
    { "a.test/x", "no URL", true, true },
    { "a%2etest", "no percent-escape", true, true },
    { "me@a.test", "no user", true, true },
    { "[a.test]", "brackets", true, true },
    { "[::1", "brackets", true, true },
    { "~a", "no regular expression", true, false },
    { "$host", "no variable", true, true },
    { "a..test", "an empty label", true, true },
    { "a.test..", "an empty label", true, true },
    { ".", "begin", true, false },
    { ".a.test", "begin", true, false },
    { "..a", "begin", false, true },
    { "b\xc3\xbc"
      "cher.test",
        "punycode", true, true },
    { "a b", "no host name may have", true, true },
    { "a\\.b", "no host name may have", true, true },
    { L64 ".test", "63 bytes", true, true },
    { L50 L50 L50 L50 L50 L50 "a", "253 bytes", true, true },
    { "010.0.0.1", "ambiguous", true, true },
    { "0x7f.1", "ambiguous", true, true },
    { "127.1", "ambiguous", true, true },
    { "2130706433", "ambiguous", true, true },
    { "10.0.0.1/8", "host bits are set, write 10.0.0.0/8 for the", true,
        false },
    { "10.0.0.0/33", "the prefix behind \"/\" is a number up to 32", true,
        false },
    { "fd00::1/64", "host bits are set, write fd00::/64 for", true, false },
    { "a.test,b.test", "no comma", true, true },
    { "10.0.0.0/8", "range", false, true },
    { "10.0.5.*", "written \"10.0.5.0/24\"", true, false },
    { "10.0.*", "written \"10.0.0.0/16\"", true, false },
    { "10.*.*.*", "written \"10.0.0.0/8\"", true, false },
    { "10.0.5.1-9", "more CIDRs", true, false },
    { "10.0.5.1-10.0.5.9", "more CIDRs", true, false },
    { "10.0.*.1", "more CIDRs", true, false },
    { "300.*", "more CIDRs", true, false },
    { "10*", "more CIDRs", true, false },
    { "*.5", "more CIDRs", true, false },
    { "10.0.5.*", "names no host block", false, true },
    { "10.0.5.1-9", "names no host block", false, true },
    { "fd00::*", "no IPv6 address; a range of them is written", true, false },
    { "fd00::1-fd00::9", "no IPv6 address", true, false },
    { "*", "first or last label", false, true },
    { "a.*.test", "first or last label", false, true },
    { "*a.test", "first or last label", false, true },
    { "a*", "first or last label", false, true },
    { "*.a.*", "first or last label", false, true },
    { "~(", "invalid regular expression", false, true },
    { "~", "it is empty", false, true },
};

static void
refuse_one(enum pattern_kind kind, const struct refused *r)
{
    struct pattern_set *s = pattern_set_new(kind);
    struct pattern_error err;
    if (pattern_set_add(s, str_of(r->pattern), s, &err)) {
        fail_msg("\"%s\" is not refused", r->pattern);
    }
    if (strstr(err.text, r->why) == NULL) {
        fail_msg("\"%s\": %s", r->pattern, err.text);
    }
    assert_null(err.other);
    pattern_set_unref(s);
}

static void
what_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(refusals); i++) {
        if (refusals[i].in_list) {
            refuse_one(PATTERN_LIST, &refusals[i]);
        }
        if (refusals[i].in_server) {
            refuse_one(PATTERN_SERVER, &refusals[i]);
        }
    }
}

/* Digits and dashes that are no range. */
static void
names_like_ranges(void **state)
{
    static const char *const names[] = { "1-2", "10.example", "3-1.x",
        "*.1password.com", "1e100.net", "a.10-20", "*-1" };
    struct pattern_error err;
    (void)state;
    for (size_t i = 0; i < LEN(names); i++) {
        struct pattern_set *s = pattern_set_new(PATTERN_LIST);
        assert_true(pattern_set_add(s, str_of(names[i]), s, &err));
        pattern_set_unref(s);
    }
}

static void
duplicates(void **state)
{
    static const char *const words[] = { "a.test", "*.test", "b.*", "~x+",
        "10.0.0.1" };
    struct pattern_set *s = pattern_set_new(PATTERN_SERVER);
    struct pattern_error err;
    int first, second;
    (void)state;
    for (size_t i = 0; i < LEN(words); i++) {
        assert_true(pattern_set_add(s, str_of(words[i]), &first, &err));
        assert_false(pattern_set_add(s, str_of(words[i]), &second, &err));
        assert_ptr_equal(err.other, &first);
    }
    assert_false(pattern_set_add(s, STR(".test"), &second, &err));
    assert_false(pattern_set_add(s, STR("~ x+"), &second, &err));
    pattern_set_unref(s);

    s = set_of(PATTERN_LIST, "a.test A.TEST. *.b *.b 10.0.0.0/8 10.0.0.0/8");
    assert_int_equal(pattern_set_count(s), 3);
    pattern_set_unref(s);
}

static void
values_and_captures(void **state)
{
    struct pattern_set *s = pattern_set_new(PATTERN_SERVER);
    struct pattern_error err;
    struct pattern_hit hit;
    int block;
    struct str host = STR("acme.vcs.example");
    (void)state;
    assert_true(pattern_set_add(
        s, STR("~ (?<tenant>[a-z0-9-]+)\\.vcs\\.example"), &block, &err));
    assert_true(pattern_set_add(s, STR("a.test"), &err, &err));
    pattern_set_compile(s);
    assert_int_equal(pattern_match(s, host, NULL, &hit), PATTERN_MATCH);
    assert_ptr_equal(hit.value, &block);
    assert_true(hit.is_regex);
    assert_true(str_eq(hit.captures.capture[1], STR("acme")));
    assert_int_equal(
        pattern_match(s, STR("a.test"), NULL, &hit), PATTERN_MATCH);
    assert_false(hit.is_regex);
    assert_ptr_equal(hit.value, &err);
    assert_int_equal(pattern_match(s, host, NULL, NULL), PATTERN_MATCH);
    pattern_set_unref(s);
}

static void
regex_that_fails_to_run(void **state)
{
    char host[72];
    (void)state;
    memset(host, 'a', 70);
    memcpy(host + 70, "-", 2);
    expect(PATTERN_SERVER, "~(a|aa)+ ~a+-", host, "failed");
    expect(PATTERN_SERVER, "~a+- ~(a|aa)+", host, "~a+-");
}

static void
what_a_set_tells(void **state)
{
    struct pattern_set *s =
        set_of(PATTERN_LIST, "a.test 10.0.0.0/8 ::1 10.1.0.0/16");
    struct addr a;
    unsigned n;
    (void)state;
    assert_false(pattern_set_is_exact(s));
    const struct cidr *c = pattern_set_cidrs(s, &n);
    assert_int_equal(n, 3);
    assert_int_equal(c[0].bits, 8);
    assert_int_equal(c[1].bits, 128);
    assert_true(addr_parse(STR("10.200.0.1"), &a));
    assert_true(pattern_set_has_addr(s, &a));
    assert_true(addr_parse(STR("12.200.0.1"), &a));
    assert_false(pattern_set_has_addr(s, &a));
    assert_false(pattern_set_has_addr(NULL, &a));
    assert_int_equal(pattern_match(NULL, STR("a"), NULL, NULL), PATTERN_NONE);
    pattern_set_unref(s);
    s = set_of(PATTERN_LIST, "a.test 10.0.0.1 ::1");
    assert_true(pattern_set_is_exact(s));
    pattern_set_unref(s);
    s = set_of(PATTERN_SERVER, "a.test *.b");
    assert_false(pattern_set_is_exact(s));
    assert_false(pattern_set_has_addr(s, &a));
    pattern_set_unref(s);
    pattern_set_unref(NULL);
}

static bool
is_exact(struct str s)
{
    return str_find(s, '*') == s.n;
}

/* What a list of names should answer: an exact one, then the first. */
static int
naive_list(const struct str *patterns, unsigned n, struct str host)
{
    int first = -1;
    for (unsigned i = 0; i < n; i++) {
        if (is_exact(patterns[i]) && str_eq(patterns[i], host)) {
            return (int)i;
        }
        if (first < 0 && naive_glob(patterns[i], host)) {
            first = (int)i;
        }
    }
    return first;
}

static bool
is_wild_at_end(struct str s)
{
    return s.n > 2 && str_ends(s, STR(".*")) && is_exact(str_n(s.p, s.n - 2));
}

static bool
is_wild_at_start(struct str s)
{
    return s.n > 2 && str_starts(s, STR("*.")) && is_exact(str_skip(s, 2));
}

/* What server names should answer: exact, longest "*.x", longest "x.*". */
static int
naive_server(const struct str *patterns, unsigned n, struct str host)
{
    int best = -1, best_rank = 0;
    for (unsigned i = 0; i < n; i++) {
        int rank = is_exact(patterns[i])           ? 100000
                   : is_wild_at_start(patterns[i]) ? 10000
                                                   : 1000;
        rank += (int)patterns[i].n;
        if (rank > best_rank && naive_glob(patterns[i], host)) {
            best_rank = rank;
            best = (int)i;
        }
    }
    return best;
}

static struct str
random_pattern(struct naive_random *r, struct arena *a, enum pattern_kind kind)
{
    char text[NAIVE_NAME_MAX + 4];
    for (;;) {
        size_t n = naive_name(r, kind == PATTERN_LIST, text + 2);
        struct str s = str_n(text + 2, n);
        unsigned form = kind == PATTERN_SERVER ? naive_below(r, 3) : 0;
        if (form == 1) {
            memcpy(text, "*.", 2);
            s = str_n(text, n + 2);
        } else if (form == 2) {
            memcpy(text + 2 + n, ".*", 2);
            s = str_n(text + 2, n + 2);
        }
        if (kind == PATTERN_LIST || form == 0 || is_wild_at_start(s) ||
            is_wild_at_end(s)) {
            return arena_dup(a, s);
        }
    }
}

static void
compare(enum pattern_kind kind, unsigned n, unsigned n_hosts, uint64_t seed)
{
    struct naive_random r = { seed };
    struct arena *a = arena_new(4096);
    struct pattern_set *s = pattern_set_new(kind);
    struct pattern_error err;
    struct str *patterns = xalloc(n * sizeof *patterns);
    for (unsigned i = 0; i < n; i++) {
        patterns[i] = random_pattern(&r, a, kind);
        bool ok = pattern_set_add(s, patterns[i], &patterns[i], &err);
        assert_true(ok || err.other != NULL);
    }
    pattern_set_compile(s);
    for (unsigned i = 0; i < n_hosts; i++) {
        char text[NAIVE_NAME_MAX];
        struct str host = str_n(text, naive_name(&r, false, text));
        struct pattern_hit hit;
        int want = kind == PATTERN_LIST ? naive_list(patterns, n, host)
                                        : naive_server(patterns, n, host);
        int got = pattern_match(s, host, NULL, &hit) == PATTERN_MATCH
                      ? (int)((struct str *)hit.value - patterns)
                      : -1;
        if (got != want) {
            fail_msg("seed %u: %.*s: %d, not %d", (unsigned)seed, STR_ARG(host),
                got, want);
        }
    }
    xfree(patterns);
    pattern_set_unref(s);
    arena_free(a);
}

static void
random_sets(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < SEEDS; seed++) {
        compare(PATTERN_LIST, 1 + (unsigned)seed % 15, 50, seed);
        compare(PATTERN_SERVER, 1 + (unsigned)seed % 15, 50, seed);
    }
}

static void
sets_of_ten_thousand(void **state)
{
    (void)state;
    compare(PATTERN_LIST, MANY, 1000, 11);
    compare(PATTERN_SERVER, MANY, 1000, 12);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_examples_of_the_spec),
        cmocka_unit_test(list_addresses),
        cmocka_unit_test(list_order),
        cmocka_unit_test(server_examples),
        cmocka_unit_test(canonical_text),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(names_like_ranges),
        cmocka_unit_test(duplicates),
        cmocka_unit_test(values_and_captures),
        cmocka_unit_test(regex_that_fails_to_run),
        cmocka_unit_test(what_a_set_tells),
        cmocka_unit_test(random_sets),
        cmocka_unit_test(sets_of_ten_thousand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
