/* ClientHellos: what is read of them, and all that is refused. */

#include "net/hello.h"

#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct bytes {
    uint8_t p[200000];
    size_t n;
};

static struct bytes exts, body, wire; /* large; emptied by their makers */

static void
put(struct bytes *b, const void *p, size_t n)
{
    assert_true(b->n + n <= sizeof b->p);
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

static void
put_uint(struct bytes *b, unsigned bytes, size_t v)
{
    while (bytes-- != 0) {
        uint8_t c = (uint8_t)(v >> 8 * bytes);
        put(b, &c, 1);
    }
}

static void
put_vector(struct bytes *b, unsigned bytes, const void *p, size_t n)
{
    put_uint(b, bytes, n);
    put(b, p, n);
}

static void
put_ext(unsigned type, const void *p, size_t n)
{
    put_uint(&exts, 2, type);
    put_vector(&exts, 2, p, n);
}

/* server_name with a list of one. */
static void
put_sni(const char *name, size_t n)
{
    static struct bytes e;
    e.n = 0;
    put_uint(&e, 2, n + 3);
    put_uint(&e, 1, 0);
    put_vector(&e, 2, name, n);
    put_ext(0, e.p, e.n);
}

#define SNI(lit) put_sni(lit, sizeof(lit) - 1)
#define EXT(type, lit) put_ext(type, lit, sizeof(lit) - 1)

/* A message of which `exts` are the extensions. */
static void
make_body(void)
{
    static const uint8_t random[32] = { 7 };
    body.n = 0;
    put_uint(&body, 2, 0x0303);
    put(&body, random, sizeof random);
    put_vector(&body, 1, "session", 7);
    put_vector(&body, 2, "\x13\x01\xc0\x2f", 4);
    put_vector(&body, 1, "", 1);
    put_vector(&body, 2, exts.p, exts.n);
    exts.n = 0;
}

/* `b` as a handshake message in records of `each` bytes at most. */
static struct str
make_wire(const void *p, size_t n, size_t each)
{
    static struct bytes message;
    message.n = wire.n = 0;
    put_uint(&message, 1, 1);
    put_vector(&message, 3, p, n);
    for (size_t at = 0; at < message.n; at += each) {
        size_t left = message.n - at;
        put_uint(&wire, 3, 0x160301);
        put_vector(&wire, 2, message.p + at, left < each ? left : each);
    }
    return str_n((char *)wire.p, wire.n);
}

static enum hello_result
parse_exts(struct hello *h)
{
    make_body();
    return hello_parse(make_wire(body.p, body.n, 16384), h);
}

static void
assert_exts(enum hello_result want)
{
    struct hello h;
    assert_int_equal(parse_exts(&h), want);
}

static void
put_usual(void)
{
    EXT(0x0a0a, "");
    SNI("A.example");
    EXT(16, "\0\x0c\2h2\x08http/1.1");
    EXT(43, "\x06\x2a\x2a\3\4\3\3");
    EXT(51, "\0\0");
}

static void
assert_usual(const struct hello *h)
{
    assert_string_equal(h->sni, "A.example");
    assert_int_equal(h->sni_len, 9);
    assert_true(h->offers_h2 && h->has_tls13);
    assert_false(h->has_ech);
}

static void
test_what_is_read(void **state)
{
    (void)state;
    struct hello h;
    put_usual();
    assert_int_equal(parse_exts(&h), HELLO_OK);
    assert_usual(&h);
    SNI("a.example");
    EXT(43, "\2\3\3");
    EXT(0xfe0d, "\0whatever");
    assert_int_equal(parse_exts(&h), HELLO_OK);
    assert_true(h.has_ech);
    assert_false(h.offers_h2 || h.has_tls13);
}

static void
test_names_that_are_hidden(void **state)
{
    static const unsigned drafts[] = { 0xfe08, 0xfe09, 0xfe0a, 0xfe0b, 0xfe0c,
        0xfe0d, 0xff02, 0xff03, 0xffce };
    static const unsigned others[] = { 0xfe07, 0xfe0e, 0xff01, 0xff04, 0xffcd };
    struct hello h;
    (void)state;
    for (size_t i = 0; i < LEN(drafts); i++) {
        EXT(drafts[i], "x");
        EXT(others[i % LEN(others)], "");
        assert_int_equal(parse_exts(&h), HELLO_OK);
        assert_true(h.has_ech);
    }
    for (size_t i = 0; i < LEN(others); i++) {
        EXT(others[i], "x");
    }
    assert_int_equal(parse_exts(&h), HELLO_OK);
    assert_false(h.has_ech);
}

static void
test_without_extensions(void **state)
{
    (void)state;
    struct hello h;
    make_body();
    struct str in = make_wire(body.p, body.n - 2, 16384);
    assert_int_equal(hello_parse(in, &h), HELLO_OK);
    assert_int_equal(h.sni_len, 0);
    assert_false(h.has_tls13 || h.offers_h2 || h.has_ech);
    in = make_wire(body.p, body.n, 16384);
    assert_int_equal(hello_parse(in, &h), HELLO_OK);
}

/* The answer comes with the last byte of the message, whatever follows. */
static void
test_every_truncation_of_every_cut(void **state)
{
    (void)state;
    struct hello h;
    put_usual();
    make_body();
    for (size_t each = 1; each < body.n + 6; each++) {
        struct str in = make_wire(body.p, body.n, each);
        for (size_t n = 0; n < in.n; n++) {
            assert_int_equal(hello_parse(str_n(in.p, n), &h), HELLO_MORE);
        }
        assert_int_equal(hello_parse(in, &h), HELLO_OK);
        assert_usual(&h);
        put(&wire, "\x17\3\3\0\1x", 6);
        in = str_n((char *)wire.p, wire.n);
        assert_int_equal(hello_parse(in, &h), HELLO_OK);
        assert_usual(&h);
    }
}

/* A message that ends early is none, where ever it ends; only before its
 * extensions it may. */
static void
test_every_short_message(void **state)
{
    (void)state;
    struct hello h;
    put_usual();
    make_body();
    size_t before = 2 + 32 + 8 + 6 + 2;
    for (size_t n = 0; n < body.n; n++) {
        enum hello_result want = n == before ? HELLO_OK : HELLO_BAD;
        struct str in = make_wire(body.p, n, 16384);
        assert_int_equal(hello_parse(in, &h), want);
        assert_int_equal(h.sni_len, 0);
    }
    put_uint(&body, 1, 0);
    struct str in = make_wire(body.p, body.n, 16384);
    assert_int_equal(hello_parse(in, &h), HELLO_BAD);
}

static void
test_names_of_all_lengths(void **state)
{
    (void)state;
    static char name[300];
    struct hello h;
    memset(name, 'a', sizeof name);
    for (size_t n = 1; n < 300; n++) {
        put_sni(name, n);
        assert_int_equal(parse_exts(&h), n < 256 ? HELLO_OK : HELLO_BAD);
        assert_int_equal(h.sni_len, n < 256 ? n : 0);
        assert_int_equal(strlen(h.sni), h.sni_len);
    }
}

static void
test_names_that_are_none(void **state)
{
    (void)state;
    SNI("");
    assert_exts(HELLO_BAD);
    SNI("a\0b");
    assert_exts(HELLO_BAD);
    EXT(0, "");
    assert_exts(HELLO_BAD);
    EXT(0, "\0\0");
    assert_exts(HELLO_BAD);
    EXT(0, "\0\4\1\0\1a"); /* a type that is no host_name */
    assert_exts(HELLO_BAD);
    EXT(0, "\0\x08\0\0\1a\0\0\1b"); /* two */
    assert_exts(HELLO_BAD);
    EXT(0, "\0\5\0\0\1ax"); /* behind the name */
    assert_exts(HELLO_BAD);
    EXT(0, "\0\4\0\0\1ax"); /* behind the list */
    assert_exts(HELLO_BAD);
    EXT(0, "\0\4\0\0\2ax"); /* the name reaches out of the list */
    assert_exts(HELLO_BAD);
    EXT(0, "\0\5\0\0\1a"); /* the list out of the extension */
    assert_exts(HELLO_BAD);
}

static void
test_extensions_that_come_twice(void **state)
{
    (void)state;
    static const unsigned types[] = { 16, 43, 0xfe0d, 0x0a0a, 51, 0xffff };
    struct hello h;
    SNI("a");
    SNI("b");
    assert_exts(HELLO_BAD);
    SNI("a");
    EXT(9999, "");
    SNI("a");
    assert_exts(HELLO_BAD);
    for (size_t i = 0; i < LEN(types); i++) {
        put_ext(types[i], "\0\3\2h2", 5);
        SNI("a");
        put_ext(types[i], "\0\3\2h2", 5);
        assert_exts(HELLO_BAD);
    }
    EXT(0x0a0a, "");
    SNI("a");
    EXT(0x1a1a, "");
    EXT(0xfafa, "\0");
    assert_int_equal(parse_exts(&h), HELLO_OK);
    assert_string_equal(h.sni, "a");
}

static void
test_many_extensions(void **state)
{
    (void)state;
    for (unsigned n = 127; n <= 129; n++) {
        for (unsigned i = 0; i < n; i++) {
            put_ext(1000 + i, "", 0);
        }
        assert_exts(n <= 128 ? HELLO_OK : HELLO_BAD);
    }
}

static void
test_alpn(void **state)
{
    (void)state;
    struct hello h;
    EXT(16, "\0\3\2h2");
    assert_int_equal(parse_exts(&h), HELLO_OK);
    assert_true(h.offers_h2);
    EXT(16, "\0\x12\x08http/1.0\x08http/1.1");
    assert_int_equal(parse_exts(&h), HELLO_OK);
    assert_true(!h.offers_h2);
    EXT(16, "\0\4\2h2");
    assert_exts(HELLO_BAD);
    EXT(16, "\0\3\2h2x");
    assert_exts(HELLO_BAD);
    EXT(16, "\0\3\3h2");
    assert_exts(HELLO_BAD);
}

static void
test_versions(void **state)
{
    (void)state;
    EXT(43, "\3\3\4\3");
    assert_exts(HELLO_BAD);
    EXT(43, "\2\3\4\3");
    assert_exts(HELLO_BAD);
    EXT(43, "\4\3\4");
    assert_exts(HELLO_BAD);
    EXT(43, "");
    assert_exts(HELLO_BAD);
}

static enum hello_result
parse_text(const char *p, size_t n)
{
    struct hello h;
    return hello_parse(str_n(p, n), &h);
}

#define PARSE(lit) parse_text(lit, sizeof(lit) - 1)

static void
test_records(void **state)
{
    (void)state;
    assert_int_equal(PARSE(""), HELLO_MORE);
    assert_int_equal(PARSE("G"), HELLO_NOT_TLS);
    assert_int_equal(PARSE("\x80\x2e\1\3\1"), HELLO_NOT_TLS); /* SSLv2 */
    assert_int_equal(PARSE("\x17\3\3\0\5hello"), HELLO_NOT_TLS);
    assert_int_equal(PARSE("\x16\2"), HELLO_NOT_TLS);
    assert_int_equal(PARSE("\x16\3\1\0"), HELLO_MORE);
    assert_int_equal(PARSE("\x16\3\1\0\0"), HELLO_BAD);
    assert_int_equal(PARSE("\x16\3\1\x40\1"), HELLO_BAD);
    assert_int_equal(PARSE("\x16\3\1\x40\0"), HELLO_MORE);
    assert_int_equal(PARSE("\x16\3\1\1\0\2"), HELLO_BAD); /* ServerHello */
    assert_int_equal(PARSE("\x16\3\1\0\1\1\x16\3\1\0\0"), HELLO_BAD);
    assert_int_equal(PARSE("\x16\3\1\0\1\1\x15\3\1\0\2"), HELLO_BAD);
}

/* What is in the message's last record behind it is refused when its header
 * has come, so that the answer does not go by how much was read. */
static void
test_a_record_that_goes_on(void **state)
{
    (void)state;
    struct hello h;
    put_usual();
    make_body();
    struct str in = make_wire(body.p, body.n, 16384);
    wire.p[4]++;
    assert_int_equal(hello_parse(str_n(in.p, 8), &h), HELLO_MORE);
    assert_int_equal(hello_parse(str_n(in.p, 9), &h), HELLO_BAD);
    assert_int_equal(hello_parse(in, &h), HELLO_BAD);
    put_uint(&wire, 1, 0);
    assert_int_equal(hello_parse(str_n((char *)wire.p, wire.n), &h), HELLO_BAD);
}

static void
test_the_largest(void **state)
{
    (void)state;
    static const uint8_t zeros[HELLO_MAX];
    struct hello h;
    for (size_t more = 0; more <= 1; more++) {
        size_t around = 2 + 32 + 8 + 6 + 2 + 2 + 4;
        put_ext(21, zeros, HELLO_MAX - around + more);
        make_body();
        assert_int_equal(body.n, HELLO_MAX + more);
        for (size_t each = 65; each <= 16384; each += 1023) {
            struct str in = make_wire(body.p, body.n, each);
            assert_int_equal(
                hello_parse(in, &h), more == 0 ? HELLO_OK : HELLO_BAD);
        }
    }
}

/* Each byte that comes has all records before it read again. */
static void
test_the_records_are_counted(void **state)
{
    (void)state;
    static const uint8_t zeros[300];
    struct hello h;
    for (size_t more = 0; more <= 1; more++) {
        put_ext(21, zeros, 256 - 4 - (2 + 32 + 8 + 6 + 2 + 2 + 4) + more);
        make_body();
        struct str in = make_wire(body.p, body.n, 1);
        assert_int_equal(in.n, (256 + more) * 6);
        assert_int_equal(hello_parse(in, &h), more == 0 ? HELLO_OK : HELLO_BAD);
        assert_int_equal(hello_parse(str_n(in.p, 256 * 6 - 1), &h), HELLO_MORE);
    }
}

static void
test_the_parts_before(void **state)
{
    (void)state;
    static const struct {
        size_t session, suites, compression;
        enum hello_result want;
    } all[] = {
        { 0, 2, 1, HELLO_OK },
        { 32, 200, 2, HELLO_OK },
        { 33, 2, 1, HELLO_BAD },
        { 0, 0, 1, HELLO_BAD },
        { 0, 3, 1, HELLO_BAD },
        { 0, 2, 0, HELLO_BAD },
    };
    static const uint8_t zeros[300];
    struct hello h;
    for (size_t i = 0; i < LEN(all); i++) {
        body.n = 0;
        put_uint(&body, 2, 0x0303);
        put(&body, zeros, 32);
        put_vector(&body, 1, zeros, all[i].session);
        put_vector(&body, 2, zeros, all[i].suites);
        put_vector(&body, 1, zeros, all[i].compression);
        struct str in = make_wire(body.p, body.n, 16384);
        assert_int_equal(hello_parse(in, &h), all[i].want);
    }
}

/* The first flight of OpenSSL's client. */
static struct str
real_hello(const char *name, int max_version, const char *alpn)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(ctx, max_version);
    SSL *ssl = SSL_new(ctx);
    BIO *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
    if (name != NULL) {
        assert_int_equal(SSL_set_tlsext_host_name(ssl, name), 1);
    }
    if (alpn != NULL) {
        assert_int_equal(SSL_set_alpn_protos(ssl, (const uint8_t *)alpn,
                             (unsigned)strlen(alpn)),
            0);
    }
    assert_int_equal(SSL_connect(ssl), -1);
    int n = BIO_read(out, wire.p, sizeof wire.p);
    assert_true(n > 0);
    wire.n = (size_t)n;
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return str_n((char *)wire.p, wire.n);
}

static void
test_real_ones(void **state)
{
    (void)state;
    struct hello h;
    struct str in = real_hello("a.example", TLS1_3_VERSION, "\2h2");
    for (size_t n = 0; n < in.n; n++) {
        assert_int_equal(hello_parse(str_n(in.p, n), &h), HELLO_MORE);
    }
    assert_int_equal(hello_parse(in, &h), HELLO_OK);
    assert_string_equal(h.sni, "a.example");
    assert_true(h.has_tls13 && h.offers_h2);
    in = real_hello("b.example", TLS1_2_VERSION, "\x08http/1.1");
    assert_int_equal(hello_parse(in, &h), HELLO_OK);
    assert_string_equal(h.sni, "b.example");
    assert_true(!h.has_tls13 && !h.offers_h2);
    in = real_hello(NULL, TLS1_3_VERSION, NULL);
    assert_int_equal(hello_parse(in, &h), HELLO_OK);
    assert_int_equal(h.sni_len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_read),
        cmocka_unit_test(test_names_that_are_hidden),
        cmocka_unit_test(test_without_extensions),
        cmocka_unit_test(test_every_truncation_of_every_cut),
        cmocka_unit_test(test_every_short_message),
        cmocka_unit_test(test_names_of_all_lengths),
        cmocka_unit_test(test_names_that_are_none),
        cmocka_unit_test(test_extensions_that_come_twice),
        cmocka_unit_test(test_many_extensions),
        cmocka_unit_test(test_alpn),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_a_record_that_goes_on),
        cmocka_unit_test(test_the_largest),
        cmocka_unit_test(test_the_records_are_counted),
        cmocka_unit_test(test_the_parts_before),
        cmocka_unit_test(test_real_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
