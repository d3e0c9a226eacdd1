/* Heads that are refused, each by its kind. */

#include "http/h1_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "arena_fixture.h"

#define HOST "Host: a.example\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST
#define POST "POST / HTTP/1.1\r\n" HOST
#define END "\r\n"

/* As a connection does it: the end first, then the parse. */
static enum h1_error_kind
request(struct str bytes, struct head *h)
{
    struct h1_error err = { 0 };
    size_t scanned = 0, n = 0;
    head_init(h, arena);
    switch (h1_head_end(bytes, &scanned, &n, &err)) {
    case H1_OK:
        break;
    case H1_BAD:
        assert_non_null(err.text);
        return err.kind;
    default:
        fail_msg("no end in \"%.*s\"", STR_ARG(bytes));
    }
    assert_int_equal(n, bytes.n);
    if (h1_parse_request(bytes, 443, h, &err) == 0) {
        return H1_E_NONE;
    }
    assert_non_null(err.text);
    assert_true(err.status >= 400 && err.status < 600);
    return err.kind;
}

static enum h1_error_kind
response(struct str bytes, enum method method, struct head *h)
{
    struct h1_error err = { 0 };
    size_t scanned = 0, n = 0;
    head_init(h, arena);
    enum h1_result r = h1_response_end(bytes, &scanned, &n, &err);
    assert_int_not_equal(r, H1_MORE);
    if (r == H1_BAD) {
        return err.kind;
    }
    if (h1_parse_response(bytes, method, h, &err) == 0) {
        return H1_E_NONE;
    }
    assert_int_equal(err.status, 502);
    return err.kind;
}

struct refusal {
    enum h1_error_kind kind;
    const char *in;
    size_t n;
};

#define BAD(kind, s)                                                           \
    {                                                                          \
        kind, s, sizeof(s) - 1                                                 \
    }

static const struct refusal bad_requests[] = {
    /* bytes */
    BAD(H1_E_CONTROL, "GET / HTTP/1.1\n" HOST END),
    BAD(H1_E_CONTROL, "GET / HTTP/1.1\r\nHost: a.example\n\n"),
    BAD(H1_E_CONTROL, "GET / HTTP/1.1\r\nHost: a.example\n\r\n"),
    BAD(H1_E_CONTROL, "\nGET / HTTP/1.1\r\n" HOST END),
    BAD(H1_E_CONTROL, "GET / HTTP/1.1\rX\r\n" HOST END),
    BAD(H1_E_CONTROL, "GET / HTTP/1.1\r\r\n" HOST END),
    BAD(H1_E_CONTROL, "GET / HTTP/1.1\r" HOST END),
    BAD(H1_E_CONTROL, GET "A: b\rc\r\n" END),
    BAD(H1_E_CONTROL, GET "A: b\r\r\n" END),
    BAD(H1_E_CONTROL, GET "A: b\0c\r\n" END),
    BAD(H1_E_CONTROL, GET "A: \0\r\n" END),
    BAD(H1_E_CONTROL, GET "A: b\x01\r\n" END),
    BAD(H1_E_CONTROL, GET "A: b\x0b\r\n" END),
    BAD(H1_E_CONTROL, GET "A: b\x7f\r\n" END),
    BAD(H1_E_CONTROL, GET "A\0: b\r\n" END),
    BAD(H1_E_CONTROL, GET "A\r: b\r\n" END),
    BAD(H1_E_CONTROL, "G\0T / HTTP/1.1\r\n" HOST END),
    BAD(H1_E_CONTROL, "GET /\0 HTTP/1.1\r\n" HOST END),
    BAD(H1_E_CONTROL, "GET /\x7f HTTP/1.1\r\n" HOST END),
    BAD(H1_E_BLANK_LINE, "\r\nGET / HTTP/1.1\r\n" HOST END),
    BAD(H1_E_BLANK_LINE, "\r\n\r\nGET / HTTP/1.1\r\n" HOST END),

    /* the request line */
    BAD(H1_E_START_LINE, "GET\r\n" HOST END),
    BAD(H1_E_START_LINE, "GET /\r\n" HOST END),
    BAD(H1_E_START_LINE, "GET / \r\n" HOST END),
    BAD(H1_E_START_LINE, "GET  / HTTP/1.1\r\n" HOST END),
    BAD(H1_E_START_LINE, "GET /  HTTP/1.1\r\n" HOST END),
    BAD(H1_E_START_LINE, "GET / HTTP/1.1 \r\n" HOST END),
    BAD(H1_E_START_LINE, "GET / HTTP/1.1x\r\n" HOST END),
    BAD(H1_E_START_LINE, "GET / HTTP/1.10\r\n" HOST END),
    BAD(H1_E_START_LINE, "GET /a b HTTP/1.1\r\n" HOST END),
    BAD(H1_E_START_LINE, "GET / http/1.1\r\n" HOST END),
    BAD(H1_E_START_LINE, "GET / Http/1.1\r\n" HOST END),
    BAD(H1_E_START_LINE, "GET / HTTP/1\r\n" HOST END),
    BAD(H1_E_START_LINE, "GET / HTTP/1,1\r\n" HOST END),
    BAD(H1_E_START_LINE, "GET / HTTPS/1.1\r\n" HOST END),
    BAD(H1_E_START_LINE, "GET / ICAP/1.0\r\n" HOST END),
    BAD(H1_E_START_LINE, "GET / HTTP/ 1.1\r\n" HOST END),
    BAD(H1_E_METHOD, " GET / HTTP/1.1\r\n" HOST END),
    BAD(H1_E_METHOD, "GE(T / HTTP/1.1\r\n" HOST END),
    BAD(H1_E_METHOD, "GET\t/ HTTP/1.1\r\n" HOST END),
    BAD(H1_E_METHOD, "G\xc3T / HTTP/1.1\r\n" HOST END),
    BAD(H1_E_METHOD, "get / HTTP/1.1\r\n" HOST END),
    BAD(H1_E_METHOD, "Post / HTTP/1.1\r\n" HOST END),
    BAD(H1_E_METHOD, "connect a.example:443 HTTP/1.1\r\n" HOST END),
    BAD(H1_E_METHOD_SIZE,
        "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n" HOST END),
    BAD(H1_E_VERSION, "GET / HTTP/1.2\r\n" HOST END),
    BAD(H1_E_VERSION, "GET / HTTP/0.9\r\n" HOST END),
    BAD(H1_E_VERSION, "GET / HTTP/2.0\r\n" HOST END),
    BAD(H1_E_VERSION, "PRI * HTTP/2.0\r\n\r\n"),
    BAD(H1_E_VERSION, "GET / HTTP/3.1\r\n" HOST END),

    /* targets */
    BAD(H1_E_TARGET, "GET /\xc3\xbc HTTP/1.1\r\n" HOST END),
    BAD(H1_E_TARGET, "GET /\t HTTP/1.1\r\n" HOST END),
    BAD(H1_E_TARGET, "GET /a#b HTTP/1.1\r\n" HOST END),
    BAD(H1_E_TARGET, "GET http://a.example/#b HTTP/1.1\r\n" HOST END),
    BAD(H1_E_TARGET, "GET http://a.example#b HTTP/1.1\r\n" HOST END),
    BAD(H1_E_TARGET, "GET a HTTP/1.1\r\n" HOST END),
    BAD(H1_E_TARGET, "GET a.example:80 HTTP/1.1\r\n" HOST END),
    BAD(H1_E_TARGET, "GET ?a HTTP/1.1\r\n" HOST END),
    BAD(H1_E_TARGET, "GET * HTTP/1.1\r\n" HOST END),
    BAD(H1_E_TARGET, "OPTIONS ** HTTP/1.1\r\n" HOST END),
    BAD(H1_E_TARGET, "GET ftp://a.example/ HTTP/1.1\r\n" HOST END),
    BAD(H1_E_TARGET, "GET http:/a.example/ HTTP/1.1\r\n" HOST END),
    BAD(H1_E_TARGET, "GET http:a.example HTTP/1.1\r\n" HOST END),
    BAD(H1_E_TARGET, "GET http HTTP/1.1\r\n" HOST END),
    BAD(H1_E_TARGET, "GET \\ HTTP/1.1\r\n" HOST END),
    BAD(H1_E_AUTHORITY, "GET http:///a HTTP/1.1\r\n" HOST END),
    BAD(H1_E_AUTHORITY, "GET http:// HTTP/1.1\r\n" HOST END),
    BAD(H1_E_AUTHORITY, "GET http://u@a.example/ HTTP/1.1\r\n" HOST END),
    BAD(H1_E_AUTHORITY, "GET http://u:p@a.example/ HTTP/1.1\r\n" HOST END),
    BAD(H1_E_AUTHORITY, "GET http://a.example\\/ HTTP/1.1\r\n" HOST END),
    BAD(H1_E_AUTHORITY, "GET http://a%2eexample/ HTTP/1.1\r\n" HOST END),
    BAD(H1_E_AUTHORITY, "GET http://a.example:0/ HTTP/1.1\r\n" HOST END),
    BAD(H1_E_AUTHORITY, "GET http://0x7f.1/ HTTP/1.1\r\nHost: 0x7f.1\r\n\r\n"),
    BAD(H1_E_AUTHORITY, "CONNECT a.example HTTP/1.1\r\n" HOST END),
    BAD(H1_E_AUTHORITY, "CONNECT a.example: HTTP/1.1\r\n" HOST END),
    BAD(H1_E_AUTHORITY, "CONNECT / HTTP/1.1\r\n" HOST END),
    BAD(H1_E_AUTHORITY, "CONNECT * HTTP/1.1\r\n" HOST END),
    BAD(H1_E_AUTHORITY, "CONNECT a.example:443/ HTTP/1.1\r\n" HOST END),
    BAD(H1_E_AUTHORITY, "CONNECT http://a.example:443 HTTP/1.1\r\n" HOST END),
    BAD(H1_E_AUTHORITY, "CONNECT u@a.example:443 HTTP/1.1\r\n" HOST END),
    BAD(H1_E_AUTHORITY, "CONNECT ::1:443 HTTP/1.1\r\nHost: a\r\n" END),

    /* field lines */
    BAD(H1_E_FIELD_NAME, GET "A : b\r\n" END),
    BAD(H1_E_FIELD_NAME, GET "A\t: b\r\n" END),
    BAD(H1_E_FIELD_NAME, GET ": b\r\n" END),
    BAD(H1_E_FIELD_NAME, GET "A\r\n" END),
    BAD(H1_E_FIELD_NAME, GET "A b: c\r\n" END),
    BAD(H1_E_FIELD_NAME, GET "A(: c\r\n" END),
    BAD(H1_E_FIELD_NAME, GET "A\xc3: c\r\n" END),
    BAD(H1_E_FIELD_NAME, GET "{A}: c\r\n" END),
    BAD(H1_E_FOLD, GET "A: b\r\n c\r\n" END),
    BAD(H1_E_FOLD, GET "A: b\r\n\tc\r\n" END),
    BAD(H1_E_FOLD, GET "A: b\r\n \r\n" END),
    BAD(H1_E_FOLD, "GET / HTTP/1.1\r\n " HOST END),
    BAD(H1_E_FOLD, "GET / HTTP/1.1\r\nHost:\r\n a.example\r\n" END),

    /* Host */
    BAD(H1_E_HOST_MISSING, "GET / HTTP/1.1\r\n\r\n"),
    BAD(H1_E_HOST_MISSING, "GET http://a.example/ HTTP/1.1\r\nA: b\r\n\r\n"),
    BAD(H1_E_HOST_MISSING, "CONNECT a.example:443 HTTP/1.1\r\n\r\n"),
    BAD(H1_E_HOST_MISSING, "OPTIONS * HTTP/1.1\r\n\r\n"),
    BAD(H1_E_HOST_TWICE, GET HOST END),
    BAD(H1_E_HOST_TWICE, GET "hOST: b.example\r\n" END),
    BAD(H1_E_HOST_TWICE, "GET / HTTP/1.0\r\n" HOST HOST END),
    BAD(H1_E_HOST_TWICE, "GET http://a.example/ HTTP/1.1\r\n" HOST HOST END),
    BAD(H1_E_HOST, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    BAD(H1_E_HOST, "GET / HTTP/1.1\r\nHost: \t\r\n\r\n"),
    BAD(H1_E_HOST, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    BAD(H1_E_HOST, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    BAD(H1_E_HOST, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    BAD(H1_E_HOST, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    BAD(H1_E_HOST, "GET / HTTP/1.1\r\nHost: a%00\r\n\r\n"),
    BAD(H1_E_HOST, "GET / HTTP/1.1\r\nHost: \xc3\xbc\r\n\r\n"),
    BAD(H1_E_HOST, "GET / HTTP/1.1\r\nHost: 2130706433\r\n\r\n"),
    BAD(H1_E_HOST, "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"),
    BAD(H1_E_HOST, "GET / HTTP/1.1\r\nHost: http://a/\r\n\r\n"),
    BAD(H1_E_HOST, "GET / HTTP/1.1\r\nHost: [a]\r\n\r\n"),
    BAD(H1_E_HOST, "GET / HTTP/1.0\r\nHost:\r\n\r\n"),
    BAD(H1_E_HOST_DIFFERS, "GET http://b.example/ HTTP/1.1\r\n" HOST END),
    BAD(H1_E_HOST_DIFFERS, "GET http://a.example:81/ HTTP/1.1\r\n" HOST END),
    BAD(H1_E_HOST_DIFFERS, "GET https://a.example/ HTTP/1.1\r\n"
                           "Host: a.example:80\r\n\r\n"),
    BAD(H1_E_HOST_DIFFERS, "GET http://b.example/ HTTP/1.0\r\n" HOST END),

    /* framing */
    BAD(H1_E_LENGTH, POST "Content-Length:\r\n" END),
    BAD(H1_E_LENGTH, POST "Content-Length: \r\n" END),
    BAD(H1_E_LENGTH, POST "Content-Length: +1\r\n" END),
    BAD(H1_E_LENGTH, POST "Content-Length: -1\r\n" END),
    BAD(H1_E_LENGTH, POST "Content-Length: 1 1\r\n" END),
    BAD(H1_E_LENGTH, POST "Content-Length: 1,1\r\n" END),
    BAD(H1_E_LENGTH, POST "Content-Length: 1, 1\r\n" END),
    BAD(H1_E_LENGTH, POST "Content-Length: 0x1\r\n" END),
    BAD(H1_E_LENGTH, POST "Content-Length: 1.0\r\n" END),
    BAD(H1_E_LENGTH, POST "Content-Length: 1e1\r\n" END),
    BAD(H1_E_LENGTH, POST "Content-Length: 01\r\n" END),
    BAD(H1_E_LENGTH, POST "Content-Length: 00\r\n" END),
    BAD(H1_E_LENGTH, POST "Content-Length: \xc2\xb2\r\n" END),
    BAD(H1_E_LENGTH, POST "Content-Length: 9223372036854775808\r\n" END),
    BAD(H1_E_LENGTH, POST "Content-Length: 18446744073709551616\r\n" END),
    BAD(H1_E_LENGTH, POST "Content-Length: 99999999999999999999999999\r\n" END),
    BAD(H1_E_LENGTH_TWICE,
        POST "Content-Length: 1\r\nContent-Length: 1\r\n" END),
    BAD(H1_E_LENGTH_TWICE,
        POST "Content-Length: 1\r\ncontent-length: 2\r\n" END),
    BAD(H1_E_LENGTH_AND_CODING,
        POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n" END),
    BAD(H1_E_LENGTH_AND_CODING,
        POST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n" END),
    BAD(H1_E_LENGTH_AND_CODING,
        POST "Transfer-Encoding: x\r\nContent-Length: 0\r\n" END),
    BAD(H1_E_CODING, POST "Transfer-Encoding:\r\n" END),
    BAD(H1_E_CODING, POST "Transfer-Encoding: gzip\r\n" END),
    BAD(H1_E_CODING, POST "Transfer-Encoding: identity\r\n" END),
    BAD(H1_E_CODING, POST "Transfer-Encoding: gzip, chunked\r\n" END),
    BAD(H1_E_CODING, POST "Transfer-Encoding: chunked, gzip\r\n" END),
    BAD(H1_E_CODING, POST "Transfer-Encoding: chunked, chunked\r\n" END),
    BAD(H1_E_CODING, POST "Transfer-Encoding: chunked,\r\n" END),
    BAD(H1_E_CODING, POST "Transfer-Encoding: ,chunked\r\n" END),
    BAD(H1_E_CODING, POST "Transfer-Encoding: chunked;a=b\r\n" END),
    BAD(H1_E_CODING, POST "Transfer-Encoding: xchunked\r\n" END),
    BAD(H1_E_CODING, POST "Transfer-Encoding: chunked\xa0\r\n" END),
    BAD(H1_E_CODING, POST "Transfer-Encoding: \"chunked\"\r\n" END),
    BAD(H1_E_CODING, POST "Transfer-Encoding: chunked\r\n"
                          "Transfer-Encoding: chunked\r\n" END),
    BAD(H1_E_CODING, POST "Transfer-Encoding: chunked\r\n"
                          "Transfer-Encoding: identity\r\n" END),
    BAD(H1_E_CODING,
        "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n" END),
    BAD(H1_E_MIMIC, POST "Content_Length: 1\r\n" END),
    BAD(H1_E_MIMIC, POST "content_length: 1\r\nContent-Length: 1\r\n" END),
    BAD(H1_E_MIMIC, POST "TRANSFER_ENCODING: chunked\r\n" END),

    /* Connection */
    BAD(H1_E_CONNECTION, POST "Connection: content-length\r\n" END),
    BAD(H1_E_CONNECTION, GET "Connection: close, Host\r\n" END),
    BAD(H1_E_CONNECTION, GET "Connection: Transfer-Encoding\r\n" END),
    BAD(H1_E_CONNECTION, GET "Connection: keep alive\r\n" END),
    BAD(H1_E_CONNECTION, GET "Connection: a;b\r\n" END),
    BAD(H1_E_CONNECTION, GET "Connection: a\r\nConnection: host\r\n" END),
    BAD(H1_E_CONNECTION, GET "Connection: 1,2,3,4,5,6,7,8,9,a,b,c,d,e,f,g,h,"
                             "i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z\r\n" END),
    BAD(H1_E_CONNECTION, GET "Connection: ,,,,,,,,,,,,,,,, , , , , , ,\r\n"
                             "Connection: ,,,,,,,,,,,,,,,,,,,close\r\n" END),
    BAD(H1_E_CONNECT_BODY, "CONNECT a.example:443 HTTP/1.1\r\n"
                           "Host: a.example:443\r\n"
                           "Content-Length: 1\r\n\r\n"),
    BAD(H1_E_CONNECT_BODY, "CONNECT a.example:443 HTTP/1.1\r\n"
                           "Host: a.example:443\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n"),
};

static void
test_requests_that_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(bad_requests); i++) {
        const struct refusal *b = &bad_requests[i];
        struct head h;
        enum h1_error_kind kind = request(str_n(b->in, b->n), &h);
        if (kind != b->kind) {
            fail_msg("%d, not %d, of \"%s\"", kind, b->kind, b->in);
        }
    }
}

static void
test_every_kind_has_a_status(void **state)
{
    static const struct {
        enum h1_error_kind kind;
        unsigned status;
    } special[] = {
        { H1_E_HEAD_SIZE, 431 },
        { H1_E_FIELD_COUNT, 431 },
        { H1_E_TARGET_SIZE, 414 },
        { H1_E_METHOD_SIZE, 501 },
        { H1_E_VERSION, 505 },
        { H1_E_STATUS, 502 },
    };
    (void)state;
    for (unsigned kind = 1; kind < H1_E_COUNT; kind++) {
        struct h1_error err;
        unsigned want = 400;
        for (size_t i = 0; i < LEN(special); i++) {
            want = special[i].kind == kind ? special[i].status : want;
        }
        assert_int_equal(h1_refuse(&err, (enum h1_error_kind)kind), -1);
        assert_int_equal(err.status, want);
        assert_int_equal(err.kind, kind);
        assert_non_null(err.text);
    }
}

/* No byte but the allowed stands in a name, a value, a target or a method. */
static void
test_every_byte_at_every_place(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        char byte[2] = { (char)c, 0 };
        bool is_token = field_name_is_valid(str_n(byte, 1));
        bool is_text = field_value_is_valid(str_n(byte, 1));
        char text[128];
        struct head h;
        struct str s;
        s.p = text;
        s.n = (size_t)snprintf(text, sizeof text, GET "xA@b: c\r\n\r\n");
        *strchr(text, '@') = byte[0];
        bool ok = request(s, &h) == H1_E_NONE;
        assert_int_equal(ok, is_token || c == ':');
        s.n = (size_t)snprintf(text, sizeof text, GET "A: b@c\r\n\r\n");
        *strchr(text, '@') = byte[0];
        ok = request(s, &h) == H1_E_NONE;
        assert_int_equal(ok, is_text);
        s.n = (size_t)snprintf(
            text, sizeof text, "GET /a@b HTTP/1.1\r\n" HOST END);
        *strchr(text, '@') = byte[0];
        ok = request(s, &h) == H1_E_NONE;
        assert_int_equal(ok, c > 0x20 && c < 0x7f && c != '#');
        s.n =
            (size_t)snprintf(text, sizeof text, "X@Y / HTTP/1.1\r\n" HOST END);
        *strchr(text, '@') = byte[0];
        ok = request(s, &h) == H1_E_NONE;
        assert_int_equal(ok, is_token);
    }
}

#define OK "HTTP/1.1 200 OK\r\n"

static const struct refusal bad_responses[] = {
    BAD(H1_E_CONTROL, "HTTP/1.1 200 OK\nA: b\r\n\r\n"),
    BAD(H1_E_CONTROL, "HTTP/1.1 200 O\rK\r\n\r\n"),
    BAD(H1_E_CONTROL, "HTTP/1.1 200 O\0K\r\n\r\n"),
    BAD(H1_E_CONTROL, OK "A: b\x1b\r\n\r\n"),
    BAD(H1_E_CONTROL, OK "A: b\rSet-Cookie: c\r\n\r\n"),
    BAD(H1_E_CONTROL, OK "\n\r\n"),
    BAD(H1_E_BLANK_LINE, "\r\nHTTP/1.1 200 OK\r\n\r\n"),
    BAD(H1_E_START_LINE, "http/1.1 200 OK\r\n\r\n"),
    BAD(H1_E_START_LINE, "HTTP/1.1200 OK\r\n\r\n"),
    BAD(H1_E_START_LINE, "HTTP/1.1\r\n\r\n"),
    BAD(H1_E_START_LINE, " HTTP/1.1 200 OK\r\n\r\n"),
    BAD(H1_E_START_LINE, "ICY 200 OK\r\n\r\n"),
    BAD(H1_E_START_LINE, "OK\r\n\r\n"),
    BAD(H1_E_START_LINE, "HTTP/1.1\t200 OK\r\n\r\n"),
    BAD(H1_E_VERSION, "HTTP/2.0 200 OK\r\n\r\n"),
    BAD(H1_E_VERSION, "HTTP/1.2 200 OK\r\n\r\n"),
    BAD(H1_E_STATUS, "HTTP/1.1 \r\n\r\n"),
    BAD(H1_E_STATUS, "HTTP/1.1 20\r\n\r\n"),
    BAD(H1_E_STATUS, "HTTP/1.1 2000 OK\r\n\r\n"),
    BAD(H1_E_STATUS, "HTTP/1.1  200 OK\r\n\r\n"),
    BAD(H1_E_STATUS, "HTTP/1.1 2x0 OK\r\n\r\n"),
    BAD(H1_E_STATUS, "HTTP/1.1 +20 OK\r\n\r\n"),
    BAD(H1_E_STATUS, "HTTP/1.1 099 OK\r\n\r\n"),
    BAD(H1_E_STATUS, "HTTP/1.1 200OK\r\n\r\n"),
    BAD(H1_E_STATUS, "HTTP/1.1 200\tOK\r\n\r\n"),
    BAD(H1_E_FOLD, OK " A: b\r\n\r\n"),
    BAD(H1_E_FOLD, OK "Content-Length: 1\r\n 2\r\n\r\n"),
    BAD(H1_E_FOLD, OK "Transfer-Encoding:\r\n chunked\r\n\r\n"),
    BAD(H1_E_FOLD, OK "Content-Encoding: gzip,\r\n\tbr\r\n\r\n"),
    BAD(H1_E_FOLD, OK "Connection: a,\r\n close\r\n\r\n"),
    BAD(H1_E_CONTROL, OK "A: b\r\n \x01\r\n\r\n"),
    BAD(H1_E_FIELD_NAME, OK "A b: c\r\n\r\n"),
    BAD(H1_E_FIELD_NAME, OK "A \r\n: b\r\n\r\n"),
    BAD(H1_E_FIELD_NAME, OK ": b\r\n\r\n"),
    BAD(H1_E_FIELD_NAME, OK "A\r\n\r\n"),
    BAD(H1_E_LENGTH, OK "Content-Length: a\r\n\r\n"),
    BAD(H1_E_LENGTH, OK "Content-Length:\r\n\r\n"),
    BAD(H1_E_LENGTH, OK "Content-Length: 1,\r\n\r\n"),
    BAD(H1_E_LENGTH, OK "Content-Length: 1 1\r\n\r\n"),
    BAD(H1_E_LENGTH, OK "Content-Length: 0x1\r\n\r\n"),
    BAD(H1_E_LENGTH, OK "Content-Length: +1\r\n\r\n"),
    BAD(H1_E_LENGTH, OK "Content-Length: 9223372036854775808\r\n\r\n"),
    BAD(H1_E_LENGTH, "HTTP/1.1 204 N\r\nContent-Length: -1\r\n\r\n"),
    BAD(H1_E_LENGTH_TWICE, OK "Content-Length: 1, 2\r\n\r\n"),
    BAD(H1_E_LENGTH_TWICE,
        OK "Content-Length: 1\r\nContent-Length: 10\r\n\r\n"),
    BAD(H1_E_LENGTH_TWICE, "HTTP/1.1 304 N\r\nContent-Length: 1, 2\r\n\r\n"),
    BAD(H1_E_LENGTH_AND_CODING,
        OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD(H1_E_CODING, OK "Transfer-Encoding: gzip\r\n\r\n"),
    BAD(H1_E_CODING, OK "Transfer-Encoding: gzip, chunked\r\n\r\n"),
    BAD(H1_E_CODING, OK "Transfer-Encoding: chunked\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n"),
    BAD(H1_E_CODING, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD(H1_E_CODING, OK "Transfer-Encoding: identity, chunked\r\n\r\n"),
    BAD(H1_E_CODING, OK "Transfer-Encoding: identity\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n"),
    BAD(H1_E_CONNECTION, OK "Connection: 1,2,3,4,5,6,7,8,9,a,b,c,d,e,f,g,h,"
                            "i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x\r\n\r\n"),
};

static void
test_responses_that_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(bad_responses); i++) {
        const struct refusal *b = &bad_responses[i];
        struct head h;
        enum h1_error_kind kind = response(str_n(b->in, b->n), METHOD_GET, &h);
        if (kind != b->kind) {
            fail_msg("%d, not %d, of \"%s\"", kind, b->kind, b->in);
        }
    }
}

/* `before`, `n` times `c`, `after`. */
static struct str
padded(const char *before, char c, size_t n, const char *after)
{
    size_t a = strlen(before), b = strlen(after);
    char *p = arena_alloc(arena, a + n + b);
    memcpy(p, before, a);
    memset(p + a, c, n);
    memcpy(p + a + n, after, b);
    return str_n(p, a + n + b);
}

static void
test_targets_have_a_limit(void **state)
{
    (void)state;
    struct head h;
    const char *rest = " HTTP/1.1\r\n" HOST END;
    struct str most = padded("GET /", 'a', H1_TARGET_MAX - 1, rest);
    struct str more = padded("GET /", 'a', H1_TARGET_MAX, rest);
    assert_int_equal(request(most, &h), H1_E_NONE);
    assert_int_equal(request(more, &h), H1_E_TARGET_SIZE);
}

static void
test_heads_have_a_limit(void **state)
{
    (void)state;
    struct head h;
    size_t fixed = strlen(GET "A: \r\n\r\n");
    struct str s =
        padded(GET "A: ", 'a', H1_REQUEST_HEAD_MAX - fixed, "\r\n\r\n");
    assert_int_equal(s.n, H1_REQUEST_HEAD_MAX);
    assert_int_equal(request(s, &h), H1_E_NONE);
    s = padded(GET "A: ", 'a', H1_REQUEST_HEAD_MAX - fixed + 1, "\r\n\r\n");
    assert_int_equal(request(s, &h), H1_E_HEAD_SIZE);
    fixed = strlen(OK "A: \r\n\r\n");
    s = padded(OK "A: ", 'a', H1_RESPONSE_HEAD_MAX - fixed, "\r\n\r\n");
    assert_int_equal(response(s, METHOD_GET, &h), H1_E_NONE);
    s = padded(OK "A: ", 'a', H1_RESPONSE_HEAD_MAX - fixed + 1, "\r\n\r\n");
    assert_int_equal(response(s, METHOD_GET, &h), H1_E_HEAD_SIZE);
}

/* `start` and `n` fields. */
static struct str
with_fields(const char *start, unsigned n)
{
    size_t at = strlen(start);
    char *p = arena_alloc(arena, at + n * 6 + 2);
    memcpy(p, start, at);
    for (unsigned i = 0; i < n; i++) {
        memcpy(p + at, "A: b\r\n", 6);
        at += 6;
    }
    memcpy(p + at, "\r\n", 2);
    return str_n(p, at + 2);
}

static void
test_fields_have_a_limit(void **state)
{
    (void)state;
    struct head h;
    unsigned max = H1_REQUEST_FIELDS_MAX;
    assert_int_equal(request(with_fields(GET, max - 1), &h), H1_E_NONE);
    assert_int_equal(h.n, max);
    assert_int_equal(request(with_fields(GET, max), &h), H1_E_FIELD_COUNT);
    max = H1_RESPONSE_FIELDS_MAX;
    assert_int_equal(response(with_fields(OK, max), METHOD_GET, &h), H1_E_NONE);
    assert_int_equal(
        response(with_fields(OK, max + 1), METHOD_GET, &h), H1_E_FIELD_COUNT);
}

static void
test_a_head_that_does_not_end(void **state)
{
    (void)state;
    struct h1_error err;
    h1_head_overflow(STR("GET /aaaaaaaaaaaaaa"), &err);
    assert_int_equal(err.status, 414);
    h1_head_overflow(STR("GET / HTTP/1.1\r\nA: aaaaaaaa"), &err);
    assert_int_equal(err.status, 431);
}

/* Bytes that can only be wrong are refused before the head is whole. */
static void
test_controls_are_refused_early(void **state)
{
    static const struct refusal early[] = {
        BAD(H1_E_CONTROL, "\x16\x03\x01"),
        BAD(H1_E_CONTROL, "GET / HTTP/1.1\n"),
        BAD(H1_E_CONTROL, "GET / HTTP/1.1\rx"),
        BAD(H1_E_CONTROL, "GET / HTTP/1.1\r\r"),
        BAD(H1_E_CONTROL, GET "A: \0"),
        BAD(H1_E_CONTROL, GET "A: b\x7f"),
        BAD(H1_E_CONTROL, "GET /\x01 HTTP/1.1\r\nHost"),
        BAD(H1_E_BLANK_LINE, "\r\n"),
    };
    (void)state;
    for (size_t i = 0; i < LEN(early); i++) {
        struct str s = str_n(early[i].in, early[i].n);
        struct h1_error err;
        size_t scanned = 0, n = 0;
        enum h1_result r = H1_MORE;
        assert_int_equal(h1_head_end(s, &scanned, &n, &err), H1_BAD);
        assert_int_equal(err.kind, early[i].kind);
        scanned = 0;
        for (size_t k = 1; k <= s.n && r == H1_MORE; k++) {
            r = h1_head_end(str_n(s.p, k), &scanned, &n, &err);
        }
        assert_int_equal(r, H1_BAD);
        assert_int_equal(err.kind, early[i].kind);
    }
}

/* What h1_head_end() would not hand over is refused all the same. */
static void
test_parsers_stand_alone(void **state)
{
    static const char *const cases[] = {
        "",
        "\r\n",
        "\r\n\r\n",
        "G",
        "GET / HTTP/1.1",
        GET,
        GET "A: b",
        GET END "A: b" END END,
        GET END END,
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct h1_error err;
        struct head h;
        head_init(&h, arena);
        assert_int_equal(h1_parse_request(str_of(cases[i]), 80, &h, &err), -1);
        head_init(&h, arena);
        assert_int_equal(
            h1_parse_response(str_of(cases[i]), METHOD_GET, &h, &err), -1);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_that_are_refused),
        cmocka_unit_test(test_every_kind_has_a_status),
        cmocka_unit_test(test_every_byte_at_every_place),
        cmocka_unit_test(test_responses_that_are_refused),
        cmocka_unit_test(test_targets_have_a_limit),
        cmocka_unit_test(test_heads_have_a_limit),
        cmocka_unit_test(test_fields_have_a_limit),
        cmocka_unit_test(test_a_head_that_does_not_end),
        cmocka_unit_test(test_controls_are_refused_early),
        cmocka_unit_test(test_parsers_stand_alone),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
