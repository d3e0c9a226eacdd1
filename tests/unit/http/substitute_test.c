/*
 * What comes out when placeholders stand in a body, however it is cut and
 * however little room there is.
 */

#include "http/substitute.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arena_fixture.h"

#define P "PLACEHOLDER"
#define LIMIT (1 << 20)

static struct json_pointer pointers[3];
static struct substitute_rule rules[3];
static enum substitute_kind kind;
static unsigned n_asked; /* values */

/* Rule i's value; the third's is missing. */
static bool
on_value(void *arg, unsigned rule, struct str *value)
{
    static const char *const plain[] = { "s3\"c&r e/t\\", "two" };
    assert_ptr_equal(arg, rules);
    n_asked++;
    if (rule == 2) {
        return false;
    }
    *value = substitute_escape(kind, arena, str_of(plain[rule]));
    return true;
}

/* P in /k, k; P-2 in /k, k and /l/0; P-3 in /m, m. */
static void
begin(struct substitution *f, enum substitute_kind of)
{
    static const char *const paths[] = { "/k", "/k", "/m" };
    static const char *const names[] = { "k", "k", "m" };
    static const char *const placeholders[] = { P, P "-2", P "-3" };
    for (unsigned i = 0; i < LEN(rules); i++) {
        assert_true(json_pointer_parse(str_of(paths[i]), arena, &pointers[i]));
        rules[i] = (struct substitute_rule){ str_of(placeholders[i]),
            &pointers[i], str_of(names[i]) };
    }
    kind = of;
    substitute_init(f, of, arena, rules, LEN(rules));
    substitute_on_value(f, on_value, rules);
    n_asked = 0;
}

/* In pieces of `piece` bytes, the output drained when it has `room`. */
static enum substitute_result
run(struct substitution *f, struct str text, size_t piece, size_t room,
    struct bufq *all)
{
    enum substitute_result r = SUBSTITUTE_MORE;
    struct bufq in, out;
    bufq_init(&in, LIMIT);
    bufq_init(&out, room);
    bufq_init(all, LIMIT);
    while (r == SUBSTITUTE_MORE || r == SUBSTITUTE_FULL) {
        size_t n = text.n < piece ? text.n : piece;
        if (r == SUBSTITUTE_MORE) {
            bufq_append(&in, str_n(text.p, n));
            text = str_skip(text, n);
        }
        r = substitute_run(f, &in, &out, text.n == 0);
        assert_true(r != SUBSTITUTE_FULL || bufq_is_full(&out));
        assert_true(r != SUBSTITUTE_MORE || bufq_is_empty(&in));
        assert_true(out.len <= room + SUBSTITUTE_PLACEHOLDER_MAX * 6);
        bufq_move(all, &out, SIZE_MAX);
    }
    bufq_fini(&in);
    bufq_fini(&out);
    return r;
}

static struct str
queue_text(const struct bufq *q)
{
    char *p = arena_alloc(arena, q->len + 1);
    return str_n(p, bufq_copy(q, p, q->len));
}

/* Cut at every byte, and byte by byte into little room. */
static void
assert_filled(enum substitute_kind of, const char *text, const char *want)
{
    size_t n = strlen(text);
    for (size_t piece = 1; piece <= n + 1; piece++) {
        for (size_t room = 1; room <= 1000; room += 999) {
            struct substitution f;
            struct bufq all;
            begin(&f, of);
            enum substitute_result r = run(&f, str_of(text), piece, room, &all);
            struct str got = queue_text(&all);
            if (r != SUBSTITUTE_DONE || !str_eq(got, str_of(want))) {
                fail_msg("%s by %zu into %zu: %d, %.*s", text, piece, room,
                    (int)r, STR_ARG(got));
            }
            bool is_secret = str_find(str_of(want), '3') != strlen(want);
            assert_true(all.is_secret == (is_secret && got.n != 0));
            assert_int_equal(n_asked != 0, strcmp(text, want) != 0);
            bufq_fini(&all);
        }
    }
}

#define S_JSON "s3\\\"c&r e/t\\\\"
#define S_FORM "s3%22c%26r%20e%2Ft%5C"

static void
json(void **state)
{
    (void)state;
    assert_filled(
        SUBSTITUTE_JSON, "{\"k\":\"" P "\"}", "{\"k\":\"" S_JSON "\"}");
    assert_filled(SUBSTITUTE_JSON, "{ \"a\":\"" P "\",\"k\":\"a" P P "b\" }\n",
        "{ \"a\":\"" P "\",\"k\":\"a" S_JSON S_JSON "b\" }\n");
    assert_filled(SUBSTITUTE_JSON, "{\"k\":\"\\u0050L\\u0041CEHOLDER\\u002d\"}",
        "{\"k\":\"" S_JSON "\\u002d\"}");
    assert_filled(SUBSTITUTE_JSON, "{\"k\":\"PPLACEHPL\\u0041CEHOLDEX" P "\"}",
        "{\"k\":\"PPLACEHPL\\u0041CEHOLDEX" S_JSON "\"}");
    assert_filled(SUBSTITUTE_JSON,
        "{\"" P "\":{\"k\":\"" P "\"},\"k\":[\"" P "\"]}",
        "{\"" P "\":{\"k\":\"" P "\"},\"k\":[\"" P "\"]}");
    assert_filled(SUBSTITUTE_JSON,
        "{\"k\":\"PLACEHOLDE\\n\xc3\xa9 PLACEHOLDE\"}",
        "{\"k\":\"PLACEHOLDE\\n\xc3\xa9 PLACEHOLDE\"}");
    assert_filled(SUBSTITUTE_JSON, "[\"" P "\"]", "[\"" P "\"]");
    assert_filled(SUBSTITUTE_JSON, "", "");
}

/* The longest that begins at a character is meant. */
static void
several(void **state)
{
    (void)state;
    assert_filled(SUBSTITUTE_JSON, "{\"k\":\"" P "-" P "-2" P "-3\"}",
        "{\"k\":\"" S_JSON "-two" S_JSON "-3\"}");
    assert_filled(
        SUBSTITUTE_FORM, "k=" P "-&k=" P "-2&m=" P, "k=" S_FORM "-&k=two&m=" P);
}

static void
form(void **state)
{
    (void)state;
    assert_filled(SUBSTITUTE_FORM, "k=" P, "k=" S_FORM);
    assert_filled(SUBSTITUTE_FORM, "a=" P "&k=a" P "b+c&" P "=k",
        "a=" P "&k=a" S_FORM "b+c&" P "=k");
    assert_filled(
        SUBSTITUTE_FORM, "%6b=%50LACEHOL%44ER%2", "%6b=%50LACEHOL%44ER%2");
    assert_filled(SUBSTITUTE_FORM, "k=%50LACEHOL%44ER%2D", "k=" S_FORM "%2D");
    assert_filled(SUBSTITUTE_FORM, "k=PLACEHOLDE;" P "&k=PLACEHOLDE",
        "k=PLACEHOLDE;" P "&k=PLACEHOLDE");
    assert_filled(SUBSTITUTE_FORM, "k=%zz&k=" P, "k=%zz&k=" P);
}

/* What is malformed passes as it came, whatever stands in it. */
static void
malformed(void **state)
{
    static const char *const texts[] = { "{\"a\":,\"k\":\"" P "\"}",
        "{\"k\":\"" P, "{\"k\":\"" P "\\", "{\"k\":\"" P "-\n\"}",
        "{\"k\":0,\"k\":\"" P "\"}", "{\"k\":\"\x80" P "\"}", "k=" P };
    (void)state;
    /* PLACEHOLDER may yet become PLACEHOLDER-2 where it breaks off */
    for (size_t i = 0; i < LEN(texts); i++) {
        assert_filled(SUBSTITUTE_JSON, texts[i], texts[i]);
    }
}

/* A value is in it already: it ends there. */
static void
malformed_behind_a_value(void **state)
{
    static const char *const texts[] = { "{\"k\":\"" P "\"}x",
        "{\"k\":\"" P "\",\"k\":1}", "{\"k\":\"" P "\"",
        "{\"k\":\"" P " \x01\"}", "{\"k\":\"" P "\"}{}",
        "{\"k\":\"" P " \xff" };
    struct substitution f;
    struct bufq all;
    (void)state;
    for (size_t i = 0; i < LEN(texts); i++) {
        for (size_t piece = 1; piece < 40; piece++) {
            begin(&f, SUBSTITUTE_JSON);
            struct str text = str_of(texts[i]);
            assert_int_equal(
                run(&f, text, piece, 1000, &all), SUBSTITUTE_MALFORMED);
            bufq_fini(&all);
        }
    }
    begin(&f, SUBSTITUTE_FORM);
    assert_int_equal(
        run(&f, STR("k=" P "&a=%x"), 1, 1000, &all), SUBSTITUTE_MALFORMED);
    bufq_fini(&all);
}

static void
values_that_cannot_be_had(void **state)
{
    struct substitution f;
    struct bufq all;
    (void)state;
    begin(&f, SUBSTITUTE_JSON);
    assert_int_equal(
        run(&f, STR("{\"k\":\"\",\"m\":\"" P "-3\"}"), 3, 1000, &all),
        SUBSTITUTE_REFUSED);
    assert_true(str_eq(queue_text(&all), STR("{\"k\":\"\",\"m\":\"")));
    bufq_fini(&all);
}

/* The body may be as long as it likes; what is put into it may not. */
static void
too_many(void **state)
{
    size_t per = strlen(S_FORM), n = SUBSTITUTE_VALUES_MAX / per;
    size_t size = (n + 1) * strlen(P);
    char *text = test_malloc(size + 2);
    memcpy(text, "k=", 2);
    for (size_t i = 0; i <= n; i++) {
        memcpy(text + 2 + i * strlen(P), P, strlen(P));
    }
    (void)state;
    for (unsigned over = 0; over < 2; over++) {
        struct substitution f;
        struct bufq all;
        size_t len = 2 + (n + over) * strlen(P);
        begin(&f, SUBSTITUTE_FORM);
        enum substitute_result r = run(&f, str_n(text, len), 4096, 65536, &all);
        assert_int_equal(r, over ? SUBSTITUTE_TOO_LONG : SUBSTITUTE_DONE);
        assert_true(all.len <= 2 + n * per);
        bufq_fini(&all);
    }
    test_free(text);
}

static void
escapes(void **state)
{
    char bytes[128], want[512];
    size_t n = 0;
    (void)state;
    for (int c = 1; c < 128; c++) {
        bytes[c - 1] = (char)c;
        n += (size_t)snprintf(want + n, sizeof want - n,
            c < 0x20 || c == 0x7f   ? "\\u%04x"
            : c == '"' || c == '\\' ? "\\%c"
                                    : "%c",
            c);
    }
    assert_true(
        str_eq(substitute_escape(SUBSTITUTE_JSON, arena, str_n(bytes, 127)),
            str_n(want, n)));
    assert_true(
        str_eq(substitute_escape(SUBSTITUTE_JSON, arena, STR("\xc3\xa9")),
            STR("\xc3\xa9")));
    assert_null(substitute_escape(SUBSTITUTE_JSON, arena, STR("a\xc3")).p);
    assert_true(
        str_eq(substitute_escape(SUBSTITUTE_FORM, arena, STR("a\xc3+ ")),
            STR("a%C3%2B%20")));
}

/* Long strings go through by whole chunks. */
static void
large(void **state)
{
    static char text[300000];
    struct str rest = str_n(text, sizeof text);
    struct substitution f;
    struct bufq in, out;
    size_t sent = 0;
    (void)state;
    memset(text, 'P', sizeof text);
    memcpy(text, "{\"a\":\"", 6);
    memcpy(text + sizeof text - 21, "\",\"k\":\"" P "\"} ", 21);
    begin(&f, SUBSTITUTE_JSON);
    bufq_init(&in, 65536);
    bufq_init(&out, 65536);
    for (enum substitute_result r = SUBSTITUTE_MORE; r != SUBSTITUTE_DONE;) {
        rest = str_skip(rest, bufq_write(&in, rest));
        r = substitute_run(&f, &in, &out, rest.n == 0);
        assert_true(r == SUBSTITUTE_MORE || r == SUBSTITUTE_FULL ||
                    r == SUBSTITUTE_DONE);
        assert_true(r != SUBSTITUTE_DONE || out.is_secret);
        sent += out.len;
        bufq_consume(&out, out.len);
    }
    assert_int_equal(n_asked, 1);
    assert_int_equal(sent, sizeof text - strlen(P) + strlen(S_JSON));
    bufq_fini(&in);
}

#define TEST(NAME)                                                             \
    cmocka_unit_test_setup_teardown(NAME, arena_set_up, arena_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(json),
        TEST(several),
        TEST(form),
        TEST(malformed),
        TEST(malformed_behind_a_value),
        TEST(values_that_cannot_be_had),
        TEST(too_many),
        TEST(escapes),
        TEST(large),
    };
    int failed = cmocka_run_group_tests_name("fill", tests, NULL, NULL);
    bufq_trim();
    return failed;
}
