/* The bottom layer, and what all layers share. */

#include "net/tcp.h"

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "drive.h"

static struct loop *loop;
static struct drive drive;
static struct stream *stream;
static int peer;

static int
setup(void **state)
{
    (void)state;
    int fds[2];
    loop = loop_new();
    drive_init(&drive, loop);
    drive_pair(fds);
    stream = tcp_new(loop, fds[0], &drive.task);
    peer = fds[1];
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    stream_close(stream);
    close(peer);
    drive_fini(&drive);
    loop_free(loop);
    tcp_set_one_byte(false);
    bufq_trim();
    return 0;
}

static void
say(const char *text)
{
    assert_int_equal(send(peer, text, strlen(text), 0), strlen(text));
}

static enum io
read_some(char text[64])
{
    size_t got = 0;
    memset(text, 0, 64);
    enum io r = stream_read(stream, text, 63, &got);
    assert_true(got == strlen(text) && (got != 0) == (r == IO_OK));
    return r;
}

static void
assert_reads(const char *want)
{
    char text[64];
    assert_int_equal(read_some(text), IO_OK);
    assert_string_equal(text, want);
}

static void
assert_dry(void)
{
    char text[64];
    assert_int_equal(read_some(text), IO_AGAIN);
}

struct wait {
    char text[64];
    enum io io;
};

static bool
has_read(void *arg)
{
    struct wait *w = arg;
    w->io = read_some(w->text);
    return w->io != IO_AGAIN;
}

static enum io
wait_read(struct wait *w)
{
    drive_until(&drive, has_read, w);
    return w->io;
}

static void
test_reads(void **state)
{
    (void)state;
    struct wait w;
    assert_int_equal(stream_handshake(stream), IO_OK);
    assert_dry();
    say("one");
    assert_int_equal(wait_read(&w), IO_OK);
    assert_string_equal(w.text, "one");
    assert_dry();
    say("two");
    shutdown(peer, SHUT_WR);
    assert_int_equal(wait_read(&w), IO_OK);
    assert_string_equal(w.text, "two");
    assert_int_equal(wait_read(&w), IO_EOF);
    assert_int_equal(wait_read(&w), IO_EOF);
    assert_int_equal(tcp_bytes_in(stream), 6);
}

static void
test_it_has_left_behind_unread_bytes(void **state)
{
    (void)state;
    assert_int_equal(tcp_other_end(stream), TCP_OPEN);
    say("unread");
    assert_int_equal(tcp_other_end(stream), TCP_OPEN);
    shutdown(peer, SHUT_WR);
    assert_int_equal(tcp_other_end(stream), TCP_ENDED);
    assert_reads("unread");
}

static void
test_it_is_gone_behind_unread_bytes(void **state)
{
    (void)state;
    say("unread");
    close(peer);
    assert_int_equal(tcp_other_end(stream), TCP_GONE);
    peer = -1;
}

static void
test_one_byte_at_a_time(void **state)
{
    (void)state;
    size_t put;
    char text[8];
    tcp_set_one_byte(true);
    say("abc");
    assert_reads("a");
    assert_reads("b");
    assert_reads("c");
    assert_int_equal(stream_write(stream, "xyz", 3, &put), IO_OK);
    assert_int_equal(put, 1);
    assert_dry();
    assert_int_equal(recv(peer, text, 8, 0), 1);
}

/* Flushes while the peer reads, and counts. */
struct bulk {
    struct bufq q;
    size_t came, total;
};

static bool
bulk_is_through(void *arg)
{
    struct bulk *b = arg;
    char text[30000];
    enum io r = stream_flush(stream, &b->q);
    assert_true(r == IO_AGAIN || (r == IO_OK && bufq_is_empty(&b->q)));
    ssize_t n = recv(peer, text, sizeof text, 0);
    for (; n > 0; n = recv(peer, text, sizeof text, 0)) {
        for (ssize_t i = 0; i < n; i++) {
            assert_int_equal(text[i], (char)(b->came++ * 7 >> 2));
        }
    }
    return b->came == b->total;
}

static void
test_flush_under_backpressure(void **state)
{
    (void)state;
    struct bulk b = { .total = 2000000 };
    bufq_init(&b.q, SIZE_MAX);
    for (size_t i = 0; i < b.total; i++) {
        char c = (char)(i * 7 >> 2);
        bufq_append(&b.q, str_n(&c, 1));
    }
    drive_until(&drive, bulk_is_through, &b);
    assert_int_equal(tcp_bytes_out(stream), b.total);
}

static void
test_half_close(void **state)
{
    (void)state;
    char text[8];
    size_t put;
    assert_int_equal(stream_shutdown(stream), IO_OK);
    assert_int_equal(recv(peer, text, sizeof text, 0), 0);
    assert_int_equal(stream_write(stream, "x", 1, &put), IO_ERR);
    say("still");
    assert_reads("still");
    stream_park(stream);
    stream_close(NULL);
}

static void
on_timer(struct timer *t)
{
    loop_stop(t->loop);
}

static bool
never(void *arg)
{
    (void)arg;
    return false;
}

/* Bytes that nobody fetches do not keep the loop busy. */
static void
test_unread_bytes_do_not_spin(void **state)
{
    (void)state;
    struct timer t;
    drive.holds = never;
    assert_dry();
    say("for later");
    timer_init(&t, loop, on_timer);
    timer_start(&t, 0.05);
    unsigned long turns = loop->turns;
    loop_run(loop);
    assert_true(loop->turns - turns < 10);
    assert_reads("for later");
}

static struct addr
listener(int *fd)
{
    struct sockaddr_storage sa;
    struct addr a = { 4, 0, { 127, 0, 0, 1 } };
    socklen_t n = addr_to_sockaddr(&a, &sa);
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(*fd, (struct sockaddr *)&sa, n), 0);
    assert_int_equal(listen(*fd, 4), 0);
    assert_int_equal(getsockname(*fd, (struct sockaddr *)&sa, &n), 0);
    addr_from_sockaddr((struct sockaddr *)&sa, &a);
    return a;
}

static bool
is_connected(void *arg)
{
    enum io *io = arg;
    *io = stream_handshake(stream);
    return *io != IO_AGAIN;
}

/* In place of the pair's: a connection to `a`. */
static enum io
connect_to(const struct addr *a)
{
    enum io io = IO_AGAIN;
    stream_close(stream);
    close(peer);
    peer = -1;
    stream = tcp_connect(loop, a, &drive.task);
    assert_non_null(stream);
    drive_until(&drive, is_connected, &io);
    return io;
}

static void
test_connect(void **state)
{
    (void)state;
    int fd;
    struct wait w;
    struct addr a = listener(&fd);
    assert_int_equal(connect_to(&a), IO_OK);
    peer = accept(fd, NULL, NULL);
    assert_dry();
    say("hello");
    assert_int_equal(wait_read(&w), IO_OK);
    assert_string_equal(w.text, "hello");
    close(fd);
    assert_int_equal(connect_to(&a), IO_ERR);
    assert_int_equal(errno, ECONNREFUSED);
}

static void
test_an_aborted_close(void **state)
{
    (void)state;
    int fd;
    char text[8];
    size_t put;
    struct addr a = listener(&fd);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(connect_to(&a), IO_OK);
        peer = accept(fd, NULL, NULL);
        assert_int_equal(stream_write(stream, "x", 1, &put), IO_OK);
        assert_false(tcp_is_aborting(stream));
        if (i == 1) {
            tcp_abort_on_close(stream);
            assert_true(tcp_is_aborting(stream));
        }
        stream_close(stream);
        stream = NULL;
        ssize_t n = recv(peer, text, 8, 0);
        n = n == 1 ? recv(peer, text, 8, 0) : n;
        assert_int_equal(n, i == 0 ? 0 : -1);
        assert_true(i == 0 || errno == ECONNRESET);
    }
    close(fd);
}

static int
option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t n = sizeof value;
    AZ(getsockopt(fd, level, name, &value, &n));
    return value;
}

static int
option(int level, int name)
{
    return option_of(tcp_fd(stream), level, name);
}

static void
test_keepalive(void **state)
{
    (void)state;
    static const struct tcp_keepalive none = { 0, 1, 1 }, some = { 7, 3, 2 },
                                      most = { TCP_KEEPALIVE_SECONDS_MAX,
                                          TCP_KEEPALIVE_SECONDS_MAX,
                                          TCP_KEEPALIVE_COUNT_MAX };
    int fd;
    struct addr a = listener(&fd);
    tcp_set_keepalive(&some);
    tcp_set_options(fd);
    assert_int_equal(connect_to(&a), IO_OK);
    peer = accept(fd, NULL, NULL);
    assert_int_equal(option_of(peer, IPPROTO_TCP, TCP_KEEPIDLE), 7);
    assert_int_equal(option_of(peer, IPPROTO_TCP, TCP_USER_TIMEOUT), 13000);
    assert_int_equal(option_of(peer, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option_of(peer, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_not_equal(option_of(peer, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 0);
    assert_int_equal(option(SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option(IPPROTO_TCP, TCP_KEEPIDLE), 7);
    assert_int_equal(option(IPPROTO_TCP, TCP_KEEPINTVL), 3);
    assert_int_equal(option(IPPROTO_TCP, TCP_KEEPCNT), 2);
    assert_int_equal(option(IPPROTO_TCP, TCP_USER_TIMEOUT), 13000);
    assert_int_equal(option(IPPROTO_TCP, TCP_NODELAY), 1);
    tcp_set_keepalive(&most);
    assert_int_equal(connect_to(&a), IO_OK);
    assert_int_equal(option(IPPROTO_TCP, TCP_USER_TIMEOUT), INT_MAX);
    tcp_set_keepalive(&none);
    assert_int_equal(connect_to(&a), IO_OK);
    assert_int_equal(option(SOL_SOCKET, SO_KEEPALIVE), 0);
    close(fd);
}

/* As fast as can be, for as long as a buffer needs to grow; then the one is not
 * read from until the other cannot send. What lies there. */
static size_t
unread_of(int reader, int writer)
{
    static char bytes[256 * 1024];
    size_t sent = 0;
    ssize_t n = 1;
    while (sent < 64u << 20) {
        n = send(writer, bytes, sizeof bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += n > 0 ? (size_t)n : 0;
        while (n > 0) {
            n = recv(reader, bytes, sizeof bytes, MSG_DONTWAIT);
        }
    }
    do {
        n = send(writer, bytes, sizeof bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n > 0);
    int unread = 0;
    AZ(ioctl(reader, FIONREAD, &unread));
    assert_true(unread > 0);
    return (size_t)unread;
}

/* What a peer may leave in the kernel that is not read, as NOTSENT_MAX is for
 * what it does not read itself. */
static void
test_what_is_not_read_is_bounded(void **state)
{
    int fd;
    (void)state;
    struct addr a = listener(&fd);
    tcp_set_options(fd);
    assert_int_equal(connect_to(&a), IO_OK);
    peer = accept(fd, NULL, NULL);
    assert_true(unread_of(tcp_fd(stream), peer) <= 512 * 1024);
    assert_true(unread_of(peer, tcp_fd(stream)) <= 512 * 1024);
    close(fd);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_reads),
        TEST(test_it_has_left_behind_unread_bytes),
        TEST(test_it_is_gone_behind_unread_bytes),
        TEST(test_one_byte_at_a_time),
        TEST(test_flush_under_backpressure),
        TEST(test_half_close),
        TEST(test_unread_bytes_do_not_spin),
        TEST(test_connect),
        TEST(test_an_aborted_close),
        TEST(test_keepalive),
        TEST(test_what_is_not_read_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
