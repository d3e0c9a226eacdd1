/*
 * What origins send that is against the letter and has one meaning left: read
 * as clients read it, and not in a request.
 */

#include "http/h1_body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arena_fixture.h"

#define OK "HTTP/1.1 200 OK\r\n"

/* What leaves of it: its fields in one string. */
static struct str
fields_of(struct head *h)
{
    struct str all = STR("");
    head_remove_hop_by_hop(h);
    for (unsigned i = 0; i < h->n; i++) {
        all = arena_printf(arena, "%.*s%.*s: %.*s\n", STR_ARG(all),
            STR_ARG(h->fields[i].name), STR_ARG(h->fields[i].value));
    }
    return all;
}

static const struct {
    const char *in, *fields;
    enum body_kind body;
    uint64_t length;
    bool keep_alive;
} heads[] = {
    /* Connection names what is the hop's, or what is for all, or nothing. */
    { OK "Connection: keep-alive\r\nConnection: Transfer-Encoding\r\n"
         "Transfer-Encoding: chunked\r\n\r\n",
        "", BODY_CHUNKED, 0, true },
    { OK "Connection: Content-Length, Content-Encoding, X\r\nX: y\r\n"
         "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n",
        "Content-Encoding: gzip\nContent-Length: 5\n", BODY_LENGTH, 5, true },
    { OK "Connection: Keep-Alive; timeout=5\r\nContent-Length: 5\r\n\r\n",
        "Content-Length: 5\n", BODY_LENGTH, 5, true },
    { OK "Connection: \"a b\", close\r\nContent-Length: 5\r\n\r\n",
        "Content-Length: 5\n", BODY_LENGTH, 5, false },
    { "HTTP/1.0 200 OK\r\nConnection: keep-alive; x\r\n"
      "Content-Length: 5\r\n\r\n",
        "Content-Length: 5\n", BODY_LENGTH, 5, false },
    /* Blanks before a colon. */
    { OK "Content-Length : 5\r\nX \t :y\r\n\r\n", "Content-Length: 5\nX: y\n",
        BODY_LENGTH, 5, true },
    { OK "Transfer-Encoding : chunked\r\n\r\n", "", BODY_CHUNKED, 0, true },
    /* Lengths that are one. */
    { OK "Content-Length: 5, 5\r\n\r\n", "Content-Length: 5\n", BODY_LENGTH, 5,
        true },
    { OK "Content-Length: 5\r\nX: y\r\ncontent-length: 05\r\n\r\n",
        "X: y\nContent-Length: 5\n", BODY_LENGTH, 5, true },
    { OK "Content-Length: 0000000000000000000000005\r\n\r\n",
        "Content-Length: 5\n", BODY_LENGTH, 5, true },
    { OK "Content-Length: 000\r\n\r\n", "Content-Length: 0\n", BODY_LENGTH, 0,
        true },
    { "HTTP/1.1 304 N\r\nContent-Length: 7,7\r\n\r\n", "Content-Length: 7\n",
        BODY_NONE, 7, true },
    /* A coding that is none. */
    { OK "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n",
        "Content-Length: 5\n", BODY_LENGTH, 5, true },
    { OK "Transfer-Encoding: Identity\r\n\r\n", "", BODY_UNTIL_CLOSE, 0,
        false },
    /* Lines that go on. */
    { OK "A: b\r\n  c \r\n\td\r\nB:\r\n e\r\nC: f\r\n \r\n"
         "Content-Length: 0\r\n\r\n",
        "A: b c d\nB: e\nC: f\nContent-Length: 0\n", BODY_LENGTH, 0, true },
    /* Lines that end in LF, all or from one on. */
    { "HTTP/1.1 200 OK\nA: b\nContent-Length: 5\n\n",
        "A: b\nContent-Length: 5\n", BODY_LENGTH, 5, true },
    { OK "A: b\nContent-Length: 5\n\n", "A: b\nContent-Length: 5\n",
        BODY_LENGTH, 5, true },
    { OK "Content-Length: 5\r\n\n", "Content-Length: 5\n", BODY_LENGTH, 5,
        true },
    { OK "A: b\r\n c\n d\nContent-Length: 5\n\n",
        "A: b c d\nContent-Length: 5\n", BODY_LENGTH, 5, true },
    { "HTTP/1.1 200\nA:\nB: c\n d\n\te\n\n", "A: \nB: c d e\n",
        BODY_UNTIL_CLOSE, 0, false },
    { "HTTP/1.0 200 OK\n\n", "", BODY_UNTIL_CLOSE, 0, false },
    { "HTTP/1.1 204 \n\n", "", BODY_NONE, 0, true },
};

static void
heads_with_one_meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(heads); i++) {
        struct str in = str_of(heads[i].in), fields;
        struct h1_error err = { 0 };
        size_t scanned = 0, n;
        struct head h;
        head_init(&h, arena);
        for (size_t cut = 0; cut < in.n; cut++) {
            assert_int_equal(
                h1_response_end(str_n(in.p, cut), &scanned, &n, &err), H1_MORE);
        }
        assert_int_equal(h1_response_end(in, &scanned, &n, &err), H1_OK);
        assert_int_equal(n, in.n);
        if (h1_parse_response(in, METHOD_GET, &h, &err) != 0) {
            fail_msg("%s: %s", err.text, heads[i].in);
        }
        assert_int_equal(h.body, heads[i].body);
        assert_int_equal(h.length, heads[i].length);
        assert_int_equal(h.keep_alive, heads[i].keep_alive);
        fields = fields_of(&h);
        if (!str_eq(fields, str_of(heads[i].fields))) {
            fail_msg("%s became %.*s", heads[i].in, STR_ARG(fields));
        }
    }
}

/* What is none of them, or ends its lines in CRLF behind a bare LF; in the
 * order in which a connection does it. */
static void
heads_with_two_meanings(void **state)
{
    static const struct {
        enum h1_error_kind kind;
        struct str in;
    } bad[] = {
        { H1_E_CONTROL, STR_INIT("HTTP/1.1 200 OK\nA: b\r\n\r\n") },
        { H1_E_CONTROL, STR_INIT("HTTP/1.1 200 OK\nA: b\r\n\n") },
        { H1_E_CONTROL, STR_INIT(OK "A: b\n\r\n") },
        { H1_E_CONTROL, STR_INIT(OK "A: b\n\r\nC: d\r\n\r\n") },
        { H1_E_CONTROL, STR_INIT(OK "A: b\nC: d\r\n\r\n") },
        { H1_E_CONTROL, STR_INIT(OK "A: b\nC: d\r\nE: f\n\n") },
        { H1_E_CONTROL, STR_INIT(OK "A: b\n c\r\n\r\n") },
        { H1_E_CONTROL, STR_INIT(OK "A: b\r\n c\n d\r\n\r\n") },
        { H1_E_CONTROL, STR_INIT("HTTP/1.1 200 OK\n\r\n") },
        { H1_E_CONTROL, STR_INIT("HTTP/1.1 200 OK\nA: b\rc\n\n") },
        { H1_E_CONTROL, STR_INIT("HTTP/1.1 200 OK\nA: b\r\r\n\n") },
        { H1_E_CONTROL, STR_INIT("HTTP/1.1 200 OK\n\rA: b\n\n") },
        { H1_E_CONTROL, STR_INIT("HTTP/1.1 200 OK\nA: \0\n\n") },
        { H1_E_CONTROL, STR_INIT("HTTP/1.1 200 OK\nA\v: b\n\n") },
        { H1_E_BLANK_LINE, STR_INIT("\nHTTP/1.1 200 OK\n\n") },
        { H1_E_BLANK_LINE, STR_INIT("\n\n") },
        { H1_E_START_LINE, STR_INIT("HTTP/1.1\n\n") },
        { H1_E_STATUS, STR_INIT("HTTP/1.1 20\n\n") },
        { H1_E_FOLD, STR_INIT("HTTP/1.1 200 OK\n A: b\n\n") },
        { H1_E_FOLD, STR_INIT("HTTP/1.1 200 OK\nContent-Length: 1\n 2\n\n") },
        { H1_E_FIELD_NAME, STR_INIT("HTTP/1.1 200 OK\nA\n\n") },
        { H1_E_LENGTH_TWICE,
            STR_INIT(OK "Content-Length: 1\nContent-Length: 2\n\n") },
    };
    (void)state;
    for (size_t i = 0; i < LEN(bad); i++) {
        struct h1_error err = { 0 };
        size_t scanned = 0, n = 0;
        struct head h;
        head_init(&h, arena);
        enum h1_result r = h1_response_end(bad[i].in, &scanned, &n, &err);
        assert_int_not_equal(r, H1_MORE);
        if (r == H1_OK) {
            struct str head = str_n(bad[i].in.p, n);
            assert_int_equal(h1_parse_response(head, METHOD_GET, &h, &err), -1);
        }
        if (err.kind != bad[i].kind) {
            fail_msg("%d, not %d, of %.*s", err.kind, bad[i].kind,
                STR_ARG(bad[i].in));
        }
    }
}

/* What h1_response_end() would not hand over. */
static void
what_is_no_whole_head(void **state)
{
    static const char *const cases[] = { "\n", "\n\n", "\n\r\n",
        "HTTP/1.1 200 OK\n", "HTTP/1.1 200 OK\n\n\n", "HTTP/1.1 200\r",
        "HTTP/1.1\n\n", "HTTP\n\n", "HTTP/1.1 200\n\n\r\n\r\n" };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct h1_error err;
        struct head h;
        head_init(&h, arena);
        assert_int_equal(
            h1_parse_response(str_of(cases[i]), METHOD_GET, &h, &err), -1);
    }
}

static void
control_bytes_are_refused_early(void **state)
{
    static const struct str early[] = {
        STR_INIT("HTTP/1.1 200 OK\nA: b\rc"),
        STR_INIT("HTTP/1.1 200 OK\n\r\r"),
        STR_INIT("HTTP/1.1 200 OK\r\nA: b\n\0"),
        STR_INIT("\x16\x03\x01"),
        STR_INIT("\n"),
        STR_INIT("\r\n"),
    };
    (void)state;
    for (size_t i = 0; i < LEN(early); i++) {
        struct h1_error err;
        size_t scanned = 0, n = 0;
        enum h1_result r = H1_MORE;
        for (size_t k = 1; k <= early[i].n && r == H1_MORE; k++) {
            r = h1_response_end(str_n(early[i].p, k), &scanned, &n, &err);
        }
        assert_int_equal(r, H1_BAD);
        scanned = 0;
        assert_int_equal(h1_response_end(early[i], &scanned, &n, &err), H1_BAD);
    }
}

/* `n` times `c` between. */
static struct str
padded(const char *before, char c, size_t n, const char *after)
{
    char *p = arena_alloc(arena, n + 1);
    memset(p, c, n);
    p[n] = '\0';
    return arena_printf(arena, "%s%s%s", before, p, after);
}

/* Of a chunked body by itself, cut at each byte; NULL: refused. */
static void
assert_reads(enum h1_from from, struct str in, const char *want)
{
    for (size_t cut = 0; cut <= in.n && cut < 64; cut++) {
        struct h1_body b = { 0 };
        struct bufq out;
        char got[64];
        size_t used;
        bufq_init(&out, sizeof got);
        h1_body_init(&b, from, BODY_CHUNKED, 0);
        enum h1_result r = h1_body_decode(&b, str_n(in.p, cut), &used, &out);
        if (r == H1_MORE) {
            r = h1_body_decode(&b, str_skip(in, cut), &used, &out);
        }
        if ((r == H1_OK) != (want != NULL)) {
            fail_msg("%.*s: %s", STR_ARG(in), b.why != NULL ? b.why : "taken");
        }
        size_t n = bufq_copy(&out, got, sizeof got);
        assert_true(want == NULL || str_eq(str_n(got, n), str_of(want)));
        h1_body_fini(&b);
        bufq_fini(&out);
    }
}

static void
chunk_lines_with_one_meaning(void **state)
{
    static const char *const good[] = {
        "5 ;a=b\r\nhello\r\n0\r\n\r\n",
        "5   \r\nhello\r\n0  \r\n\r\n",
        "5\t \t;a\r\nhello\r\n0\t\r\n\r\n",
        "00000000000000000000000005\r\nhello\r\n0000000000000000000\r\n\r\n",
        "5\r\nhello\r\n0\r\nX : y\r\n\r\n",
        "5\nhello\n0\n\n",
        "2 \nhe\n03\t\nllo\n0\nX: y\nZ:\n\n",
    };
    static const char *const bad[] = {
        "5 5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 x\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        ";a\r\nhello\r\n0\r\n\r\n",
        "5\v\r\nhello\r\n0\r\n\r\n",
        "5 \nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "00080000000000000000\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nContent-Length : 5\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n",
        /* Lines that do not end alike, or an extension that may not end. */
        "5\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\r\n\r\n",
        "5\nhello\n0\n\r\n",
        "5\nhello\n0\nX: y\r\n\n",
        "5\r\nhello\n0\n\n",
        "5\r\nhello\r\n0\n\n",
        "5\r\nhello\r\n0\r\n\n",
        "5\r\nhello\r\n0\r\nX: y\n\r\n",
        "5;a\nhello\n0\n\n",
        "5;\nhello\n0\n\n",
        "5\nhello\n0;a\n\n",
        "5\nhello\n0;a\r\n\n",
        "5\nhello\n\n0\n\n",
        "5\nhello0\n\n",
        "5\nhello\r0\n\n",
        "\n5\nhello\n0\n\n",
        "5\nhello\n0\nX: y\rZ: a\n\n",
        "5\nhello\n0\n z\n\n",
        "5\nhello\n0\nContent-Length: 5\n\n",
    };
    (void)state;
    for (size_t i = 0; i < LEN(good); i++) {
        assert_reads(H1_RESPONSE, str_of(good[i]), "hello");
        if (i != 3) { /* that is more than the digits that a request may have */
            assert_reads(H1_REQUEST, str_of(good[i]), NULL);
        }
    }
    for (size_t i = 0; i < LEN(bad); i++) {
        assert_reads(H1_RESPONSE, str_of(bad[i]), NULL);
        assert_reads(H1_REQUEST, str_of(bad[i]), NULL);
    }
}

static void
what_says_nothing_has_a_bound(void **state)
{
    static const struct {
        const char *before, *after;
        char c;
    } kinds[] = {
        { "5;", "\r\nhello\r\n0\r\n\r\n", 'a' },
        { "5 ", "\r\nhello\r\n0\r\n\r\n", ' ' },
        { "00", "5\r\nhello\r\n0\r\n\r\n", '0' },
    };
    (void)state;
    for (size_t i = 0; i < LEN(kinds); i++) {
        size_t most = H1_CHUNK_ODD_MAX - i; /* some stand beside */
        assert_reads(H1_RESPONSE,
            padded(kinds[i].before, kinds[i].c, most, kinds[i].after), "hello");
        assert_reads(H1_RESPONSE,
            padded(kinds[i].before, kinds[i].c, most + 1, kinds[i].after),
            NULL);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            heads_with_one_meaning, arena_set_up, arena_tear_down),
        cmocka_unit_test_setup_teardown(
            heads_with_two_meanings, arena_set_up, arena_tear_down),
        cmocka_unit_test_setup_teardown(
            what_is_no_whole_head, arena_set_up, arena_tear_down),
        cmocka_unit_test_setup_teardown(
            control_bytes_are_refused_early, arena_set_up, arena_tear_down),
        cmocka_unit_test_setup_teardown(
            chunk_lines_with_one_meaning, arena_set_up, arena_tear_down),
        cmocka_unit_test_setup_teardown(
            what_says_nothing_has_a_bound, arena_set_up, arena_tear_down),
    };
    return cmocka_run_group_tests_name("h1_response", tests, NULL, NULL);
}
