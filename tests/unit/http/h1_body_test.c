/* Bodies: the same result however the input is cut; every bad framing. */

#include "http/h1_body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define OUT_MAX 65536

/* A body decoded from pieces. */
struct run {
    struct h1_body body;
    struct bufq out;
    enum h1_result result;
    size_t used;
};

static void
run_begin(struct run *r, enum body_kind kind, uint64_t length, size_t limit)
{
    *r = (struct run){ .result = H1_MORE };
    h1_body_init(&r->body, H1_REQUEST, kind, length);
    bufq_init(&r->out, limit);
}

static void
run_feed(struct run *r, struct str piece)
{
    size_t used = 0;
    r->result = h1_body_decode(&r->body, piece, &used, &r->out);
    assert_true(used <= piece.n);
    r->used += used;
    if (r->result == H1_MORE) {
        assert_int_equal(used, piece.n);
    }
}

static void
run_end(struct run *r)
{
    h1_body_fini(&r->body);
    bufq_fini(&r->out);
    bufq_trim();
}

static void
assert_out(const struct run *r, const char *want)
{
    char text[1024];
    assert_int_equal(r->out.len, strlen(want));
    bufq_copy(&r->out, text, sizeof text);
    assert_memory_equal(text, want, r->out.len);
}

static const char chunked[] = "5\r\nhello\r\n"
                              "1;a=b;c=\"d\"\r\n,\r\n"
                              "00006;\t x\r\n world\r\n"
                              "1\r\n\n\r\n"
                              "000\r\n"
                              "X-Sum: 1\r\n"
                              "x-two:\t2 \r\n"
                              "\r\n";

static void
check_trailers(struct run *r)
{
    struct arena *a = arena_new(4096);
    struct head h;
    head_init(&h, a);
    h1_body_trailers(&r->body, &h);
    assert_int_equal(h.n_trailers, 2);
    assert_true(str_eq(h.trailers[0].name, STR("X-Sum")));
    assert_true(str_eq(h.trailers[1].value, STR("2")));
    h1_body_trailers(&r->body, &h);
    assert_int_equal(h.n_trailers, 2);
    arena_free(a);
}

static void
test_any_split_of_a_chunked_body(void **state)
{
    (void)state;
    struct str all = str_n(chunked, sizeof chunked - 1);
    for (size_t i = 0; i <= all.n; i++) {
        for (size_t j = i; j <= all.n; j++) {
            struct run r;
            run_begin(&r, BODY_CHUNKED, 0, OUT_MAX);
            run_feed(&r, str_n(all.p, i));
            run_feed(&r, str_n(all.p + i, j - i));
            run_feed(&r, str_n(all.p + j, all.n - j));
            assert_int_equal(r.result, H1_OK);
            assert_int_equal(r.used, all.n);
            assert_true(h1_body_is_done(&r.body));
            assert_out(&r, "hello, world\n");
            assert_int_equal(r.body.total, 13);
            check_trailers(&r);
            run_end(&r);
        }
    }
}

static void
test_a_chunked_body_byte_by_byte(void **state)
{
    (void)state;
    struct run r;
    run_begin(&r, BODY_CHUNKED, 0, OUT_MAX);
    for (size_t i = 0; i + 1 < sizeof chunked; i++) {
        assert_false(h1_body_is_done(&r.body));
        assert_false(h1_body_eof(&r.body));
        run_feed(&r, str_n(chunked + i, 1));
    }
    assert_int_equal(r.result, H1_OK);
    assert_out(&r, "hello, world\n");
    check_trailers(&r);
    assert_true(h1_body_eof(&r.body));
    run_end(&r);
}

static void
test_what_follows_a_body_is_not_its_own(void **state)
{
    static const struct {
        enum body_kind kind;
        uint64_t length;
        const char *in;
        size_t used;
    } cases[] = {
        { BODY_CHUNKED, 0, "1\r\na\r\n0\r\n\r\nGET", 11 },
        { BODY_LENGTH, 3, "abcGET", 3 },
        { BODY_LENGTH, 0, "GET", 0 },
        { BODY_NONE, 0, "GET", 0 },
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct run r;
        run_begin(&r, cases[i].kind, cases[i].length, OUT_MAX);
        run_feed(&r, str_of(cases[i].in));
        assert_int_equal(r.result, H1_OK);
        assert_int_equal(r.used, cases[i].used);
        run_end(&r);
    }
}

static void
test_a_body_until_close(void **state)
{
    (void)state;
    struct run r;
    run_begin(&r, BODY_UNTIL_CLOSE, 0, OUT_MAX);
    run_feed(&r, STR("abc"));
    assert_int_equal(r.result, H1_MORE);
    assert_true(h1_body_direct(&r.body) == SIZE_MAX);
    assert_false(h1_body_is_done(&r.body));
    assert_true(h1_body_eof(&r.body));
    assert_true(h1_body_is_done(&r.body));
    assert_out(&r, "abc");
    run_end(&r);
}

static void
test_an_early_end_is_no_end(void **state)
{
    (void)state;
    struct run r;
    run_begin(&r, BODY_LENGTH, 4, OUT_MAX);
    run_feed(&r, STR("abc"));
    assert_false(h1_body_eof(&r.body));
    assert_false(h1_body_is_done(&r.body));
    run_end(&r);
    run_begin(&r, BODY_CHUNKED, 0, OUT_MAX);
    run_feed(&r, STR("3\r\nabc\r\n0\r\n"));
    assert_false(h1_body_eof(&r.body));
    run_end(&r);
}

static void
test_backpressure_stops_the_decoder(void **state)
{
    (void)state;
    struct run r;
    struct str in = STR("8\r\nabcdefgh\r\n0\r\n\r\n");
    run_begin(&r, BODY_CHUNKED, 0, 3);
    run_feed(&r, in);
    assert_int_equal(r.result, H1_FULL);
    assert_int_equal(r.used, 6);
    assert_out(&r, "abc");
    run_feed(&r, str_skip(in, r.used));
    assert_int_equal(r.result, H1_FULL);
    assert_int_equal(r.used, 6);
    bufq_consume(&r.out, 3);
    run_feed(&r, str_skip(in, r.used));
    assert_int_equal(r.result, H1_FULL);
    bufq_consume(&r.out, 3);
    run_feed(&r, str_skip(in, r.used));
    assert_int_equal(r.result, H1_OK);
    assert_int_equal(r.used, in.n);
    assert_out(&r, "gh");
    run_end(&r);
}

static void
test_bytes_may_be_read_straight(void **state)
{
    (void)state;
    struct run r;
    run_begin(&r, BODY_LENGTH, 10, OUT_MAX);
    assert_int_equal(h1_body_direct(&r.body), 10);
    h1_body_took(&r.body, 7);
    assert_int_equal(h1_body_direct(&r.body), 3);
    run_feed(&r, STR("abcd"));
    assert_int_equal(r.used, 3);
    assert_int_equal(h1_body_direct(&r.body), 0);
    assert_true(h1_body_is_done(&r.body));
    run_end(&r);

    run_begin(&r, BODY_CHUNKED, 0, OUT_MAX);
    assert_int_equal(h1_body_direct(&r.body), 0);
    run_feed(&r, STR("4000\r\nx"));
    assert_int_equal(h1_body_direct(&r.body), 0x3fff);
    h1_body_took(&r.body, 0x3fff);
    assert_int_equal(h1_body_direct(&r.body), 0);
    run_feed(&r, STR("\r\n10\r\n"));
    assert_int_equal(h1_body_direct(&r.body), 0); /* small: not worth it */
    run_feed(&r, STR("0123456789abcdef\r\n0\r\n\r\n"));
    assert_int_equal(r.result, H1_OK);
    assert_int_equal(r.body.total, 0x4010);
    run_end(&r);
}

static const struct {
    const char *in;
    size_t n;
} bad[] = {
#define BAD(s)                                                                 \
    {                                                                          \
        s, sizeof(s) - 1                                                       \
    }
    BAD("\r\n"),
    BAD("\n"),
    BAD(" 1\r\na\r\n"),
    BAD("1 \r\na\r\n"),
    BAD("1\t\r\na\r\n"),
    BAD("1 ;a\r\na\r\n"),
    BAD("+1\r\na\r\n"),
    BAD("-1\r\na\r\n"),
    BAD("0x1\r\na\r\n"),
    BAD("1x\r\na\r\n"),
    BAD("g\r\n"),
    BAD(";a\r\n"),
    BAD("1\na\n"),
    BAD("1\r\ra\r\n"),
    BAD("1\ra\r\n"),
    BAD("1\0\r\na\r\n"),
    BAD("1;a\na\r\n"),
    BAD("1;a\rb\r\na\r\n"),
    BAD("1;a\0\r\na\r\n"),
    BAD("1;\x7f\r\na\r\n"),
    BAD("1\r\nab\r\n"),
    BAD("1\r\na\n"),
    BAD("1\r\na\r\r\n"),
    BAD("1\r\na0\r\n"),
    BAD("8000000000000000\r\n"),
    BAD("ffffffffffffffff\r\n"),
    BAD("10000000000000000\r\n"),
    BAD("00000000000000001\r\na\r\n"),
    BAD("0\n\n"),
    BAD("0\r\n\n"),
    BAD("0\r\n\ra"),
    BAD("0\r\nA: b\n\r\n"),
    BAD("0\r\nA: b\r\n\n"),
    BAD("0\r\nA: b\r\n c\r\n\r\n"),
    BAD("0\r\nA : b\r\n\r\n"),
    BAD("0\r\n: b\r\n\r\n"),
    BAD("0\r\nA\r\n\r\n"),
    BAD("0\r\nA: \0\r\n\r\n"),
    BAD("0\r\nA: b\rc\r\n\r\n"),
    BAD("0\r\nContent-Length: 1\r\n\r\n"),
    BAD("0\r\ncontent_length: 1\r\n\r\n"),
    BAD("0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD("0\r\nA: b\r\nHost: c\r\n\r\n"),
#undef BAD
};

static void
test_bad_chunks_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(bad); i++) {
        struct run r;
        run_begin(&r, BODY_CHUNKED, 0, OUT_MAX);
        run_feed(&r, str_n(bad[i].in, bad[i].n));
        if (r.result != H1_BAD) {
            fail_msg("%d, not bad: \"%s\"", r.result, bad[i].in);
        }
        assert_true(h1_body_is_bad(&r.body));
        assert_non_null(r.body.why);
        assert_false(h1_body_eof(&r.body));
        run_feed(&r, STR("0\r\n\r\n"));
        assert_int_equal(r.result, H1_BAD);
        run_end(&r);

        run_begin(&r, BODY_CHUNKED, 0, OUT_MAX);
        for (size_t k = 0; k < bad[i].n && r.result == H1_MORE; k++) {
            run_feed(&r, str_n(bad[i].in + k, 1));
        }
        assert_int_equal(r.result, H1_BAD);
        run_end(&r);
    }
}

/* `n` times the same byte. */
static void
feed_many(struct run *r, char c, size_t n)
{
    for (size_t i = 0; i < n && r->result == H1_MORE; i++) {
        run_feed(r, str_n(&c, 1));
    }
}

static void
test_extensions_are_bounded(void **state)
{
    (void)state;
    struct run r;
    run_begin(&r, BODY_CHUNKED, 0, OUT_MAX);
    run_feed(&r, STR("1;"));
    feed_many(&r, 'a', H1_CHUNK_EXT_MAX);
    assert_int_equal(r.result, H1_MORE);
    run_feed(&r, STR("\r\n"));
    assert_int_equal(r.result, H1_MORE);
    run_end(&r);
    run_begin(&r, BODY_CHUNKED, 0, OUT_MAX);
    run_feed(&r, STR("1;"));
    feed_many(&r, 'a', H1_CHUNK_EXT_MAX + 1);
    assert_int_equal(r.result, H1_BAD);
    run_end(&r);
}

/* One-byte chunks with long extensions end; without, they may go on. */
static void
test_framing_may_not_outweigh_data(void **state)
{
    (void)state;
    struct run r;
    char line[256];
    size_t chunks = 0;
    memset(line, 'x', sizeof line);
    memcpy(line, "1;", 2);
    memcpy(line + sizeof line - 5, "\r\na\r\n", 5);
    run_begin(&r, BODY_CHUNKED, 0, OUT_MAX);
    for (; r.result == H1_MORE && chunks < 1000; chunks++) {
        run_feed(&r, str_n(line, sizeof line));
    }
    assert_int_equal(r.result, H1_BAD);
    assert_in_range(chunks, 64, 128);
    run_end(&r);
    run_begin(&r, BODY_CHUNKED, 0, OUT_MAX);
    for (chunks = 0; r.result == H1_MORE && chunks < 10000; chunks++) {
        run_feed(&r, STR("1\r\na\r\n"));
    }
    assert_int_equal(r.result, H1_MORE);
    run_end(&r);
}

static void
test_trailers_are_bounded(void **state)
{
    (void)state;
    struct run r;
    run_begin(&r, BODY_CHUNKED, 0, OUT_MAX);
    run_feed(&r, STR("0\r\nA: "));
    feed_many(&r, 'a', H1_TRAILERS_MAX);
    assert_int_equal(r.result, H1_BAD);
    run_end(&r);
    run_begin(&r, BODY_CHUNKED, 0, OUT_MAX);
    run_feed(&r, STR("0\r\n"));
    for (unsigned i = 0; i < H1_TRAILER_FIELDS_MAX; i++) {
        run_feed(&r, STR("A: b\r\n"));
    }
    run_feed(&r, STR("\r\n"));
    assert_int_equal(r.result, H1_OK);
    run_end(&r);
    run_begin(&r, BODY_CHUNKED, 0, OUT_MAX);
    run_feed(&r, STR("0\r\n"));
    for (unsigned i = 0; i <= H1_TRAILER_FIELDS_MAX; i++) {
        run_feed(&r, STR("A: b\r\n"));
    }
    run_feed(&r, STR("\r\n"));
    assert_int_equal(r.result, H1_BAD);
    run_end(&r);
}

/* A connection's body struct is used again, trailers left over or not. */
static void
test_a_body_is_used_again(void **state)
{
    (void)state;
    struct run r;
    run_begin(&r, BODY_CHUNKED, 0, OUT_MAX);
    run_feed(&r, STR("0\r\nA: b\r\n\r\n"));
    assert_int_equal(r.result, H1_OK);
    h1_body_init(&r.body, H1_REQUEST, BODY_CHUNKED, 0);
    run_feed(&r, STR("1\r\na\r\n0\r\n\r\n"));
    assert_int_equal(r.result, H1_OK);
    assert_out(&r, "a");
    struct arena *a = arena_new(4096);
    struct head h;
    head_init(&h, a);
    h1_body_trailers(&r.body, &h);
    assert_int_equal(h.n_trailers, 0);
    arena_free(a);
    run_end(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_split_of_a_chunked_body),
        cmocka_unit_test(test_a_chunked_body_byte_by_byte),
        cmocka_unit_test(test_what_follows_a_body_is_not_its_own),
        cmocka_unit_test(test_a_body_until_close),
        cmocka_unit_test(test_an_early_end_is_no_end),
        cmocka_unit_test(test_backpressure_stops_the_decoder),
        cmocka_unit_test(test_bytes_may_be_read_straight),
        cmocka_unit_test(test_bad_chunks_are_refused),
        cmocka_unit_test(test_extensions_are_bounded),
        cmocka_unit_test(test_framing_may_not_outweigh_data),
        cmocka_unit_test(test_trailers_are_bounded),
        cmocka_unit_test(test_a_body_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
