/* Canonical hosts and paths, and everything that must not become one. */

#include "http/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "arena_fixture.h"

#define L63 "abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz-123456789"

static void
test_authorities_that_are_canonical(void **state)
{
    static const struct {
        const char *in, *host;
        unsigned port;
        enum host_kind kind;
    } cases[] = {
        { "example.com", "example.com", 80, HOST_NAME },
        { "ExAmPle.COM", "example.com", 80, HOST_NAME },
        { "example.com.", "example.com", 80, HOST_NAME },
        { "example.com.:81", "example.com", 81, HOST_NAME },
        { "example.com:80", "example.com", 80, HOST_NAME },
        { "example.com:65535", "example.com", 65535, HOST_NAME },
        { "localhost", "localhost", 80, HOST_NAME },
        { "a_b.c-d.e", "a_b.c-d.e", 80, HOST_NAME },
        { "xn--bcher-kva.example", "xn--bcher-kva.example", 80, HOST_NAME },
        { "1e3", "1e3", 80, HOST_NAME },
        { "1.2.3.4a", "1.2.3.4a", 80, HOST_NAME },
        { "0x7f.example", "0x7f.example", 80, HOST_NAME },
        { "0xfg", "0xfg", 80, HOST_NAME },
        { L63 ".x", L63 ".x", 80, HOST_NAME },
        { "10.0.0.1", "10.0.0.1", 80, HOST_IP4 },
        { "10.0.0.1:8080", "10.0.0.1", 8080, HOST_IP4 },
        { "[::1]", "::1", 80, HOST_IP6 },
        { "[::1]:443", "::1", 443, HOST_IP6 },
        { "[2001:DB8:0:0::1]", "2001:db8::1", 80, HOST_IP6 },
        { "[::ffff:10.0.0.1]:8", "10.0.0.1", 8, HOST_IP4 },
        { "[::ffff:a00:1]", "10.0.0.1", 80, HOST_IP4 },
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct authority au;
        const char *why = NULL;
        assert_true(authority_parse(arena, str_of(cases[i].in), 80, &au, &why));
        assert_text(au.host, cases[i].host);
        assert_int_equal(au.port, cases[i].port);
        assert_int_equal(au.kind, cases[i].kind);
        assert_int_equal(au.ip.family, au.kind == HOST_NAME  ? 0
                                       : au.kind == HOST_IP4 ? 4
                                                             : 6);
        assert_int_equal(au.ip.port, 0);
    }
}

static const struct {
    const char *in;
    size_t n;
} bad_authorities[] = {
#define BAD(s)                                                                 \
    {                                                                          \
        s, sizeof(s) - 1                                                       \
    }
    BAD(""),
    BAD("."),
    BAD(".."),
    BAD(".example.com"),
    BAD("example..com"),
    BAD("example.com.."),
    BAD(L63 "x.com"),
    BAD(L63 "." L63 "." L63 "." L63),
    BAD("ex%61mple.com"),
    BAD("example.com%00.evil"),
    BAD("example.com\0.evil"),
    BAD("example.com "),
    BAD(" example.com"),
    BAD("exa\tmple.com"),
    BAD("b\xc3\xbc"
        "cher.example"),
    BAD("\xef\xbd\x85xample.com"),
    BAD("user@example.com"),
    BAD("user:pw@example.com"),
    BAD("@example.com"),
    BAD("a,b"),
    BAD("a/b"),
    BAD("a\\b"),
    BAD("a?b"),
    BAD("a#b"),
    BAD("a*b"),
    BAD("*.example.com"),
    BAD("[example.com]"),
    BAD("[10.0.0.1]"),
    BAD("[::1"),
    BAD("::1]"),
    BAD("::1"),
    BAD("[::1]x"),
    BAD("[::1]x:80"),
    BAD("[[::1]]"),
    BAD("[]"),
    BAD("["),
    BAD("[::1%25eth0]"),
    BAD("[fe80::1%eth0]"),
    BAD("[v1.fe]"),
    BAD("example.com:"),
    BAD("example.com:0"),
    BAD("example.com:080"),
    BAD("example.com:65536"),
    BAD("example.com:99999999999999999999"),
    BAD("example.com:+80"),
    BAD("example.com:-1"),
    BAD("example.com: 80"),
    BAD("example.com:80 "),
    BAD("example.com:80:80"),
    BAD("example.com:8a"),
    BAD(":80"),
    BAD("2130706433"),
    BAD("0x7f000001"),
    BAD("0x7f.1"),
    BAD("0X7F.0.0.1"),
    BAD("127.1"),
    BAD("127.0.1"),
    BAD("0177.0.0.1"),
    BAD("127.0.0.01"),
    BAD("127.0.0.1."),
    BAD("127.0.0.256"),
    BAD("127.0.0.1.2"),
    BAD("1.2.3.0x4"),
    BAD("foo.0x4"),
    BAD("foo.0x"),
    BAD("0x"),
    BAD("0"),
    BAD("foo.09"),
#undef BAD
};

static void
test_authorities_that_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(bad_authorities); i++) {
        struct authority au;
        const char *why = NULL;
        struct str s = str_n(bad_authorities[i].in, bad_authorities[i].n);
        if (authority_parse(arena, s, 80, &au, &why)) {
            fail_msg("accepted \"%.*s\"", STR_ARG(s));
        }
        assert_non_null(why);
    }
}

static void
test_name_of_the_longest_length(void **state)
{
    (void)state;
    static const char longest[] =
        L63 "." L63 "." L63 "."
            "abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz-1234567";
    char text[300];
    struct authority au;
    const char *why = NULL;
    assert_int_equal(sizeof longest - 1, 253);
    assert_true(authority_parse(arena, str_of(longest), 80, &au, &why));
    memcpy(text, longest, 253);
    text[253] = '.';
    assert_true(authority_parse(arena, str_n(text, 254), 80, &au, &why));
    text[253] = 'x';
    assert_false(authority_parse(arena, str_n(text, 254), 80, &au, &why));
}

static void
test_hosts_take_no_port(void **state)
{
    (void)state;
    struct authority au;
    const char *why = NULL;
    assert_true(host_parse(arena, STR("A.example"), &au, &why));
    assert_text(au.host, "a.example");
    assert_int_equal(au.port, 0);
    assert_true(host_parse(arena, STR("::1"), &au, &why));
    assert_true(host_parse(arena, STR("[::1]"), &au, &why));
    assert_int_equal(au.kind, HOST_IP6);
    assert_false(host_parse(arena, STR("a.example:443"), &au, &why));
    assert_false(host_parse(arena, STR("[::1]:443"), &au, &why));
    assert_false(host_parse(arena, STR("[::1"), &au, &why));
    assert_false(host_parse(arena, STR("["), &au, &why));
    assert_false(host_parse(arena, STR(""), &au, &why));
    assert_false(host_parse(arena, STR("127.1"), &au, &why));
}

static void
test_authorities_are_written_and_compared(void **state)
{
    (void)state;
    struct authority a, b;
    const char *why = NULL;
    assert_true(authority_parse(arena, STR("[::1]:444"), 443, &a, &why));
    assert_text(authority_format(arena, &a, 443), "[::1]:444");
    assert_text(authority_format(arena, &a, 444), "[::1]");
    assert_true(authority_parse(arena, STR("h.example"), 443, &a, &why));
    assert_text(authority_format(arena, &a, 443), "h.example");
    assert_text(authority_format(arena, &a, 80), "h.example:443");
    assert_true(authority_parse(arena, STR("H.example.:443"), 80, &b, &why));
    assert_true(authority_eq(&a, &b));
    b.port = 80;
    assert_false(authority_eq(&a, &b));
    assert_true(authority_parse(arena, STR("i.example"), 443, &b, &why));
    assert_false(authority_eq(&a, &b));
}

static void
test_paths_in_canonical_form(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "/", "/" },
        { "*", "*" },
        { "/a/b", "/a/b" },
        { "/a/b/", "/a/b/" },
        { "//a///b//", "/a/b/" },
        { "/a/./b/.", "/a/b/" },
        { "/a/b/..", "/a/" },
        { "/a/b/../c", "/a/c" },
        { "/a/..", "/" },
        { "/a//../b", "/b" },
        { "/./", "/" },
        { "/...", "/..." },
        { "/..a/.b", "/..a/.b" },
        { "/.git/config", "/.git/config" },
        { "/%41%7e%2D%5f%2E", "/A~-_." },
        { "/a/%2e%2E/b", "/b" },
        { "/a/%2e./b", "/b" },
        { "/a%2fb%2F", "/a%2Fb%2F" },
        { "/a%5cb", "/a%5Cb" },
        { "/%c3%bc", "/%C3%BC" },
        { "/a%20b", "/a%20b" },
        { "/%2561", "/%2561" },
        { "/a;x=1/b", "/a;x=1/b" },
        { "/a..;/b", "/a..;/b" },
        { "/;/b", "/;/b" },
        { "/a%0d%0ab", "/a%0D%0Ab" },
        { "/..%2Fa", "/..%2Fa" },
        { "/a|b{c}\"^`<>", "/a|b{c}\"^`<>" },
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct str out, again;
        const char *why = NULL;
        assert_true(path_canonical(arena, str_of(cases[i].in), &out, &why));
        assert_text(out, cases[i].out);
        assert_true(path_canonical(arena, out, &again, &why));
        assert_true(str_eq(out, again));
    }
}

static void
test_paths_that_are_refused(void **state)
{
    static const struct {
        const char *in;
        size_t n;
    } cases[] = {
#define BAD(s) { s, sizeof(s) - 1 }
        BAD(""),
        BAD("a"),
        BAD("/%00"),
        BAD("/a%00.png"),
        BAD("/%"),
        BAD("/%4"),
        BAD("/%4g"),
        BAD("/%g4"),
        BAD("/a\\b"),
        BAD("/.."),
        BAD("/../a"),
        BAD("/a/../../b"),
        BAD("/%2e%2e/a"),
        BAD("//../a"),
        BAD("/./../a"),
        BAD("/a/..;/b"),
        BAD("/a/..;x=1/b"),
        BAD("/a/%2e%2e;/b"),
        BAD("/a/..%3bx/b"),
        BAD("/a/..%3B"),
        BAD("/a/.;/b"),
        BAD("/a b"),
        BAD("/a\tb"),
        BAD("/a\0b"),
        BAD("/a\x7f"),
        BAD("/\xc3\xbc"),
        BAD("/a?b"),
        BAD("/a#b"),
#undef BAD
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct str out;
        const char *why = NULL;
        if (path_canonical(arena, str_n(cases[i].in, cases[i].n), &out, &why)) {
            fail_msg("accepted \"%s\"", cases[i].in);
        }
        assert_non_null(why);
    }
}

static void
test_encoded_slashes_as_others_read_them(void **state)
{
    static const struct {
        const char *in;
        unsigned found, which;
        const char *out; /* NULL: refused */
    } cases[] = {
        { "/a/b", 0, 3, "/a/b" },
        { "/a%2Fb", PATH_DECODE_SLASH, PATH_DECODE_SLASH, "/a/b" },
        { "/a%2Fb", PATH_DECODE_SLASH, PATH_DECODE_BACKSLASH, "/a%2Fb" },
        { "/x%2F..%2Fadmin", PATH_DECODE_SLASH, PATH_DECODE_SLASH, "/admin" },
        { "/x%5C..%5Cadmin", PATH_DECODE_BACKSLASH, PATH_DECODE_BACKSLASH,
            "/admin" },
        { "/x%5C..%2Fadmin", 3, 3, "/admin" },
        { "/x%5C..%2Fadmin", 3, PATH_DECODE_SLASH, "/x%5C../admin" },
        { "/..%2Fa", PATH_DECODE_SLASH, PATH_DECODE_SLASH, NULL },
        { "/a/%25%2F%2F", PATH_DECODE_SLASH, PATH_DECODE_SLASH, "/a/%25/" },
        { "*", 0, 3, NULL },
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct str in = str_of(cases[i].in), out;
        assert_int_equal(path_encoded_slashes(in), cases[i].found);
        bool ok = path_decode_slashes(arena, in, cases[i].which, &out);
        assert_int_equal(ok, cases[i].out != NULL);
        if (ok) {
            assert_text(out, cases[i].out);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_authorities_that_are_canonical),
        cmocka_unit_test(test_authorities_that_are_refused),
        cmocka_unit_test(test_name_of_the_longest_length),
        cmocka_unit_test(test_hosts_take_no_port),
        cmocka_unit_test(test_authorities_are_written_and_compared),
        cmocka_unit_test(test_paths_in_canonical_form),
        cmocka_unit_test(test_paths_that_are_refused),
        cmocka_unit_test(test_encoded_slashes_as_others_read_them),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
