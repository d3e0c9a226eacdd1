/*
 * Which strings a pointer names, to the byte, and what is refused.
 */

#include "http/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arena_fixture.h"

#define LIMIT 8192

struct seen {
    char text[LIMIT]; /* characters of named strings; "|" ends each */
    size_t n;
    size_t bad_at; /* SIZE_MAX: nowhere */
    bool is_done;
    uint32_t named; /* of all */
};

static struct json_pointer pointers[SCAN_FIELDS_MAX];
static const struct json_pointer *fields[SCAN_FIELDS_MAX];

static unsigned
parse_pointers(const char *text)
{
    struct str rest = str_of(text), part;
    unsigned n = 0;
    while (str_cut(&rest, ' ', &part)) {
        assert_true(json_pointer_parse(part, arena, &pointers[n]));
        fields[n] = &pointers[n];
        n++;
    }
    return n;
}

static void
scan(struct seen *s, const char *names, struct str text)
{
    struct json_scan j;
    json_scan_init(&j, fields, parse_pointers(names));
    *s = (struct seen){ .bad_at = SIZE_MAX };
    for (size_t i = 0; i < text.n; i++) {
        size_t plain = json_scan_plain(&j, str_skip(text, i));
        enum scan r = json_scan_byte(&j, (unsigned char)text.p[i]);
        assert_true(plain == 0 || r == SCAN_PASS);
        s->named |= j.named;
        if (r == SCAN_CHAR) {
            s->text[s->n++] = j.c == SCAN_OTHER ? '?' : (char)j.c;
        } else if (r == SCAN_END) {
            s->text[s->n++] = '|';
        } else if (r == SCAN_BAD && s->bad_at == SIZE_MAX) {
            s->bad_at = i;
        }
        assert_true(r == SCAN_BAD || s->bad_at == SIZE_MAX);
    }
    s->is_done = json_scan_is_done(&j);
}

static void
assert_named(const char *names, const char *text, const char *want)
{
    struct seen s;
    scan(&s, names, str_of(text));
    if (!str_eq(str_n(s.text, s.n), str_of(want))) {
        fail_msg("%s in %s: %.*s", names, text, (int)s.n, s.text);
    }
    assert_int_equal(s.bad_at, SIZE_MAX);
    assert_true(s.is_done);
}

static void
names(void **state)
{
    (void)state;
    assert_named("/k", "{\"k\":\"v\"}", "v|");
    assert_named("/k", " { \"a\" : 1 , \"k\"\n:\t\"v\" }\r\n", "v|");
    assert_named("/k", "{\"k\":\"\"}", "|");
    assert_named("/a/b", "{\"b\":\"x\",\"a\":{\"a\":\"y\",\"b\":\"v\"}}", "v|");
    assert_named("/k", "{\"a\":{\"k\":\"x\"},\"b\":[{\"k\":\"x\"}]}", "");
    assert_named("/a/b", "{\"a\":[{\"b\":\"x\"}],\"b\":\"x\"}", "");
    assert_named("/k", "{\"k\":{\"k\":\"x\"}}", "");
    assert_named("/k", "{\"k\":[\"x\"]}", "");
    assert_named("/k/k", "{\"k\":\"x\"}", "");
    assert_named("/k", "[\"k\",{\"k\":\"x\"}]", "");
    assert_named("/k", "\"k\"", "");
    assert_named("/k", "{\"k\":1,\"l\":\"x\"}", "");
    assert_named(
        "/k", "{\"K\":\"x\",\"kk\":\"x\",\"\":\"x\",\"k \":\"x\"}", "");
    assert_named("/", "{\"\":\"v\",\"k\":\"x\"}", "v|");
    assert_named("/k", "{\"j\":\"{\\\"k\\\":\\\"x\\\"}\",\"k\":\"v\"}", "v|");
    assert_named("/a~1b", "{\"a/b\":\"v\"}", "v|");
    assert_named("/a~0b", "{\"a~b\":\"v\"}", "v|");
    assert_named("/~01", "{\"~1\":\"v\",\"/\":\"x\"}", "v|");
    assert_named("/a//b", "{\"a\":{\"\":{\"b\":\"v\"}}}", "v|");
    assert_named("/a /b /a/b", "{\"b\":\"w\",\"a\":{\"b\":\"v\"}}", "w|v|");
    assert_named("/a /a", "{\"a\":\"v\"}", "v|");
}

static void
elements(void **state)
{
    (void)state;
    assert_named("/0", "[\"v\",\"x\"]", "v|");
    assert_named("/1", "[\"x\",\"v\",\"x\"]", "v|");
    assert_named("/10", "[0,1,2,3,4,5,6,7,8,9,\"v\",\"x\"]", "v|");
    assert_named("/01", "[\"x\",\"x\"]", "");
    assert_named("/-", "[\"x\"]", "");
    assert_named("/1", "{\"1\":\"v\"}", "v|");
    assert_named(
        "/m/1/c", "{\"m\":[{\"c\":\"x\"},{\"c\":\"v\"},{\"c\":\"x\"}]}", "v|");
    assert_named("/1/0", "[[\"x\"],[\"v\"]]", "v|");
    assert_named("/1", "[[\"x\",\"x\"],\"v\"]", "v|");
    assert_named("/0 /2", "[\"v\",\"x\",\"w\"]", "v|w|");
}

static void
characters(void **state)
{
    (void)state;
    assert_named("/k", "{\"k\":\"a\\u0041\\u005a\\u007f\"}", "aAZ\x7f|");
    assert_named(
        "/k", "{\"k\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "\"\\/\b\f\n\r\t|");
    assert_named("/k", "{\"k\":\"\xc3\xa9\\u00e9\\ud83d\\ude00\"}", "?????|");
    assert_named("/k", "{\"k\":\"\\ud83d\\uDE00\\udc00\"}", "???|");
    assert_named("/k", "{\"\\u006b\":\"v\"}", "v|");
    assert_named("/a\"b", "{\"a\\\"b\":\"v\"}", "v|");
    assert_named("/\xc3\xa9", "{\"\xc3\xa9\":\"v\"}", "v|");
    assert_named("/\xc3\xa9", "{\"\\u00e9\":\"v\"}", "v|");
    assert_named("/\xe2\x82\xac", "{\"\\u20AC\":\"v\"}", "v|");
    assert_named("/\xf0\x9f\x98\x80", "{\"\\ud83d\\ude00\":\"v\"}", "v|");
    assert_named("/k", "{\"k\\ud83d\":\"x\"}", "");
    assert_named("/k", "{\"\\ude00k\":\"x\"}", "");
    assert_named("/k", "{\"\\ud83dk\":\"x\",\"\\ud83d\\u006b\":\"x\"}", "");
    assert_named("/k", "{\"k\\u0000\":\"x\"}", "");
    assert_named("/k", "\xef\xbb\xbf {\"k\":\"v\"}", "v|");
}

static void
values(void **state)
{
    (void)state;
    assert_named("/k",
        "{\"a\":[true,false,null,0,-0,1,-10,1.5,0.25,1e3,1E+3,-1.5e-30,{},[],"
        "{\"b\":[[]]}],\"k\":\"v\"}",
        "v|");
    static const char *const whole[] = { "0", "-1", "1.5", "2e9", "true",
        "null", "false", "\"\"", "{}", "[]", " [ ] ", "{ }", "10 " };
    for (size_t i = 0; i < LEN(whole); i++) {
        assert_named("/k", whole[i], "");
    }
}

/* SIZE_MAX: only its end is wrong. */
static const struct {
    const char *text;
    size_t at;
} bad[] = {
    { "{\"k\":\"v\"}}", 9 },
    { "{\"k\":\"v\"} {}", 10 },
    { "{k:\"v\"}", 1 },
    { "{'k':1}", 1 },
    { "{\"a\":1,}", 7 },
    { "[1,]", 3 },
    { "[,1]", 1 },
    { "{,}", 1 },
    { "[1}", 2 },
    { "{\"a\":1]", 6 },
    { "{\"a\" 1}", 5 },
    { "{\"a\":}", 5 },
    { "01", 1 },
    { "-x", 1 },
    { "1.x", 2 },
    { "1.", SIZE_MAX },
    { "1e+", SIZE_MAX },
    { ".5", 0 },
    { "+1", 0 },
    { "1e5.2", 3 },
    { "1ee", 2 },
    { "1e", SIZE_MAX },
    { "-01", 2 },
    { "tru ", 3 },
    { "trux", 3 },
    { "True", 0 },
    { "NaN", 0 },
    { "nul", SIZE_MAX },
    { "\"a\nb\"", 2 },
    { "\"\\x\"", 2 },
    { "\"\\u12g4\"", 5 },
    { "\"\\\0\"", 2 },
    { "\xef\xbb{}", 2 },
    { "\xef\xbb\xbf\xef\xbb\xbf{}", 3 },
    { " \xef\xbb\xbf{}", 1 },
    { "\xef\xbb\xbf", SIZE_MAX },
    { "/**/{}", 0 },
    { "{}//", 2 },
    { "\"\xc0\x80\"", 1 },
    { "\"\xc3(\"", 2 },
    { "\"\xed\xa0\x80\"", 2 },
    { "\"\xe0\x80\x80\"", 2 },
    { "\"\xf0\x8f\x80\x80\"", 2 },
    { "\"\xf4\x90\x80\x80\"", 2 },
    { "\"\xf5\"", 1 },
    { "\"\x80\"", 1 },
    { "\"\xe2\x82\"", 3 },
    { "\"abc", SIZE_MAX },
    { "", SIZE_MAX },
    { " ", SIZE_MAX },
    { "[", SIZE_MAX },
    { "{\"a\"", SIZE_MAX },
};

static void
refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(bad); i++) {
        struct seen s;
        size_t n = strlen(bad[i].text);
        n = n == 2 && bad[i].at == 2 ? 4 : n; /* the one with NUL */
        scan(&s, "/k", str_n(bad[i].text, n));
        assert_false(s.is_done);
        if (s.bad_at != bad[i].at) {
            fail_msg("%s: bad at %zu", bad[i].text, s.bad_at);
        }
    }
}

/* Two of one name where a pointer leads; elsewhere they are nobody's. */
static void
duplicates(void **state)
{
    struct seen s;
    (void)state;
    scan(&s, "/k", STR("{\"k\":\"v\",\"k\":\"x\"}"));
    assert_int_equal(s.bad_at, 11);
    assert_string_equal(s.text, "v|");
    scan(&s, "/k", STR("{\"k\":1,\"\\u006b\":\"x\"}"));
    assert_int_equal(s.n, 0);
    assert_int_equal(s.bad_at, 14);
    scan(&s, "/a/k", STR("{\"a\":{\"k\":\"v\"},\"a\":{\"k\":\"x\"}}"));
    assert_string_equal(s.text, "v|");
    assert_int_equal(s.bad_at, 17);
    assert_named("/a/k",
        "{\"b\":1,\"b\":2,\"a\":{\"c\":0,\"k\":\"v\",\"c\":{\"k\":1}}}", "v|");
    assert_named("/a/k", "{\"k\":{\"k\":1,\"k\":2},\"a\":{\"k\":\"v\"}}", "v|");
}

static void
depth(void **state)
{
    char text[3 * JSON_DEPTH_MAX];
    struct seen s;
    (void)state;
    for (unsigned over = 0; over < 2; over++) {
        size_t d = JSON_DEPTH_MAX - 1 + over;
        int n = snprintf(text, sizeof text, "[");
        memset(text + n, '[', d);
        memset(text + n + d, ']', d);
        n = (int)(1 + 2 * d);
        n += snprintf(text + n, sizeof text - (size_t)n, ",\"v\"]");
        scan(&s, "/1", str_n(text, (size_t)n));
        assert_int_equal(s.is_done, !over);
        assert_string_equal(s.text, over ? "" : "v|");
        assert_int_equal(s.bad_at, over ? JSON_DEPTH_MAX : SIZE_MAX);
    }
}

/* The last of the fields and of the tokens count as the first. */
static void
limits(void **state)
{
    char pointer[128] = "", text[1024] = "";
    struct seen s;
    (void)state;
    for (unsigned i = 0; i < SCAN_FIELDS_MAX; i++) {
        size_t n = strlen(text);
        n += (size_t)snprintf(
            text + n, sizeof text - n, "%s/%u", i != 0 ? " " : "", i);
    }
    char array[256] = "[";
    for (unsigned i = 0; i + 1 < SCAN_FIELDS_MAX; i++) {
        strncat(array, "0,", 3);
    }
    strncat(array, "\"v\"]", 5);
    scan(&s, text, str_of(array));
    assert_string_equal(s.text, "v|");
    assert_int_equal(s.named, 1u << (SCAN_FIELDS_MAX - 1));
    text[0] = '\0';
    for (unsigned i = 0; i < JSON_TOKENS_MAX; i++) {
        strncat(pointer, "/k", 3);
        strncat(text, "{\"k\":", 6);
    }
    strncat(text, "\"v\"", 4);
    for (unsigned i = 0; i < JSON_TOKENS_MAX; i++) {
        strncat(text, "}", 2);
    }
    assert_named(pointer, text, "v|");
}

static void
pointer_syntax(void **state)
{
    static const char *const wrong[] = { "", "k", "#/k", "/~", "/~2", "/a~",
        "/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7", "~1" };
    char longest[JSON_POINTER_MAX + 2];
    struct json_pointer p;
    (void)state;
    for (size_t i = 0; i < LEN(wrong); i++) {
        assert_false(json_pointer_parse(str_of(wrong[i]), arena, &p));
    }
    memset(longest, '/', sizeof longest);
    memset(longest + 1, 'k', JSON_POINTER_MAX);
    assert_true(
        json_pointer_parse(str_n(longest, JSON_POINTER_MAX), arena, &p));
    assert_int_equal(p.n, 1);
    assert_false(
        json_pointer_parse(str_n(longest, JSON_POINTER_MAX + 1), arena, &p));
    assert_true(json_pointer_parse(STR("/"), arena, &p));
    assert_int_equal(p.n, 1);
    assert_int_equal(p.tokens[0].n, 0);
}

#define TEST(NAME)                                                             \
    cmocka_unit_test_setup_teardown(NAME, arena_set_up, arena_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names),
        TEST(elements),
        TEST(characters),
        TEST(values),
        TEST(refused),
        TEST(duplicates),
        TEST(depth),
        TEST(limits),
        TEST(pointer_syntax),
    };
    return cmocka_run_group_tests_name("json_scan", tests, NULL, NULL);
}
