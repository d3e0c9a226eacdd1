/*
 * What a scan holds and lets go, and what keys that change, or that are several
 * or none, find.
 */

#include "redact/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECRET "s3cret-value/of+20by"

struct last {
    unsigned n_found, secret;
    uint64_t from, to;
};

static void
last_report(void *arg, enum redact_event event, unsigned secret, uint64_t from,
    uint64_t to)
{
    struct last *l = arg;
    l->n_found += event == REDACT_FOUND;
    l->secret = secret;
    l->from = from;
    l->to = to;
}

#define FEED(S, TEXT) redact_scan_feed(&(S), STR(TEXT), last_report, &last)

static void
held_and_let_go(void **state)
{
    struct str secret = STR(SECRET);
    struct redact_keys keys;
    struct redact_scan s;
    struct last last = { 0 };
    (void)state;
    redact_keys_init(&keys, &secret, 1);
    redact_scan_init(&s, &keys);
    FEED(s, "words and wor");
    assert_int_equal(redact_scan_held(&s), 3);
    FEED(s, "ds s3cret-v");
    assert_int_equal(redact_scan_held(&s), 8);
    redact_scan_release(&s);
    assert_int_equal(redact_scan_held(&s), 0);
    assert_int_equal(redact_scan_open(&s), 8);
    FEED(s, "alue/of");
    assert_int_equal(redact_scan_held(&s), 7);
    assert_int_equal(redact_scan_open(&s), 15);
    FEED(s, "+20by\n");
    assert_int_equal(redact_scan_held(&s), 0);
    assert_int_equal(last.n_found, 1);
    assert_int_equal(last.from, 24); /* what was not let go */
    assert_int_equal(last.to, 36);
    FEED(s, "s3cret-value/of+20by");
    redact_scan_release(&s);
    redact_scan_end(&s, last_report, &last);
    assert_int_equal(last.n_found, 2);
    assert_int_equal(last.from, last.to);
    redact_scan_fini(&s);
    redact_keys_fini(&keys);
}

/* No more is held than so much, and it is gone on with. */
static void
the_cap(void **state)
{
    struct str secret = STR(SECRET);
    struct redact_keys keys;
    struct redact_scan s;
    struct last last = { 0 };
    (void)state;
    redact_keys_init(&keys, &secret, 1);
    redact_scan_init(&s, &keys);
    for (unsigned i = 0; i < 2000; i++) {
        FEED(s, "0123456789");
    }
    assert_int_equal(redact_scan_held(&s), REDACT_HELD_MAX);
    FEED(s, "s3cret%2dva");
    assert_int_equal(redact_scan_held(&s), REDACT_HELD_MAX);
    FEED(s, "lue/of+20by012345 ");
    assert_int_equal(redact_scan_held(&s), 0);
    assert_int_equal(last.n_found, 1);
    assert_int_equal(last.from, 20000);
    assert_int_equal(last.to, 20022);
    redact_scan_fini(&s);
    redact_keys_fini(&keys);
}

/* What began of an old secret is found, by keys of other lengths, too. */
static void
keys_that_change(void **state)
{
    static char big[700];
    struct str old[1] = { STR(SECRET) };
    struct str now[3] = { STR(SECRET), { big, sizeof big },
        STR("0123456789abcxyz") };
    (void)state;
    for (size_t i = 0; i < sizeof big; i++) {
        big[i] = "abcdefghijklmnopqrstuvw0123456789"[i * i % 33];
    }
    for (unsigned cut = 0; cut <= 22; cut++) {
        struct str text = STR("s3cret-value%2Fof+20by");
        struct redact_keys first, next;
        struct redact_scan s;
        struct last last = { 0 };
        redact_keys_init(&first, old, 1);
        redact_keys_init(&next, now, 1 + cut % 3);
        redact_scan_init(&s, &first);
        FEED(s, "and then-");
        redact_scan_feed(&s, str_n(text.p, cut), last_report, &last);
        redact_scan_change(&s, &next, 1);
        redact_keys_fini(&first);
        redact_scan_feed(&s, str_skip(text, cut), last_report, &last);
        FEED(s, "\n0123456789abcxyz\n");
        assert_int_equal(last.n_found, cut % 3 == 2 ? 2 : 1);
        redact_scan_end(&s, last_report, &last);
        redact_scan_fini(&s);
        redact_keys_fini(&next);
    }
}

/* The same last bytes of two secrets, one of which is the other's end. */
static void
secrets_that_end_alike(void **state)
{
    struct str secrets[2] = { STR("0123456789abcdefghij"),
        STR("6789abcdefghij-and-0123456789abcdefghij") };
    struct redact_keys keys;
    struct last last = { 0 };
    struct redact_scan s;
    (void)state;
    redact_keys_init(&keys, secrets, 2);
    redact_scan_init(&s, &keys);
    redact_scan_text(&s, secrets[0], last_report, &last);
    assert_int_equal(last.n_found, 1);
    redact_scan_text(&s, secrets[1], last_report, &last);
    assert_int_equal(last.n_found, 3);
    redact_scan_fini(&s);
    redact_keys_fini(&keys);
}

static void
without_secrets(void **state)
{
    struct str weak = STR("weak");
    struct redact_keys keys;
    struct redact_scan s;
    struct last last = { 0 };
    (void)state;
    redact_keys_init(&keys, &weak, 1);
    assert_int_equal(keys.n_forms, 0);
    redact_scan_init(&s, &keys);
    FEED(s, "weak 0123456789%2fabcdefghijklmnop and weak");
    assert_int_equal(redact_scan_held(&s), 4);
    redact_scan_end(&s, last_report, &last);
    assert_int_equal(last.n_found, 0);
    redact_scan_fini(&s);
    redact_keys_fini(&keys);
}

/* The only secret has become weak: a run of any length goes by, with escapes
 * too. */
static void
keys_without_a_form(void **state)
{
    struct str secret = STR(SECRET);
    struct redact_keys keys, none;
    struct redact_scan s;
    struct last last = { 0 };
    (void)state;
    redact_keys_init(&keys, &secret, 1);
    redact_keys_init(&none, NULL, 0);
    redact_scan_init(&s, &keys);
    FEED(s, "s3cret-value");
    redact_scan_change(&s, &none, 0);
    redact_keys_fini(&keys);
    for (unsigned i = 0; i < 1000; i++) {
        FEED(s, "0123456789%2Fabcdef\\u002f");
    }
    assert_int_equal(redact_scan_held(&s), REDACT_HELD_MAX);
    FEED(s, " ");
    assert_int_equal(redact_scan_held(&s), 0);
    assert_int_equal(last.n_found, 0);
    redact_scan_fini(&s);
    redact_keys_fini(&none);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held_and_let_go),
        cmocka_unit_test(the_cap),
        cmocka_unit_test(keys_that_change),
        cmocka_unit_test(secrets_that_end_alike),
        cmocka_unit_test(without_secrets),
        cmocka_unit_test(keys_without_a_form),
    };
    return cmocka_run_group_tests_name("redact_held", tests, NULL, NULL);
}
