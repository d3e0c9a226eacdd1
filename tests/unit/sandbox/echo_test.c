/*
 * A secret in all its forms, in noise, cut everywhere; held to what a plain
 * search finds.
 */

#include "sandbox/echo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "echo_naive.h"

/* The text with what is found replaced by asterisks. */
static const char *
masked(struct str secret, struct str text)
{
    static char out[NAIVE_TEXT_MAX + 1];
    bool mask[NAIVE_TEXT_MAX];
    struct echo_keys keys;
    struct echo e;
    echo_keys_init(&keys, &secret, 1);
    echo_init(&e, &keys);
    naive_echo(&e, text, text.n, 1, mask);
    for (size_t i = 0; i < text.n; i++) {
        out[i] = mask[i] ? '*' : text.p[i];
    }
    out[text.n] = '\0';
    echo_fini(&e);
    echo_keys_fini(&keys);
    return out;
}

static void
assert_all(struct str secret, struct str text)
{
    const char *out = masked(secret, text);
    assert_int_equal(strspn(out, "*"), text.n);
}

#define IS(TEXT, EXPECTED)                                                     \
    assert_string_equal(masked(STR("s3cret-value"), STR(TEXT)), EXPECTED)

static void
as_it_is(void **state)
{
    (void)state;
    IS("s3cret-value", "************");
    IS("Bearer s3cret-value, s3cret-value.",
        "Bearer ************, ************.");
    IS("s3cret-s3cret-value", "s3cret-************");
    IS("S3cret-value s3cret_value s3cret-valu",
        "S3cret-value s3cret_value s3cret-valu");
    IS("", "");
}

static void
percent_encoded(void **state)
{
    (void)state;
    IS("a=s3cret%2Dvalue&", "a=**************&");
    IS("a=s3cret%2dv%61lue&", "a=****************&");
    IS("%73%33%63%72%65%74%2d%76%61%6c%75%65.",
        "************************************.");
    IS("%s3cret-value%2", "%************%2");
    IS("s3cret%252Dvalue s3cret%2-value", "s3cret%252Dvalue s3cret%2-value");
}

static void
json_escaped(void **state)
{
    (void)state;
    IS("\"s3cret\\u002Dvalue\"", "\"*****************\"");
    IS("\"\\u00733cret\\u002dvalue\"", "\"**********************\"");
    IS("\\s3cret-value\\", "\\************\\");
    struct str odd = STR("a\"b\\c/d\be\ff\tg");
    assert_string_equal(masked(odd, STR("\"a\\\"b\\\\c\\/d\\be\\ff\\tg\"")),
        "\"*******************\"");
    assert_string_equal(masked(odd, STR("\"a\\\"b\\\\c/d\\u0008e\\ff\\u0009g")),
        "\"**************************");
}

/* A text may be read as UTF-8 or as Latin-1 before it is escaped. */
static void
not_ascii(void **state)
{
    struct str s = STR("gr\xc3\xbc\xc3\x9f"
                       "e-\xe2\x82\xac-\xf0\x9f\x98\x80.");
    (void)state;
    assert_all(s, s);
    assert_all(s, STR("gr\\u00fc\\u00dfe-\\u20ac-\\ud83d\\ude00."));
    assert_all(s, STR("gr\\u00c3\\u00bc\xc3\\u009F"
                      "e-%E2\x82\xac-\xf0%9f\x98\x80."));
    assert_string_equal(
        masked(s, STR("gr\\u00fc\\u00dfe-\\u20ac-\\ud83d\\ude01.")),
        "gr\\u00fc\\u00dfe-\\u20ac-\\ud83d\\ude01.");
}

/* printf SECRET | base64, with "", "a" and "ab" before it. */
static void
base64_alignments(void **state)
{
    (void)state;
    IS("czNjcmV0LXZhbHVl", "****************");
    IS("YXMzY3JldC12YWx1ZQ==", "YX****************==");
    IS("YWJzM2NyZXQtdmFsdWU=", "YWJ****************=");
    IS("eczNjcmV0LXZhbHVlIQ==", "e****************IQ==");
}

static void
base64_variants(void **state)
{
    struct str s = STR("\xfb\xef\xbe\xff\xff\xff\xfb\xef\xbe\xff\xff\xff");
    (void)state;
    assert_string_equal(masked(s, STR("++++////++++////")), "****************");
    assert_string_equal(masked(s, STR("----____----____")), "****************");
    assert_string_equal(masked(s, STR("%2B+%2b+\\/\\/%2F/-+--____.")),
        "************************.");
}

static void
held_back(void **state)
{
    static const struct {
        const char *text;
        size_t held;
    } cases[] = {
        { "", 0 },
        { "x", 0 },
        { "s", 1 },
        { "xs3cret", 6 },
        { "s3cret-s", 1 },
        { "s3cret-value", 0 },
        { "ss3c%7", 5 },
        { "y%", 1 },
        { "y\\u00", 4 },
        { "y\\ux", 0 },
        { "YXMzY3JldC12YWx1", 14 },
        { "YXMzY3JldC12YWx1Z", 0 },
    };
    struct str secret = STR("s3cret-value");
    struct echo_keys keys;
    struct echo e;
    bool mask[64];
    (void)state;
    echo_keys_init(&keys, &secret, 1);
    for (size_t i = 0; i < LEN(cases); i++) {
        echo_init(&e, &keys);
        struct str s = str_of(cases[i].text);
        naive_echo(&e, s, s.n, 1, mask);
        if (echo_held(&e) != cases[i].held) {
            fail_msg("%s: %zu", cases[i].text, echo_held(&e));
        }
        echo_reset(&e);
        assert_int_equal(echo_held(&e), 0);
        echo_fini(&e);
    }
    echo_keys_fini(&keys);
}

static unsigned
chance(unsigned n)
{
    return (unsigned)rand() % n;
}

/* One byte of a secret as itself, percent-encoded or JSON-escaped. */
static size_t
put_byte(char *to, unsigned char c, unsigned how)
{
    static const char *const formats[] = { "%%%02x", "%%%02X", "\\u%04x",
        "\\u%04X" };
    if (how < LEN(formats)) {
        return (size_t)snprintf(to, 8, formats[how], c);
    }
    to[0] = (char)c;
    return 1;
}

/* The secret in a form that chance chooses. */
static size_t
put_form(char *to, struct str secret)
{
    char plain[NAIVE_SECRET_MAX + 4], text[NAIVE_SECRET_MAX * 2];
    struct str from = secret;
    unsigned lead = chance(4);
    if (lead < 3) {
        memset(plain, 'a' + (int)chance(26), sizeof plain);
        memcpy(plain + lead, secret.p, secret.n);
        size_t n = lead + secret.n + chance(3);
        from = str_n(text, base64_encode(str_n(plain, n), text));
    }
    size_t n = 0;
    unsigned how = chance(12);
    for (size_t i = 0; i < from.n; i++) {
        bool is_escaped = how < 8 && chance(3) != 0;
        n += put_byte(
            to + n, (unsigned char)from.p[i], is_escaped ? how % 5 : 5);
    }
    return n;
}

/* Noise that looks like the secret, so that forms begin and fail. */
static size_t
put_noise(char *to, struct str secret)
{
    size_t n = chance(12);
    for (size_t i = 0; i < n; i++) {
        static const char own[] = "%\\u0+=-/ab";
        to[i] = chance(2) != 0 ? secret.p[chance((unsigned)secret.n)]
                               : own[chance(sizeof own - 1)];
    }
    return n;
}

static void
assert_same(struct str secret, struct str text, const bool *want,
    const bool *is, size_t piece)
{
    for (size_t i = 0; i < text.n; i++) {
        if (want[i] != is[i]) {
            fail_msg("secret \"%.*s\", in pieces of %zu, at %zu of \"%.*s\"",
                STR_ARG(secret), piece, i, STR_ARG(text));
        }
    }
}

static void
compare(struct str secret, struct str text, bool has_form)
{
    bool want[NAIVE_TEXT_MAX], is[NAIVE_TEXT_MAX];
    struct naive *nv = naive_new(secret);
    struct echo_keys keys;
    struct echo e;
    naive_mask(nv, text, want);
    free(nv);
    assert_true(!has_form || memchr(want, true, text.n) != NULL);
    echo_keys_init(&keys, &secret, 1);
    echo_init(&e, &keys);
    for (size_t first = 1; first <= text.n; first++) {
        naive_echo(&e, text, first, text.n + 1, is);
        assert_same(secret, text, want, is, first);
        assert_false(e.has_missed);
    }
    for (size_t piece = 1; piece < 8; piece++) {
        naive_echo(&e, text, piece, piece, is);
        assert_same(secret, text, want, is, piece);
    }
    echo_fini(&e);
    echo_keys_fini(&keys);
}

static void
by_chance(void **state)
{
    static const char few[] = "ab%2\\/n ";
    char secret[32], text[NAIVE_TEXT_MAX];
    (void)state;
    srand(7);
    for (int round = 0; round < 1000; round++) {
        size_t n = ECHO_MIN + chance(8);
        for (size_t i = 0; i < n; i++) {
            int c = round % 4 == 0   ? few[chance(sizeof few - 1)]
                    : round % 4 == 1 ? 1 + (int)chance(255)
                                     : '!' + (int)chance(94);
            secret[i] = (char)c;
        }
        struct str s = str_n(secret, n);
        size_t size = put_noise(text, s);
        size += put_form(text + size, s);
        size += put_noise(text + size, s);
        size += put_form(text + size, s);
        compare(s, str_n(text, size), true);
        compare(s, str_n(text, put_noise(text, s)), false);
    }
}

static void
compare_several(const struct str *secrets, unsigned n, struct str text)
{
    bool *want = calloc(text.n, sizeof *want);
    bool *one = calloc(text.n, sizeof *one);
    struct echo_keys keys;
    struct echo e;
    for (unsigned i = 0; i <= n; i++) { /* each alone, then all */
        bool is_all = i == n;
        echo_keys_init(&keys, is_all ? secrets : secrets + i, is_all ? n : 1);
        echo_init(&e, &keys);
        naive_echo(&e, text, 7, is_all ? text.n : 100, one);
        for (size_t k = 0; !is_all && k < text.n; k++) {
            want[k] = want[k] || one[k];
        }
        assert_false(e.has_missed);
        if (is_all) {
            assert_same(secrets[0], text, want, one, text.n);
            naive_echo(&e, text, 1 + chance(5000), 1 + chance(5000), one);
            assert_same(secrets[0], text, want, one, 5000);
        }
        echo_fini(&e);
        echo_keys_fini(&keys);
    }
    free(want);
    free(one);
}

/* What overlaps itself, as far as ECHO_THREADS reach. */
static void
repetitions(void **state)
{
    char text[200];
    (void)state;
    memset(text, 'a', sizeof text);
    compare(str_n(text, 60), str_n(text, 200), true);
    compare(STR("abababababababab"), STR("babababababababababababab"), true);
    compare(STR("\\\\\\\\\\\\\\\\\\\\\\\\"),
        STR("\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\"), true);
    compare(STR("%%%%%%%%%%%%"), STR("%25%25%%%25%%%%%%%%25%25%25"), true);
    compare(STR("%25%25%25%25"), STR("%25%2525%25%25%25%2525%25252525"), true);
}

/* More than that may be missed: then all is masked that it may be. */
static void
too_many_repetitions(void **state)
{
    static char secret[4000], text[9000];
    struct str s = str_n(secret, sizeof secret);
    struct echo_keys keys;
    struct echo e;
    (void)state;
    memset(secret, 'a', sizeof secret);
    memset(text, 'a', sizeof text);
    secret[sizeof secret - 1] = text[sizeof text - 1] = 'b';
    bool *mask = calloc(2 * sizeof text, sizeof *mask);
    echo_keys_init(&keys, &s, 1);
    echo_init(&e, &keys);
    naive_echo(&e, str_n(text, sizeof text), 1, 1000, mask);
    assert_int_equal(e.max, ECHO_THREADS);
    assert_true(e.has_missed);
    assert_int_equal(echo_held(&e), 0);
    for (size_t i = 0; i < sizeof text; i++) {
        assert_int_equal(mask[i], i >= ECHO_THREADS);
    }
    /* as far as a form may reach, and no further */
    struct naive_marks m = { &e, mask, e.offset, 0 };
    for (int i = 0; i < 5; i++) {
        memset(text, 'c', sizeof text);
        memset(mask, 0, 2 * sizeof text);
        m.mask = mask - e.offset;
        m.oldest = e.offset - echo_held(&e);
        echo_feed(&e, str_n(text, sizeof text), naive_found, &m);
    }
    assert_null(memchr(mask, true, sizeof text));
    echo_reset(&e);
    assert_false(e.has_missed);
    echo_fini(&e);
    echo_keys_fini(&keys);
    free(mask);
}

/* Of several secrets each is found as if it were the only one, in short
 * pieces and in those that the grams see. */
static void
several_secrets(void **state)
{
    static const char few[] = "ab%2\\/n ";
    static char text[16384];
    char bytes[5][32];
    struct str secrets[5];
    (void)state;
    srand(11);
    for (int round = 0; round < 60; round++) {
        unsigned n = 1 + chance(5);
        for (unsigned i = 0; i < n; i++) {
            secrets[i] = str_n(bytes[i], ECHO_MIN + chance(20));
            for (size_t k = 0; k < secrets[i].n; k++) {
                bytes[i][k] = round % 4 == 0 && k < 8 ? "ghp_ 012"[k]
                              : round % 7 == 0 ? few[chance(sizeof few - 1)]
                                               : (char)(' ' + chance(95));
            }
        }
        size_t size = 0;
        while (size < sizeof text - 600) {
            struct str s = secrets[chance(n)];
            unsigned how = chance(4);
            if (how == 0) {
                size += put_form(text + size, s);
            } else if (how == 1) {
                size += put_noise(text + size, s);
            } else {
                for (unsigned k = chance(round % 2 == 0 ? 60 : 400); k > 0;
                     k--) {
                    text[size++] = (char)(' ' + chance(how == 2 ? 95 : 59));
                }
            }
        }
        compare_several(secrets, n, str_n(text, size));
    }
}

static void
long_secret(void **state)
{
    static char secret[65536], text[65536 * 6 + 1];
    struct echo e;
    size_t n = 0;
    (void)state;
    srand(3);
    for (size_t i = 0; i < sizeof secret; i++) {
        secret[i] = (char)('!' + chance(94));
        n += (size_t)snprintf(text + n, 7, "\\u%04x", secret[i]);
    }
    bool *mask = calloc(n, sizeof *mask);
    struct naive_marks m = { &e, mask, 0, 0 };
    struct str s = str_n(secret, sizeof secret);
    struct echo_keys keys;
    echo_keys_init(&keys, &s, 1);
    echo_init(&e, &keys);
    echo_feed(&e, str_n(text, n - 1), naive_found, &m);
    assert_int_equal(echo_held(&e), n - 1);
    echo_feed(&e, str_n(text + n - 1, 1), naive_found, &m);
    assert_int_equal(echo_held(&e), 0);
    assert_null(memchr(mask, false, n));
    echo_fini(&e);
    echo_keys_fini(&keys);
    free(mask);
}

/* Secrets that begin alike, some as a whole with another: what is found of all
 * is what is found of each alone. */
static void
that_begin_alike(void **state)
{
    static const char *const pieces[] = { "ghp_", "a", "b ", "b+",
        "\360\237\230\200", "\360\237\230\201", "\xc3\xbc", "/", "Q", "\xff" };
    char bytes[8][64], text[4096];
    struct str secrets[8];
    (void)state;
    srand(11);
    for (int round = 0; round < 500; round++) {
        unsigned n = 0;
        for (unsigned i = 0; i < LEN(secrets); i++) {
            size_t keep = i != 0 ? chance((unsigned)secrets[n - 1].n + 1) : 0;
            memmove(bytes[n], i != 0 ? bytes[n - 1] : "", keep);
            for (size_t to = ECHO_MIN + chance(8); keep < to;) {
                const char *p = pieces[chance(LEN(pieces))];
                memcpy(bytes[n] + keep, p, strlen(p));
                keep += strlen(p);
            }
            secrets[n] = str_n(bytes[n], keep);
            bool is_new = true;
            for (unsigned k = 0; k < n; k++) {
                is_new = is_new && !str_eq(secrets[k], secrets[n]);
            }
            n += is_new;
        }
        size_t size = 0;
        for (unsigned i = 0; i < 12; i++) {
            size += put_noise(text + size, secrets[chance(n)]);
            size += put_form(text + size, secrets[chance(n)]);
        }
        compare_several(secrets, n, str_n(text, size));
    }
}

/* An escape stands for bytes of some of them, and ends none in its midst. */
static void
that_begin_alike_in_utf8(void **state)
{
    const struct str secrets[] = { STR("gr\xc3\xbc-\xf0\x9f\x98\x80-0123"),
        STR("gr\xc3\xbc-\xf0\x9f\x98\x81-0123"), STR("0123456789-\xc3"),
        STR("0123456789-\xc3\xbc"), STR("0123456789-\xc3\xbd") };
    (void)state;
    compare_several(secrets, LEN(secrets),
        STR("gr\\u00fc-\\ud83d\\ude00-0123 gr\\u00fc-\\ud83d\\ude01-0123 "
            "gr\\u00fc-\\ud83d\\ude02-0123 0123456789-\\u00fc "
            "0123456789-\\u00fd 0123456789-\\u00c3\\u00bd"));
}

static void
found_none(void *arg, unsigned secret, uint64_t from, uint64_t to)
{
    (void)arg;
    fail_msg("%u at %d to %d", secret, (int)from, (int)to);
}

/* A text that repeats what they begin with costs what it costs with one. */
static void
threads_of_many(void **state)
{
    static char bytes[500][20];
    struct str secrets[LEN(bytes)];
    struct echo_keys keys;
    struct echo e;
    (void)state;
    for (unsigned i = 0; i < LEN(bytes); i++) {
        int n =
            snprintf(bytes[i], sizeof bytes[i], "ghp_%u-%03u-0123", i % 10, i);
        secrets[i] = str_n(bytes[i], (size_t)n);
    }
    echo_keys_init(&keys, secrets, LEN(secrets));
    echo_init(&e, &keys);
    for (int i = 0; i < 8; i++) {
        echo_feed(
            &e, i % 2 ? STR("%67%68%70%5f") : STR("ghp_"), found_none, NULL);
        assert_in_range(e.n, 1, 4);
        assert_in_range(echo_held(&e), 4, 12);
    }
    echo_fini(&e);
    echo_keys_fini(&keys);
}

static void
found_one(void *arg, unsigned secret, uint64_t from, uint64_t to)
{
    unsigned *counts = arg;
    assert_int_equal(to - from, 16);
    counts[secret]++;
}

/* What began of many goes on with those that are looked for then. */
static void
keys_that_change(void **state)
{
    const struct str old[] = { STR("ghp_bbbb-1111111"), STR("ghp_aaaa-2222222"),
        STR("ghp_aaaa-3333333"), STR("ghp_aaaa-4444444") };
    const struct str now[] = { old[0], old[1], STR("ghp_aaaa-1234567"),
        STR("ghp_cccc-1234567") };
    (void)state;
    for (size_t cut = 1; cut < 16; cut++) {
        static const unsigned alike[] = { 1, 1, 1, 0 },
                              other[] = { 1, 2, 0, 0 };
        unsigned counts[LEN(now)] = { 0 };
        struct echo_keys before, keys, again;
        struct echo e;
        echo_keys_init(&before, old, LEN(old));
        echo_keys_init(&keys, now, 2);
        echo_keys_init(&again, now, LEN(now));
        echo_init(&e, &before);
        echo_feed(&e, str_n(old[1].p, cut), found_one, counts);
        echo_change(&e, &keys, 2);
        echo_keys_fini(&before);
        bool is_alike = cut <= strlen("ghp_");
        echo_feed(&e, str_skip(old[1], cut), found_one, counts);
        echo_feed(&e, str_n(old[1].p, cut), found_one, counts);
        echo_change(&e, &again, 2);
        echo_feed(&e, str_skip(now[is_alike ? 2 : 1], cut), found_one, counts);
        echo_feed(&e, old[2], found_one, counts);
        echo_feed(&e, old[0], found_one, counts);
        assert_memory_equal(counts, is_alike ? alike : other, sizeof counts);
        echo_fini(&e);
        echo_keys_fini(&keys);
        echo_keys_fini(&again);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_it_is),
        cmocka_unit_test(percent_encoded),
        cmocka_unit_test(json_escaped),
        cmocka_unit_test(not_ascii),
        cmocka_unit_test(base64_alignments),
        cmocka_unit_test(base64_variants),
        cmocka_unit_test(held_back),
        cmocka_unit_test(by_chance),
        cmocka_unit_test(repetitions),
        cmocka_unit_test(too_many_repetitions),
        cmocka_unit_test(several_secrets),
        cmocka_unit_test(long_secret),
        cmocka_unit_test(that_begin_alike),
        cmocka_unit_test(that_begin_alike_in_utf8),
        cmocka_unit_test(threads_of_many),
        cmocka_unit_test(keys_that_change),
    };
    return cmocka_run_group_tests_name("echo", tests, NULL, NULL);
}
