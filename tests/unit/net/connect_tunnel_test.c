/* A tunnel through a proxy: its answer in pieces, its silence, and an end at
 * every step. What it may answer is tests/flow/upstream_proxy_test.py's. */

#include "net/connect_tunnel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "drive.h"
#include "time_shift.h"

#define TIMEOUT 10
#define REQUEST                                                                \
    "CONNECT origin.example:443 HTTP/1.1\r\nHost: origin.example:443\r\n"      \
    "Proxy-Authorization: Basic eDp5\r\n\r\n"

static struct loop *loop;
static struct guard *guard;
static struct dns *dns;
static struct drive drive;
static int listener, conn; /* of the proxy */
static struct dial_proxy proxy;

/* What the task does that a dial wakes while no result is waited for. */
static bool
never(void *arg)
{
    (void)arg;
    return false;
}

static int
setup(void **state)
{
    struct sockaddr_storage sa;
    struct addr a = { 4, 0, { 127, 0, 0, 1 } };
    socklen_t n = addr_to_sockaddr(&a, &sa);
    struct dns_conf conf = { .servers = &a, .n_servers = 1 };
    (void)state;
    loop = loop_new();
    guard = guard_new(loop);
    dns = dns_new(loop, &conf);
    drive_init(&drive, loop);
    drive.holds = never;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&sa, n), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &n), 0);
    addr_from_sockaddr((struct sockaddr *)&sa, &a);
    proxy = (struct dial_proxy){ .text = STR("proxy:1"),
        .addr = a,
        .port = a.port,
        .is_by_name = true,
        .credential = STR("Basic eDp5") };
    conn = -1;
    return guard != NULL && dns != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    if (conn >= 0) {
        close(conn);
    }
    close(listener);
    dns_free(dns);
    guard_free(guard);
    drive_fini(&drive);
    loop_free(loop);
    return 0;
}

static struct dial *
start(void)
{
    struct dial_args args = { .loop = loop,
        .dns = dns,
        .guard = guard,
        .proxy = &proxy,
        .name = STR("origin.example"),
        .port = 443,
        .timeout = TIMEOUT };
    clock_update();
    drive.holds = never;
    return dial_start(&args, &drive.task);
}

/* The proxy accepts, and has read what was asked. */
static void
read_request(void)
{
    char bytes[sizeof REQUEST - 1];
    size_t n = 0;
    for (unsigned i = 0; i < 4; i++) {
        drive_turn(&drive);
    }
    conn = accept(listener, NULL, NULL);
    while (n < sizeof bytes) {
        drive_turn(&drive);
        ssize_t r = recv(conn, bytes + n, sizeof bytes - n, MSG_DONTWAIT);
        n += r > 0 ? (size_t)r : 0;
    }
    assert_memory_equal(bytes, REQUEST, sizeof bytes);
}

static void
answer(const char *text)
{
    assert_int_equal(send(conn, text, strlen(text), 0), strlen(text));
}

static void
test_an_answer_in_bytes(void **state)
{
    static const char text[] =
        "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 \r\n\r\n";
    struct dial *d = start();
    (void)state;
    read_request();
    for (size_t i = 0; i + 1 < sizeof text; i++) {
        assert_null(dial_result(d));
        assert_int_equal(send(conn, &text[i], 1, 0), 1);
        drive_turn(&drive);
    }
    const struct dial_result *r = drive_dial(&drive, d);
    assert_int_equal(r->error, DIAL_OK);
    assert_int_equal(r->addr.port, proxy.port);
    struct stream *s = dial_take(d, &drive.task);
    dial_free(d);
    stream_close(s);
}

static bool
is_told(struct dial *d)
{
    drive_turn(&drive);
    drive_turn(&drive);
    return dial_result(d) != NULL;
}

/* To the second and no sooner, whatever comes meanwhile. */
static void
test_a_silent_proxy(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct dial *d = start();
        read_request();
        if (i != 0) {
            answer("HTTP/1.1 200 OK\r\n");
        }
        time_shift(TIMEOUT - 2);
        assert_false(is_told(d));
        time_shift(3);
        const struct dial_result *r = drive_dial(&drive, d);
        assert_int_equal(r->error, DIAL_TIMEOUT);
        assert_string_equal(r->proxy_error, "connection_timeout");
        dial_free(d);
        close(conn);
    }
    conn = -1;
}

static void
test_a_reset(void **state)
{
    struct linger hard = { .l_onoff = 1 };
    (void)state;
    struct dial *d = start();
    read_request();
    setsockopt(conn, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(conn);
    conn = -1;
    assert_int_equal(drive_dial(&drive, d)->error, DIAL_PROXY);
    dial_free(d);
}

static void
test_an_end_at_every_step(void **state)
{
    (void)state;
    for (unsigned turns = 0; turns < 8; turns++) {
        struct dial *d = start();
        for (unsigned i = 0; i < turns; i++) {
            drive_turn(&drive);
        }
        dial_free(d);
    }
}

static void
test_an_end_with_its_stream(void **state)
{
    struct dial *d = start();
    (void)state;
    read_request();
    answer("HTTP/1.1 200 OK\r\n\r\n");
    assert_int_equal(drive_dial(&drive, d)->error, DIAL_OK);
    dial_free(d);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_an_answer_in_bytes),
        T(test_a_silent_proxy),
        T(test_a_reset),
        T(test_an_end_at_every_step),
        T(test_an_end_with_its_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
