/*
 * The PROXY protocol: every shape that is malformed is refused, and a header
 * that is cut anywhere is waited for.
 */

#include "http/proxy_protocol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define TCP4 "\x0a\0\0\1\x0a\0\0\2\x03\xe8\0\x50"

/* From the heap, so that reading past it is seen. */
static enum proxy_protocol_result
parse(struct str in, struct proxy_protocol *h, size_t *n)
{
    char *copy = malloc(in.n + (in.n == 0));
    memcpy(copy, in.p, in.n);
    enum proxy_protocol_result r =
        proxy_protocol_parse(str_n(copy, in.n), h, n);
    free(copy);
    return r;
}

/* Whole, with bytes behind it, and cut at each byte. */
static void
assert_client(struct str in, const char *client)
{
    char text[ADDR_TEXT_MAX], longer[PROXY_PROTOCOL_MAX + 8];
    struct proxy_protocol h;
    size_t n;
    assert_int_equal(parse(in, &h, &n), PROXY_PROTOCOL_OK);
    assert_int_equal(n, in.n);
    assert_int_equal(h.has_client, client != NULL);
    if (client != NULL) {
        addr_format(&h.client, true, text);
        assert_string_equal(text, client);
    } else {
        assert_int_equal(h.client.family, 0);
    }
    memcpy(longer, in.p, in.n);
    memcpy(longer + in.n, "\r\n\r\nGET", 7);
    assert_int_equal(parse(str_n(longer, in.n + 7), &h, &n), PROXY_PROTOCOL_OK);
    assert_int_equal(n, in.n);
    for (size_t i = 0; i < in.n; i++) {
        enum proxy_protocol_result r = parse(str_n(in.p, i), &h, &n);
        assert_int_equal(r, PROXY_PROTOCOL_MORE);
        assert_int_equal(n, 0);
    }
}

static void
lines(void **state)
{
    (void)state;
    assert_client(
        STR("PROXY TCP4 10.0.0.1 10.0.0.2 1000 80\r\n"), "10.0.0.1:1000");
    assert_client(
        STR("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n"), "0.0.0.0:0");
    assert_client(
        STR("PROXY TCP6 2001:DB8::1 ::1 65535 0\r\n"), "[2001:db8::1]:65535");
    assert_client(STR("PROXY TCP6 ::ffff:10.0.0.1 ::1 1 2\r\n"), "10.0.0.1:1");
    assert_client(STR("PROXY UNKNOWN\r\n"), NULL);
    assert_client(STR("PROXY UNKNOWN 10.0.0.1 10.0.0.2 1 2\r\n"), NULL);
    /* the longest there is: 107 bytes */
    assert_client(
        STR("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
        NULL);
    assert_client(
        STR("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff1 "
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff1]:65535");
}

static const char *const bad_line_cases[] = {
    "G",
    "\n",
    "\r\n\r\nX",
    "proxy TCP4 10.0.0.1 10.0.0.2 1000 80\r\n",
    "PROXY\r\n",
    "PROXY \r\n",
    "PROXY  TCP4 10.0.0.1 10.0.0.2 1000 80\r\n",
    "PROXY TCP4\r\n",
    "PROXY TCP4 \r\n",
    "PROXY tcp4 10.0.0.1 10.0.0.2 1000 80\r\n",
    "PROXY TCP5 10.0.0.1 10.0.0.2 1000 80\r\n",
    "PROXY UDP4 10.0.0.1 10.0.0.2 1000 80\r\n",
    "PROXY UNKNOWNS\r\n",
    "PROXY UNKNOWN\t\r\n",
    "PROXY UNKNOWN \x7f\r\n",
    "PROXY UNKNOWN \xc3\xa4\r\n",
    "PROXY UNKNOWN \r\r\n",
    "PROXY UNKNOWN\n",
    "PROXY TCP4 10.0.0.1 10.0.0.2 1000 80\n",
    "PROXY TCP4 10.0.0.1 10.0.0.2 1000 80 \r\n",
    "PROXY TCP4 10.0.0.1 10.0.0.2 1000 80 1\r\n",
    "PROXY TCP4 10.0.0.1 10.0.0.2 1000\r\n",
    "PROXY TCP4 10.0.0.1 10.0.0.2 1000 \r\n",
    "PROXY TCP4 10.0.0.1  10.0.0.2 1000 80\r\n",
    "PROXY TCP4 10.0.0.1 10.0.0.2\t1000 80\r\n",
    "PROXY TCP4 10.0.0.1 10.0.0.2 1000 65536\r\n",
    "PROXY TCP4 10.0.0.1 10.0.0.2 65536 80\r\n",
    "PROXY TCP4 10.0.0.1 10.0.0.2 -1 80\r\n",
    "PROXY TCP4 10.0.0.1 10.0.0.2 +1 80\r\n",
    "PROXY TCP4 10.0.0.1 10.0.0.2 01 80\r\n",
    "PROXY TCP4 10.0.0.1 10.0.0.2 1 00\r\n",
    "PROXY TCP4 10.0.0.1 10.0.0.2 0x1 80\r\n",
    "PROXY TCP4 10.0.0.1 10.0.0.2 99999999999999999999 80\r\n",
    "PROXY TCP4 10.0.1 10.0.0.2 1000 80\r\n",
    "PROXY TCP4 10.0.0.256 10.0.0.2 1000 80\r\n",
    "PROXY TCP4 010.0.0.1 10.0.0.2 1000 80\r\n",
    "PROXY TCP4 10.0.0.1 nowhere 1000 80\r\n",
    "PROXY TCP4 ::1 ::2 1000 80\r\n",
    "PROXY TCP4 10.0.0.1 ::2 1000 80\r\n",
    "PROXY TCP6 10.0.0.1 10.0.0.2 1000 80\r\n",
    "PROXY TCP6 ::1 10.0.0.2 1000 80\r\n",
    "PROXY TCP6 [::1] [::2] 1000 80\r\n",
    "PROXY TCP6 fe80::1%lo ::2 1000 80\r\n",
    "PROXY TCP6 ::1::2 ::2 1000 80\r\n",
};

static void
bad_lines(void **state)
{
    struct proxy_protocol h;
    size_t n;
    (void)state;
    for (size_t i = 0; i < LEN(bad_line_cases); i++) {
        enum proxy_protocol_result r = parse(str_of(bad_line_cases[i]), &h, &n);
        if (r != PROXY_PROTOCOL_BAD) {
            print_error("%s", bad_line_cases[i]);
        }
        assert_int_equal(r, PROXY_PROTOCOL_BAD);
    }
    assert_int_equal(
        parse(STR("PROXY UNKNOWN \0\r\n"), &h, &n), PROXY_PROTOCOL_BAD);
}

/* A line that does not end is not waited for. */
static void
long_lines(void **state)
{
    char text[200] = "PROXY UNKNOWN ";
    struct proxy_protocol h;
    size_t n;
    (void)state;
    memset(text + 14, 'x', sizeof text - 14);
    assert_int_equal(parse(str_n(text, 106), &h, &n), PROXY_PROTOCOL_MORE);
    assert_int_equal(parse(str_n(text, 107), &h, &n), PROXY_PROTOCOL_BAD);
    text[106] = '\n';
    text[105] = '\r';
    assert_int_equal(parse(str_n(text, 107), &h, &n), PROXY_PROTOCOL_OK);
    text[107] = '\n';
    text[106] = '\r';
    text[105] = 'x';
    assert_int_equal(parse(str_n(text, 108), &h, &n), PROXY_PROTOCOL_BAD);
    assert_int_equal(parse(str_n(text, 107), &h, &n), PROXY_PROTOCOL_BAD);
}

static struct str
binary(char *to, uint8_t command, uint8_t family, struct str body)
{
    memcpy(to, SIGNATURE, 12);
    to[12] = (char)command;
    to[13] = (char)family;
    to[14] = (char)(body.n >> 8);
    to[15] = (char)body.n;
    memcpy(to + 16, body.p, body.n);
    return str_n(to, 16 + body.n);
}

static void
binaries(void **state)
{
    static const char tcp6[36] = { [0] = 0x20, [1] = 1, [15] = 5, [32] = 1 };
    static const char mapped[36] = {
        [10] = -1, [11] = -1, [12] = 10, [33] = 9
    };
    static const char names[216] = "/some/where";
    char b[PROXY_PROTOCOL_MAX], most[PROXY_PROTOCOL_MAX] = TCP4;
    (void)state;
    assert_client(binary(b, 0x21, 0x11, STR(TCP4)), "10.0.0.1:1000");
    assert_client(
        binary(b, 0x21, 0x11, STR(TCP4 "\1\0\2h2\4\0\0")), "10.0.0.1:1000");
    assert_client(binary(b, 0x21, 0x21, str_n(tcp6, 36)), "[2001::5]:256");
    assert_client(binary(b, 0x21, 0x21, str_n(mapped, 36)), "10.0.0.0:9");
    assert_client(binary(b, 0x21, 0x31, str_n(names, 216)), "unix:");
    assert_client(binary(b, 0x21, 0x00, STR("")), NULL);
    assert_client(binary(b, 0x21, 0x00, STR("\4\0\1x")), NULL);
    assert_client(binary(b, 0x20, 0x00, STR("")), NULL);
    assert_client(binary(b, 0x20, 0x11, STR(TCP4)), NULL);
    assert_client(binary(b, 0x20, 0xff, STR("x")), NULL);
    /* the most that is read */
    most[13] = (char)((PROXY_PROTOCOL_MAX - 31) >> 8);
    most[14] = (char)(PROXY_PROTOCOL_MAX - 31);
    assert_client(binary(b, 0x21, 0x11, str_n(most, PROXY_PROTOCOL_MAX - 16)),
        "10.0.0.1:1000");
}

static void
bad_binaries(void **state)
{
    static const struct {
        uint8_t command, family;
        struct str body;
    } cases[] = {
        { 0x22, 0x11, { TCP4, 12 } }, /* a command that is none */
        { 0x2f, 0x11, { TCP4, 12 } },
        { 0x11, 0x11, { TCP4, 12 } }, /* version 1 */
        { 0x31, 0x11, { TCP4, 12 } },
        { 0x01, 0x11, { TCP4, 12 } },
        { 0x21, 0x12, { TCP4, 12 } }, /* datagrams */
        { 0x21, 0x10, { TCP4, 12 } },
        { 0x21, 0x01, { TCP4, 12 } },
        { 0x21, 0x41, { TCP4, 12 } }, /* a family that is none */
        { 0x21, 0x11, { TCP4, 11 } }, /* too short */
        { 0x21, 0x11, { TCP4, 0 } },
        { 0x21, 0x21, { TCP4, 12 } },
        { 0x21, 0x31, { TCP4, 12 } },
        { 0x21, 0x11, { TCP4 "\1", 13 } }, /* half a TLV */
        { 0x21, 0x11, { TCP4 "\1\0", 14 } },
        { 0x21, 0x11, { TCP4 "\1\0\1", 15 } },
        { 0x21, 0x11, { TCP4 "\1\0\1xy", 17 } },
        { 0x21, 0x00, { "\1\0\1", 3 } },
    };
    char b[256];
    struct proxy_protocol h;
    size_t n;
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct str in =
            binary(b, cases[i].command, cases[i].family, cases[i].body);
        enum proxy_protocol_result r = parse(in, &h, &n);
        if (r != PROXY_PROTOCOL_BAD) {
            print_error("case %zu", i);
        }
        assert_int_equal(r, PROXY_PROTOCOL_BAD);
    }
    /* each byte of the signature */
    for (size_t i = 0; i < 12; i++) {
        struct str in = binary(b, 0x21, 0x11, STR(TCP4));
        b[i] ^= 0x40;
        assert_int_equal(parse(in, &h, &n), PROXY_PROTOCOL_BAD);
        assert_int_equal(parse(str_n(b, i + 1), &h, &n), PROXY_PROTOCOL_BAD);
    }
}

/* Refused as soon as its length is known. */
static void
large_binaries(void **state)
{
    char b[16];
    struct proxy_protocol h;
    size_t n;
    (void)state;
    binary(b, 0x21, 0x11, STR(""));
    b[14] = (char)((PROXY_PROTOCOL_MAX - 16) >> 8);
    b[15] = (char)(PROXY_PROTOCOL_MAX - 16);
    assert_int_equal(parse(str_n(b, 16), &h, &n), PROXY_PROTOCOL_MORE);
    b[15]++;
    assert_int_equal(parse(str_n(b, 16), &h, &n), PROXY_PROTOCOL_BAD);
    binary(b, 0x20, 0, STR(""));
    b[14] = b[15] = -1;
    assert_int_equal(parse(str_n(b, 16), &h, &n), PROXY_PROTOCOL_BAD);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(bad_lines),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(binaries),
        cmocka_unit_test(bad_binaries),
        cmocka_unit_test(large_binaries),
    };
    return cmocka_run_group_tests_name("proxy_protocol", tests, NULL, NULL);
}
