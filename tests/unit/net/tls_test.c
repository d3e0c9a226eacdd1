/* The TLS layer: whom it believes, what it resumes, how it ends. */

#include "tls_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "net/tcp.h"

static void
test_a_verified_name(void **state)
{
    (void)state;
    struct pair p;
    pair_shake(&p, &pair_usual);
    assert_int_equal(p.server_io, IO_OK);
    assert_int_equal(p.client_io, IO_OK);
    assert_int_equal(p.asked, 1);
    assert_string_equal(tls_error(p.client), "");
    assert_false(tls_is_untrusted(p.client));
    pair_assert_talk(&p, p.client, p.server);
    pair_assert_talk(&p, p.server, p.client);
    stream_park(p.client);
    stream_park(p.server);
    pair_assert_talk(&p, p.server, p.client);
    pair_close(&p);
}

static void
test_whom_the_client_believes(void **state)
{
    static const struct {
        const char *name, *ip, *san;
        bool is_good;
    } all[] = {
        { "a.example", NULL, "DNS:a.example", true },
        { "a.example", NULL, "DNS:A.EXAMPLE", true },
        { "a.example", NULL, "DNS:b.example", false },
        { "a.example", NULL, "DNS:b.example,DNS:a.example", true },
        { "x.a.example", NULL, "DNS:*.a.example", true },
        { "a.example", NULL, "DNS:*.a.example", false },
        { "y.x.a.example", NULL, "DNS:*.a.example", false },
        { "wx.a.example", NULL, "DNS:w*.a.example", false },
        { "a.example", NULL, "DNS:a.example.evil.example", false },
        { "leaf", NULL, "DNS:a.example", false }, /* the CN is no name */
        { "leaf", NULL, NULL, false },
        { "192.0.2.1", NULL, "DNS:a.example", false },
        { NULL, "192.0.2.1", "IP:192.0.2.1", true },
        { NULL, "192.0.2.1", "IP:192.0.2.2", false },
        { NULL, "192.0.2.1", "DNS:192.0.2.1", false },
        { NULL, "2001:db8::1", "IP:2001:db8::1", true },
        { NULL, "2001:db8::1", "IP:2001:db8::2", false },
    };
    (void)state;
    for (size_t i = 0; i < LEN(all); i++) {
        struct pair p;
        struct sides s = { .sni = all[i].name,
            .name = all[i].name,
            .ip = all[i].ip,
            .san = all[i].san };
        pair_shake(&p, &s);
        assert_int_equal(p.client_io, all[i].is_good ? IO_OK : IO_ERR);
        assert_int_equal(tls_is_untrusted(p.client), !all[i].is_good);
        assert_int_equal(tls_error(p.client)[0] != '\0', !all[i].is_good);
        pair_close(&p);
    }
}

static void
test_an_untrusted_chain(void **state)
{
    (void)state;
    struct pair p;
    struct sides s = pair_usual;
    s.ca = &pair_other_ca;
    pair_shake(&p, &s);
    assert_int_equal(p.client_io, IO_ERR);
    assert_true(tls_is_untrusted(p.client));
    assert_true(
        str_starts(str_of(tls_error(p.client)), STR("certificate verify")));
    assert_int_equal(p.server_io, IO_ERR);
    assert_false(tls_is_untrusted(p.server));
    pair_close(&p);
}

/* What hello.c read is what OpenSSL serves, or nothing is. */
static void
test_a_name_that_was_not_judged(void **state)
{
    static const char *const judged[] = { "b.example", NULL, "a.exampl" };
    (void)state;
    for (size_t i = 0; i < LEN(judged); i++) {
        struct pair p;
        struct sides s = pair_usual;
        s.sni = judged[i];
        pair_shake(&p, &s);
        assert_int_equal(p.server_io, IO_ERR);
        assert_int_equal(p.asked, 0);
        assert_false(tls_is_untrusted(p.client));
        pair_close(&p);
    }
}

static void
test_a_certificate_that_comes_later(void **state)
{
    (void)state;
    struct pair p;
    struct sides s = pair_usual;
    s.wait = 3;
    pair_shake(&p, &s);
    assert_int_equal(p.server_io, IO_OK);
    assert_int_equal(p.asked, 4);
    pair_assert_talk(&p, p.client, p.server);
    pair_close(&p);
    s.wait = -1; /* there is none */
    pair_shake(&p, &s);
    assert_int_equal(p.server_io, IO_ERR);
    assert_int_equal(p.client_io, IO_ERR);
    pair_close(&p);
}

/* Connects, and takes the ticket that comes with the first data. A session that
 * is resumed needs no certificate, so nobody is asked for it. */
static bool
is_resumed(const struct sides *s)
{
    struct pair p;
    pair_shake(&p, s);
    assert_int_equal(p.client_io, IO_OK);
    pair_assert_talk(&p, p.server, p.client);
    bool resumed = p.asked == 0;
    pair_close(&p);
    return resumed;
}

static void
test_sessions_are_resumed_for_the_same_alone(void **state)
{
    (void)state;
    struct sides s = pair_usual;
    s.sid_ctx = "one";
    s.san = "DNS:a.example,DNS:b.example";
    assert_false(is_resumed(&s));
    assert_true(is_resumed(&s));
    s.serial = 7; /* another sandbox */
    assert_false(is_resumed(&s));
    assert_true(is_resumed(&s));
    s.name = s.sni = "b.example";
    assert_false(is_resumed(&s));
    s.sid_ctx = "two"; /* the server's view changed */
    assert_false(is_resumed(&s));
    assert_true(is_resumed(&s));
    tls_server_free(pair_server);
    pair_server = tls_server_new(-1); /* and its keys */
    assert_false(is_resumed(&s));
}

static void
test_an_orderly_end(void **state)
{
    (void)state;
    struct pair p;
    struct receipt r;
    pair_shake(&p, &pair_usual);
    assert_int_equal(stream_shutdown(p.client), IO_OK);
    assert_int_equal(pair_receive(&p, p.server, &r, 1), IO_EOF);
    assert_int_equal(pair_receive(&p, p.server, &r, 1), IO_EOF);
    pair_assert_talk(&p, p.server, p.client); /* the other half goes on */
    stream_close(p.server);
    p.server = NULL;
    assert_int_equal(pair_receive(&p, p.client, &r, 1), IO_EOF);
    pair_close(&p);
}

static bool
is_shut(void *arg)
{
    enum io r = stream_shutdown(arg);
    assert_true(r == IO_OK || r == IO_AGAIN);
    return r == IO_OK;
}

/* The notice is not dropped because the socket is full. */
static void
test_an_end_that_must_wait(void **state)
{
    (void)state;
    static char junk[65536];
    struct pair p;
    struct receipt r;
    size_t put;
    pair_shake(&p, &pair_usual);
    pair_assert_talk(&p, p.server, p.client);
    int out = tcp_fd(p.server), in = tcp_fd(p.client);
    while (send(out, junk, sizeof junk, 0) > 0 || send(out, junk, 1, 0) > 0) {
        continue;
    }
    assert_int_equal(stream_shutdown(p.server), IO_AGAIN);
    assert_int_equal(stream_write(p.server, "x", 1, &put), IO_ERR);
    assert_int_equal(stream_shutdown(p.server), IO_AGAIN);
    while (recv(in, junk, sizeof junk, 0) > 0) {
        continue;
    }
    drive_until(&p.drive, is_shut, p.server);
    assert_int_equal(pair_receive(&p, p.client, &r, 1), IO_EOF);
    assert_int_equal(stream_shutdown(p.server), IO_OK);
    pair_close(&p);
}

static void
test_an_end_without_notice(void **state)
{
    (void)state;
    struct pair p;
    struct receipt r;
    pair_shake(&p, &pair_usual);
    pair_assert_talk(&p, p.server, p.client);
    assert_int_equal(shutdown(tcp_fd(p.client), SHUT_WR), 0);
    assert_int_equal(pair_receive(&p, p.server, &r, 1), IO_ERR);
    assert_true(tls_error(p.server)[0] != '\0');
    assert_int_equal(pair_receive(&p, p.server, &r, 1), IO_ERR);
    size_t put;
    assert_int_equal(stream_write(p.server, "x", 1, &put), IO_ERR);
    pair_close(&p);
}

/* Much more than the sockets hold, from queues that grow meanwhile. */
struct bulk {
    struct stream *from, *to;
    struct bufq out;
    size_t made, got, total;
};

#define BULK (RUNNING_ON_VALGRIND ? 1000000 : 3000000)

static void
bulk_make(struct bulk *b, size_t n)
{
    char some[7001];
    size_t k = 0;
    assert_in_range(n, 1, sizeof some);
    while (k < n && b->made < b->total) {
        some[k++] = (char)(b->made++ * 31 >> 3);
    }
    bufq_append(&b->out, str_n(some, k));
}

static bool
bulk_is_through(void *arg)
{
    struct bulk *b = arg;
    char in[9000], want[sizeof in];
    size_t n = 0;
    enum io r = IO_OK;
    while (r == IO_OK && b->made < b->total) {
        bulk_make(b, 7001);
        r = stream_flush(b->from, &b->out);
    }
    bulk_make(b, 3); /* behind what must be offered again */
    r = stream_flush(b->from, &b->out);
    assert_int_not_equal(r, IO_ERR);
    r = stream_read(b->to, in, sizeof in, &n);
    for (; r == IO_OK; r = stream_read(b->to, in, sizeof in, &n)) {
        for (size_t i = 0; i < n; i++) {
            want[i] = (char)(b->got++ * 31 >> 3);
        }
        assert_memory_equal(in, want, n);
    }
    assert_int_equal(r, IO_AGAIN);
    return b->got == b->total;
}

static void
test_backpressure(void **state)
{
    (void)state;
    struct pair p;
    pair_shake(&p, &pair_usual);
    struct bulk b = { .from = p.server, .to = p.client, .total = BULK };
    bufq_init(&b.out, SIZE_MAX);
    drive_until(&p.drive, bulk_is_through, &b);
    b = (struct bulk){ .from = p.client, .to = p.server, .total = 500000 };
    bufq_init(&b.out, SIZE_MAX);
    drive_until(&p.drive, bulk_is_through, &b);
    pair_close(&p);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, pair_setup, pair_teardown)

/* TLS in a tunnel of a client that speaks TLS to weir itself. What each end
 * says goes through both layers, and so does its end. */
static void
test_tls_within_tls(void **state)
{
    (void)state;
    struct pair p;
    struct receipt r;
    pair_shake(&p, &pair_usual);
    pair_shake_within(&p, &pair_usual);
    pair_assert_talk(&p, p.client, p.server);
    pair_assert_talk(&p, p.server, p.client);
    struct bulk b = { .from = p.server, .to = p.client, .total = BULK };
    bufq_init(&b.out, SIZE_MAX);
    drive_until(&p.drive, bulk_is_through, &b);
    stream_park(p.server);
    b = (struct bulk){ .from = p.client, .to = p.server, .total = 500000 };
    bufq_init(&b.out, SIZE_MAX);
    drive_until(&p.drive, bulk_is_through, &b);
    assert_int_equal(tcp_fd(p.server), tcp_fd(p.server->below->below));
    drive_until(&p.drive, is_shut, p.server);
    assert_int_equal(pair_receive(&p, p.client, &r, 1), IO_EOF);
    pair_assert_talk(&p, p.client, p.server);
    p.client = stream_pop(p.client);
    assert_int_equal(pair_receive(&p, p.client, &r, 1), IO_EOF);
    assert_int_equal(pair_receive(&p, p.server, &r, 1), IO_EOF);
    pair_close(&p);
}

/* What was read of the layer below before this one was made. */
static void
test_what_was_read_before_comes_first(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct pair p;
        char hello[4096];
        size_t n = 0;
        tcp_set_one_byte(i == 1);
        pair_open(&p, &pair_usual);
        assert_int_equal(stream_handshake(p.client), IO_AGAIN);
        while (n < sizeof hello) {
            size_t got;
            if (stream_read(p.server->below, hello + n, 100, &got) != IO_OK) {
                break;
            }
            n += got;
        }
        assert_in_range(n, 100, sizeof hello - 1);
        tls_unread(p.server, str_n(hello, n));
        pair_go_on(&p);
        assert_int_equal(p.server_io, IO_OK);
        assert_int_equal(p.client_io, IO_OK);
        tcp_set_one_byte(false);
        pair_assert_talk(&p, p.client, p.server);
        tls_unread(p.server, STR("")); /* nothing */
        tls_unread(p.server, STR("left when it is closed"));
        pair_close(&p);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_verified_name),
        TEST(test_whom_the_client_believes),
        TEST(test_an_untrusted_chain),
        TEST(test_a_name_that_was_not_judged),
        TEST(test_a_certificate_that_comes_later),
        TEST(test_sessions_are_resumed_for_the_same_alone),
        TEST(test_an_orderly_end),
        TEST(test_an_end_that_must_wait),
        TEST(test_an_end_without_notice),
        TEST(test_tls_within_tls),
        TEST(test_what_was_read_before_comes_first),
        TEST(test_backpressure),
    };
    return cmocka_run_group_tests(tests, pair_setup_all, pair_teardown_all);
}
