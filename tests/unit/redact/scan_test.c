/*
 * A secret in all its forms, in noise, cut everywhere; held to what a plain
 * search finds.
 */

#include "redact/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "chance.h"
#include "naive.h"

#define SECRET "s3cret-value/of+20by"
#define ROUNDS (RUNNING_ON_VALGRIND ? 4 : 300)
#define BODIES (RUNNING_ON_VALGRIND ? 10u : 200u)

/* The text with what is found replaced by asterisks; of it in whole, in single
 * bytes, and as one text the same. */
static const char *
masked(struct str secret, struct str text, struct naive_marks *marks)
{
    static char out[NAIVE_TEXT_MAX + 1];
    static bool mask[NAIVE_TEXT_MAX], again[NAIVE_TEXT_MAX];
    struct redact_keys keys;
    struct redact_scan s;
    redact_keys_init(&keys, &secret, 1);
    redact_scan_init(&s, &keys);
    struct naive_marks m = naive_scan(&s, text, text.n, 1, mask);
    naive_scan(&s, text, 1, 1, again);
    assert_memory_equal(mask, again, text.n);
    struct naive_marks whole = { .scan = &s, .mask = again, .newest = text.n };
    memset(again, 0, sizeof again);
    redact_scan_text(&s, text, naive_report, &whole);
    assert_memory_equal(mask, again, text.n);
    assert_int_equal(m.n_found, whole.n_found);
    assert_int_equal(m.n_probed, whole.n_probed);
    for (size_t i = 0; i < text.n; i++) {
        out[i] = mask[i] ? '*' : text.p[i];
    }
    out[text.n] = '\0';
    redact_scan_fini(&s);
    redact_keys_fini(&keys);
    if (marks != NULL) {
        *marks = m;
    }
    return out;
}

#define IS(TEXT, EXPECTED)                                                     \
    assert_string_equal(masked(STR(SECRET), STR(TEXT), NULL), EXPECTED)

static void
as_it_is(void **state)
{
    (void)state;
    IS("s3cret-value/of+20by", "********************");
    IS("Bearer s3cret-value/of+20by, s3cret-value/of+20by\n",
        "Bearer ********************, ********************\n");
    IS("s3cret-s3cret-value/of+20by.", "s3cret-********************.");
    IS("S3cret-value/of+20by s3cret-value/of+20bY s3cret-value/of+20b",
        "S3cret-value/of+20by s3cret-value/of+20bY s3cret-value/of+20b");
    IS("", "");
}

static void
percent_encoded(void **state)
{
    (void)state;
    IS("a=s3cret%2Dvalue/of%2b20by&", "a=************************&");
    IS("%73%33%63%72%65%74%2d%76%61%6c%75%65%2f%6f%66%2B%32%30%62%79.",
        "************************************************************.");
    IS("100%s3cret-value%2Fof+20by%2", "100%**********************%2");
    IS("%20s3cret-value%2Fof+20by%20", "%20**********************%20");
    IS("s3cret%2-value/of+20by", "s3cret%2-value/of+20by");
}

static void
json_escaped(void **state)
{
    (void)state;
    IS("\"s3cret-value\\/of+20by\"", "\"*********************\"");
    IS("\"\\u00733cret\\u002Dvalue\\u002fof+20by\"",
        "\"***********************************\"");
    IS("\"\\ns3cret-value\\/of+20by\\n\"", "\"\\n*********************\\n\"");
    IS("\"\\x733cret-value/of\\x2B20by\"", "\"**************************\"");
    IS("\\s3cret-value/of+20by\\", "\\********************\\");
}

static void
escapes_within_escapes(void **state)
{
    (void)state;
    IS("a=s3cret%252Dvalue%25252Fof+20by!",
        "a=******************************!");
    IS("\"s3cret\\\\u002dvalue\\\\/of+20by\\\"",
        "\"****************************\\\"");
    IS("s3cret%5Cu002dvalue\\u00252Fof+20by ",
        "********************************** ");
    IS("s3cret%\\u0032Dvalue/of\\%75002b20by ",
        "********************************** ");
}

/* printf SECRET | base64, with "", "a" and "ab" before it. */
static void
base64_alignments(void **state)
{
    (void)state;
    IS("czNjcmV0LXZhbHVlL29mKzIwYnk=", "***************************=");
    IS("YXMzY3JldC12YWx1ZS9vZisyMGJ5", "YX**************************");
    IS("YWJzM2NyZXQtdmFsdWUvb2YrMjBieQ==", "YWJ***************************==");
    IS("eczNjcmV0LXZhbHVlL29mKzIwYnkhIQ==",
        "e***************************hIQ==");
    IS("czNjcmV0LXZhbHVlL29mKzIwYnk%3D", "***************************%3D");
}

static void
base64_variants(void **state)
{
    (void)state;
    struct str secret = STR("a~~.a~~.a~~.a~~.a~~.a~~.");
    char plain[64], text[96], url[96];
    memcpy(plain, "xy", 2);
    memcpy(plain + 2, secret.p, secret.n);
    size_t n = base64_encode(str_n(plain, secret.n + 2), text);
    assert_true(strpbrk(text, "+/") != NULL);
    for (size_t i = 0; i <= n; i++) {
        url[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    }
    const char *out = masked(secret, str_n(text, n), NULL);
    assert_int_equal(strspn(out + 3, "*"), 32);
    out = masked(secret, str_n(url, n), NULL);
    assert_int_equal(strspn(out + 3, "*"), 32);
}

static void
guesses(void **state)
{
    static const struct {
        const char *text;
        unsigned n_found, n_probed;
    } cases[] = {
        { "x3cret-value/of+20by", 0, 1 },
        { "s3cxet-value/of+20by", 0, 1 },
        { "s3crxt-value/of+20by", 0, 0 },
        { "s3cret-value/of+20bx", 0, 0 },
        { "xxxxet-value/of+20by", 0, 1 },
        { "xxxet-value/of+20by", 0, 0 },
        { "xxxxet-value/of+20b", 0, 0 },
        { "et-value/of+20byxxxx", 0, 0 }, /* no room before it */
        { "%78%33cret-value/of+20by", 0, 2 },
        { "%73%33cret-value/of+20by", 1, 0 },
        { "XczNjcmV0LXZhbHVlL29mKzIwYnk=", 1, 0 },
        { "XxxxxmV0LXZhbHVlL29mKzIwYnk=", 0, 1 },
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct naive_marks m;
        masked(STR(SECRET), str_of(cases[i].text), &m);
        if (m.n_found < cases[i].n_found || m.n_probed != cases[i].n_probed ||
            (m.n_found != 0) != (cases[i].n_found != 0)) {
            fail_msg("%s: %u found, %u probed", cases[i].text, m.n_found,
                m.n_probed);
        }
    }
}

/* As it stands, its last bytes alone; undone, it is whole. Which of both is
 * seen first is the text's and the pieces' doing. */
static void
no_guess_where_a_form_stands(void **state)
{
    static const char *const forms[] = { "%73%33cret-value/of+20by",
        "\\u00733cret-value/of+20by", "\\x733cret-value/of+20by",
        "Xc\\u007ANjcmV0LXZhbHVlL29mKzIwYnk=" };
    (void)state;
    for (size_t i = 0; i < LEN(forms) * 32; i++) {
        char text[128];
        struct naive_marks m;
        int n =
            snprintf(text, sizeof text, "%.*s%s%.*s", (int)(i / 16), "xxxxxxxx",
                forms[i % LEN(forms)], (int)(i / LEN(forms) % 4), "xxxx");
        masked(STR(SECRET), str_n(text, (size_t)n), &m);
        assert_true(m.n_found != 0);
        assert_int_equal(m.n_probed, 0);
    }
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
by_chance(void **state)
{
    static char text[NAIVE_TEXT_MAX];
    static bool want[NAIVE_TEXT_MAX], is[NAIVE_TEXT_MAX];
    static const size_t lengths[] = { 16, 17, 19, 20, 25, 41, 60, 100 };
    (void)state;
    srand(1);
    for (int round = 0; round < ROUNDS; round++) {
        char bytes[128];
        size_t n = lengths[chance(LEN(lengths))];
        for (size_t i = 0; i < n; i++) {
            bytes[i] = any_token();
        }
        struct str secret = str_n(bytes, n), s = { text, 0 };
        struct redact_keys keys;
        struct redact_scan scan;
        if (!worth_looking_for(secret)) {
            continue;
        }
        for (unsigned k = chance(4); s.n < 2000 && k < 6; k++) {
            s.n += put_noise(text + s.n, secret);
            s.n += put_form(text + s.n, secret);
            s.n += put_noise(text + s.n, secret);
        }
        struct naive *nv = naive_new(&secret, 1);
        naive_mask(nv, s, want);
        naive_free(nv);
        if (round % 2 == 0) {
            redact_keys_init(&keys, &secret, 1);
        } else {
            redact_keys_init_portable(&keys, &secret, 1);
        }
        redact_scan_init(&scan, &keys);
        for (size_t piece = s.n + 1; piece != 0;
             piece = piece > 70 ? chance(70) + 1 : piece / 2) {
            naive_scan(&scan, s, 1 + chance(99), piece, is);
            assert_same(secret, s, want, is, piece);
        }
        redact_scan_fini(&scan);
        redact_keys_fini(&keys);
    }
}

/* What a secret's scan reports and holds, of a text in pieces. */
struct record {
    struct redact_scan scan;
    size_t n;
    uint64_t values[8192];
};

static void
record_value(struct record *r, uint64_t value)
{
    AN(r->n < LEN(r->values));
    r->values[r->n++] = value;
}

static void
record_report(void *arg, enum redact_event event, unsigned secret,
    uint64_t from, uint64_t to)
{
    struct record *r = arg;
    record_value(r, event);
    record_value(r, secret);
    record_value(r, from);
    record_value(r, to);
}

static void
record_run(struct record *r, const struct redact_keys *keys, struct str text,
    unsigned seed)
{
    redact_scan_init(&r->scan, keys);
    r->n = 0;
    for (uint64_t cuts = seed; text.n != 0;) {
        cuts = cuts * 6364136223846793005u + 1442695040888963407u;
        size_t n = 1 + (cuts >> 33) % 300;
        n = n < text.n ? n : text.n;
        redact_scan_feed(&r->scan, str_n(text.p, n), record_report, r);
        if ((cuts >> 50) % 4 == 0) {
            redact_scan_release(&r->scan);
        }
        record_value(r, redact_scan_held(&r->scan));
        record_value(r, redact_scan_open(&r->scan));
        text = str_skip(text, n);
    }
    redact_scan_end(&r->scan, record_report, r);
    redact_scan_fini(&r->scan);
}

/* Bodies that have any bytes, and much of the first of two secrets. */
static void
what_is_seen(void **state)
{
    static char text[NAIVE_TEXT_MAX];
    static struct record records[2];
    (void)state;
    srand(2);
    for (unsigned round = 0; round < BODIES; round++) {
        char bytes[2][41];
        for (size_t i = 0; i < sizeof bytes; i++) {
            (&bytes[0][0])[i] = any_token();
        }
        struct str s = { text, 0 }, part = { bytes[0], 10 };
        while (s.n < 6000) {
            s.n += put_noise(text + s.n, str_n(bytes[0], 15));
            part.p = bytes[0] + chance(41 - 10);
            s.n += put_form(text + s.n, part);
        }
        for (unsigned i = 0; i < 2; i++) {
            struct redact_keys keys;
            struct str secret = str_n(bytes[i], 41);
            redact_keys_init(&keys, &secret, 1);
            record_run(&records[i], &keys, s, round + 1);
            redact_keys_fini(&keys);
        }
        assert_int_equal(records[0].n, records[1].n);
        assert_memory_equal(records[0].values, records[1].values,
            records[0].n * sizeof *records[0].values);
    }
}

/* Every row of four of ten letters: no beginning, and nothing, is found. */
static void
de_bruijn(void **state)
{
    static char text[10003];
    static bool seen[10000];
    static bool mask[10003];
    struct str secret = STR("0123456789abcdefghij"), digits = STR("0123456789");
    struct redact_keys keys;
    struct redact_scan s;
    (void)state;
    memset(text, '0', 3);
    size_t n = 3, row = 0;
    for (int c = 9; c >= 0;) {
        size_t next = row % 1000 * 10 + (size_t)c;
        if (!seen[next] && next != 0) {
            seen[next] = true;
            text[n++] = digits.p[c];
            row = next;
            c = 9;
        } else {
            c--;
        }
    }
    assert_true(n > 9900);
    redact_keys_init(&keys, &secret, 1);
    redact_scan_init(&s, &keys);
    struct naive_marks m = naive_scan(&s, str_n(text, n), 77, 500, mask);
    assert_int_equal(m.n_found + m.n_probed, 0);
    redact_scan_fini(&s);
    redact_keys_fini(&keys);
}

/* Who knows all but the last bytes of a prefix and of a secret learns none of
 * the bytes in the middle: until 16 are right there is nothing to be seen. */
static void
chain_from_a_prefix(void **state)
{
    struct str secret =
        STR("xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrSt"
            "UvWx");
    struct redact_keys keys;
    struct redact_scan s;
    bool mask[128];
    (void)state;
    redact_keys_init(&keys, &secret, 1);
    redact_scan_init(&s, &keys);
    for (size_t n = 32; n < 32 + 10; n++) {
        for (size_t lead = 0; lead < 30; lead++) {
            char text[128];
            memset(text, 'z', lead);
            memcpy(text + lead, secret.p, n);
            struct str t = str_n(text, lead + n);
            struct naive_marks m = naive_scan(&s, t, t.n, 1, mask);
            assert_int_equal(m.n_found + m.n_probed, 0);
        }
    }
    redact_scan_fini(&s);
    redact_keys_fini(&keys);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_it_is),
        cmocka_unit_test(percent_encoded),
        cmocka_unit_test(json_escaped),
        cmocka_unit_test(escapes_within_escapes),
        cmocka_unit_test(base64_alignments),
        cmocka_unit_test(base64_variants),
        cmocka_unit_test(guesses),
        cmocka_unit_test(no_guess_where_a_form_stands),
        cmocka_unit_test(by_chance),
        cmocka_unit_test(what_is_seen),
        cmocka_unit_test(de_bruijn),
        cmocka_unit_test(chain_from_a_prefix),
    };
    return cmocka_run_group_tests_name("redact_scan", tests, NULL, NULL);
}
