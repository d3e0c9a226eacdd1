/*
 * What origins send that is against the letter and has one meaning left: read
 * as clients read it, and not in a request.
 */

#include "http/h1_body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define OK "HTTP/1.1 200 OK\r\n"

static struct arena *arena;

static int
setup(void **state)
{
    (void)state;
    arena = arena_new(4096);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

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
        assert_int_equal(h1_head_end(in, &scanned, &n, &err), H1_OK);
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
            heads_with_one_meaning, setup, teardown),
        cmocka_unit_test_setup_teardown(
            chunk_lines_with_one_meaning, setup, teardown),
        cmocka_unit_test_setup_teardown(
            what_says_nothing_has_a_bound, setup, teardown),
    };
    return cmocka_run_group_tests_name("h1_response", tests, NULL, NULL);
}
