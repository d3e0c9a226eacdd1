/*
 * weir as a client: against its own server, over TCP and over TLS, and against
 * an origin that the test plays, for what no server of weir's would say.
 */

#include "wire/fetch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "../net/time_shift.h"
#include "../os/fds.h"
#include "answer_fixture.h"
#include "base/mem.h"
#include "net/tls.h"

#define TIMEOUT 30
#define LARGE 200000
#define BODY_LARGE (8 << 20) /* more than sockets take */

static struct dns *dns;
static struct guard *guard;
static struct tls_client *other;
static struct addr here, far_addr;
static struct cidr allowed;
static int listener; /* the origin that the test plays */
static int silent;   /* a resolver that says nothing */
static unsigned plain_port, tls_port, origin_port, fds;

/* A socket of 127.0.0.1, and its port. */
static int
bind_here(int type, unsigned *port)
{
    struct sockaddr_storage sa;
    struct addr a = here;
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t n = addr_to_sockaddr(&a, &sa);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    addr_from_sockaddr((struct sockaddr *)&sa, &a);
    *port = a.port;
    return fd;
}

static int
listen_here(unsigned *port)
{
    int fd = bind_here(SOCK_STREAM, port);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static int
set_up(void **state)
{
    static struct dns_static names[2];
    struct cert stranger;
    unsigned port;
    af_set_up_tls(state);
    here = (struct addr){ 4, 0, { 127, 0, 0, 1 } };
    allowed = (struct cidr){ here, 32 };
    assert_true(addr_parse(STR("10.0.0.1"), &far_addr));
    names[0] = (struct dns_static){ STR("a.example"), &here, 1 };
    names[1] = (struct dns_static){ STR("private.example"), &far_addr, 1 };
    silent = bind_here(SOCK_DGRAM, &port);
    struct addr server = here;
    server.port = (uint16_t)port;
    struct dns_conf conf = { .servers = &server,
        .n_servers = 1,
        .names = names,
        .n_names = LEN(names) };
    dns = dns_new(af.loop, &conf);
    guard = guard_new(af.loop);
    cert_make(&stranger, NULL, "another CA", NULL);
    other = af_trusting(&stranger);
    cert_fini(&stranger);
    listener = listen_here(&origin_port);
    af_listen(listen_here(&plain_port), NULL);
    af_listen(listen_here(&tls_port), af.tls_server);
    fds = fds_open();
    return dns != NULL && guard != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
    close(listener);
    close(silent);
    dns_free(dns);
    guard_free(guard);
    af_tear_down(state);
    tls_client_free(other);
    return 0;
}

/* Of "scheme://host%s", the port behind it. */
static struct fetch_args
args_of(const char *format, unsigned port)
{
    static char url[256];
    snprintf(url, sizeof url, format, port);
    return (struct fetch_args){ .loop = af.loop,
        .dns = dns,
        .guard = guard,
        .policy = { .allow = &allowed, .n_allow = 1 },
        .tls = af.tls_client,
        .method = STR("GET"),
        .url = str_of(url),
        .max = LARGE,
        .timeout = TIMEOUT };
}

static bool
has_result(void *arg)
{
    return fetch_result(arg) != NULL;
}

static const struct fetch_result *
finish(struct fetch *f)
{
    drive_until(&af.drive, has_result, f);
    return fetch_result(f);
}

static void
assert_fails(
    const struct fetch_args *args, enum fetch_error error, const char *text)
{
    struct fetch *f = fetch_start(args, &af.drive.task);
    assert_null(fetch_result(f));
    const struct fetch_result *r = finish(f);
    assert_int_equal(r->error, error);
    assert_non_null(strstr(r->text, text));
    assert_int_equal(r->body.n, 0);
    fetch_free(f);
}

static void
assert_gets(const struct fetch_args *args, unsigned status, const char *body)
{
    struct fetch *f = fetch_start(args, &af.drive.task);
    const struct fetch_result *r = finish(f);
    if (r->error != FETCH_OK) {
        fail_msg("%s", r->text);
    }
    assert_int_equal(r->status, status);
    assert_int_equal(r->body.n, strlen(body));
    assert_memory_equal(r->body.p, body, r->body.n);
    assert_true(addr_eq_ip(&r->addr, &here));
    fetch_free(f);
}

static void
test_it_gets(void **state)
{
    (void)state;
    struct fetch_args args = args_of("http://127.0.0.1:%u/hello", plain_port);
    assert_gets(&args, 200, "hello");
    args = args_of("http://a.example:%u/hello", plain_port);
    assert_gets(&args, 200, "hello");
    args = args_of("https://a.example:%u/hello", tls_port);
    assert_gets(&args, 200, "hello");
    args = args_of("http://a.example:%u", plain_port);
    assert_gets(&args, 404, "nothing");
    args = args_of("http://a.example:%u/hello", plain_port);
    args.method = STR("HEAD");
    assert_gets(&args, 200, "");
}

/* More than any queue holds, and a stream of unknown length. */
static void
test_it_posts_and_hears_a_stream(void **state)
{
    char body[AF_BODY_MAX + 1];
    (void)state;
    memset(body, 'x', AF_BODY_MAX);
    body[AF_BODY_MAX] = '\0';
    struct fetch_args args = args_of("https://a.example:%u/echo", tls_port);
    args.method = STR("POST");
    args.body = str_of(body);
    args.is_secret = true;
    assert_gets(&args, 200, body);
    args.body = STR("");
    assert_gets(&args, 200, "");
    args = args_of("https://a.example:%u/events", tls_port);
    struct fetch *f = fetch_start(&args, &af.drive.task);
    af_asked(3);
    assert_int_equal(answer_write(af.held, STR("one")), 3);
    drive_turn(&af.drive);
    assert_int_equal(answer_write(af.held, STR("two")), 3);
    answer_end(af.held);
    assert_int_equal(finish(f)->body.n, 6);
    assert_memory_equal(fetch_result(f)->body.p, "onetwo", 6);
    fetch_free(f);
}

static void
test_who_is_not_dialled(void **state)
{
    (void)state;
    struct fetch_args args = args_of("http://private.example:%u/", plain_port);
    assert_fails(&args, FETCH_DIAL, "10.0.0.1 is not allowed");
    args = args_of("http://127.0.0.1:%u/hello", plain_port);
    args.policy.n_allow = 0;
    assert_fails(&args, FETCH_DIAL, "127.0.0.1 is not allowed");
    args = args_of("https://a.example:%u/hello", tls_port);
    args.tls = other;
    assert_fails(&args, FETCH_DIAL, "certificate");
    args = args_of("https://127.0.0.1:%u/hello", tls_port); /* another name */
    assert_fails(&args, FETCH_DIAL, "");
    assert_int_equal(af.asked, 0);
}

static void
test_what_is_not_sent(void **state)
{
    static const char *const urls[] = { "", "/hello", "ftp://a.example/",
        "http://", "http://u:p@a.example:%u/", "http://a.example:%u/#x",
        "http://a.example:%u/ HTTP/1.1\r\nA: b", "http://a.example:%u/\r\n\r\n",
        "*" };
    static const struct fetch_field fields[] = { { STR("Host"), STR("b") },
        { STR("Content-Length"), STR("1") }, { STR("A b"), STR("c") },
        { STR("A"), STR("b\r\nC: d") } };
    struct fetch_args args;
    (void)state;
    for (size_t i = 0; i < LEN(urls); i++) {
        args = args_of(urls[i], origin_port);
        assert_fails(&args, FETCH_REQUEST, "");
    }
    for (size_t i = 0; i < LEN(fields); i++) {
        args = args_of("http://a.example:%u/", origin_port);
        args.fields = &fields[i];
        args.n_fields = 1;
        assert_fails(&args, FETCH_REQUEST, "field");
    }
    args = args_of("http://a.example:%u/", origin_port);
    args.method = STR("GET /");
    assert_fails(&args, FETCH_REQUEST, "");
    args.method = STR("CONNECT");
    assert_fails(&args, FETCH_REQUEST, "");
    args = args_of("https://a.example:%u/", origin_port);
    args.tls = NULL;
    assert_fails(&args, FETCH_REQUEST, "https");
    assert_int_equal(accept(listener, NULL, NULL), -1);
}

/* The origin that the test plays */

struct origin {
    int fd; /* -1: nobody has come */
    char got[1024];
    size_t n;
    const char *want;
};

static bool
has_come(void *arg)
{
    struct origin *o = arg;
    ssize_t n = 0;
    o->fd = o->fd < 0 ? accept4(listener, NULL, NULL, SOCK_NONBLOCK) : o->fd;
    if (o->fd >= 0) {
        n = recv(o->fd, o->got + o->n, sizeof o->got - 1 - o->n, 0);
    }
    o->n += n > 0 ? (size_t)n : 0;
    o->got[o->n] = '\0';
    bool is_there = o->fd >= 0 && strstr(o->got, o->want) != NULL;
    if (!is_there) {
        task_yield(&af.drive.task); /* nothing here wakes it */
    }
    return is_there;
}

/* Waits for a connection and that text on it. */
static void
origin_hears(struct origin *o, const char *want)
{
    *o = (struct origin){ .fd = -1, .want = want };
    drive_until(&af.drive, has_come, o);
}

static void
origin_says(const struct origin *o, const char *text)
{
    size_t n = strlen(text);
    assert_int_equal(send(o->fd, text, n, MSG_NOSIGNAL), n);
}

/* A fetch of at most 9 bytes, and what the origin says to it. */
static struct fetch *
answered(const char *text, bool is_end)
{
    struct origin o;
    struct fetch_args args = args_of("http://a.example:%u/x", origin_port);
    args.max = 9;
    struct fetch *f = fetch_start(&args, &af.drive.task);
    origin_hears(&o, "\r\n\r\n");
    origin_says(&o, text);
    if (is_end) {
        close(o.fd);
    }
    finish(f);
    if (!is_end) {
        close(o.fd);
    }
    return f;
}

static void
test_what_an_origin_gets(void **state)
{
    static const struct fetch_field fields[] = { { STR("Accept"), STR("a/b") },
        { STR("X-Token"), STR("secret") } };
    struct origin o;
    char want[256];
    (void)state;
    struct fetch_args args = args_of("http://a.example:%u?q=1", origin_port);
    args.method = STR("PUT");
    args.fields = fields;
    args.n_fields = LEN(fields);
    args.body = STR("abc");
    struct fetch *f = fetch_start(&args, &af.drive.task);
    origin_hears(&o, "abc");
    snprintf(want, sizeof want,
        "PUT /?q=1 HTTP/1.1\r\nHost: a.example:%u\r\nAccept: a/b\r\n"
        "X-Token: secret\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
        origin_port);
    assert_string_equal(o.got, want);
    origin_says(&o, "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n");
    const struct fetch_result *r = finish(f);
    assert_int_equal(r->status, 204);
    assert_true(str_eq(head_find(r->head, STR("a")), STR("b")));
    fetch_free(f);
    close(o.fd);
}

static void
test_what_an_origin_says(void **state)
{
    static const struct {
        const char *text;
        bool is_end;
        enum fetch_error error;
        unsigned status;
        const char *body;
    } all[] = {
        { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"
          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            false, FETCH_OK, 200, "ok" },
        { "HTTP/1.1 302 Found\r\nLocation: http://a.example/\r\n"
          "Content-Length: 0\r\n\r\n",
            false, FETCH_OK, 302, "" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
          "2\r\nok\r\n7\r\n1234567\r\n0\r\n\r\n",
            false, FETCH_OK, 200, "ok1234567" },
        { "HTTP/1.0 500 No\r\n\r\nuntil end", true, FETCH_OK, 500,
            "until end" },
        { "", true, FETCH_BROKEN, 0, "" },
        { "HTTP/1.1 200 OK\r\nContent-Le", true, FETCH_BROKEN, 0, "" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", true, FETCH_BROKEN,
            200, "" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
            true, FETCH_BROKEN, 200, "" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", false, FETCH_LARGE,
            200, "" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
          "5\r\n12345\r\n5\r\n12345\r\n",
            false, FETCH_LARGE, 200, "" },
        { "HTTP/1.0 200 OK\r\n\r\n1234567890", false, FETCH_LARGE, 200, "" },
        { "hello\r\n\r\n", false, FETCH_BAD, 0, "" },
        { "HTTP/1.1 101 Switching\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n",
            false, FETCH_BAD, 0, "" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
            false, FETCH_BAD, 0, "" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", false,
            FETCH_BAD, 200, "" },
    };
    (void)state;
    for (size_t i = 0; i < LEN(all); i++) {
        struct fetch *f = answered(all[i].text, all[i].is_end);
        const struct fetch_result *r = fetch_result(f);
        if (r->error != all[i].error) {
            fail_msg("%zu: %d %s", i, r->error, r->text);
        }
        assert_int_equal(r->status, all[i].status);
        assert_true(str_eq(r->body, str_of(all[i].body)));
        fetch_free(f);
    }
    assert_int_equal(fds_open(), fds);
}

static void
test_a_storm_of_interim_heads(void **state)
{
    char text[33 * 25 + 1] = "";
    (void)state;
    for (unsigned i = 0; i < 33; i++) {
        strncat(text, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    }
    struct fetch *f = answered(text, false);
    assert_int_equal(fetch_result(f)->error, FETCH_BAD);
    fetch_free(f);
}

/* One deadline, however much comes meanwhile. */
static void
test_it_is_over_in_time(void **state)
{
    static const char *const steps[] = { "HTTP/1.1 200 OK\r\n",
        "Content-Length: 9\r\n\r\n", "abc" };
    (void)state;
    for (size_t n = 0; n <= LEN(steps); n++) {
        struct origin o;
        struct fetch_args args = args_of("http://a.example:%u/", origin_port);
        struct fetch *f = fetch_start(&args, &af.drive.task);
        origin_hears(&o, "\r\n\r\n");
        for (size_t i = 0; i < n; i++) {
            origin_says(&o, steps[i]);
        }
        time_shift(TIMEOUT - 2);
        drive_turn(&af.drive);
        drive_turn(&af.drive);
        assert_null(fetch_result(f));
        time_shift(3);
        assert_int_equal(finish(f)->error, FETCH_TIMEOUT);
        fetch_free(f);
        close(o.fd);
    }
    struct fetch_args args = args_of("http://unknown.example:%u/", origin_port);
    struct fetch *f = fetch_start(&args, &af.drive.task);
    drive_turn(&af.drive);
    time_shift(TIMEOUT + 1);
    assert_int_equal(finish(f)->error, FETCH_TIMEOUT);
    fetch_free(f);
}

/* The other end sees the end, and nothing is left open. */
static void
assert_cancelled(struct fetch *f, const struct origin *o)
{
    char waste[65536];
    ssize_t n = 1;
    fetch_free(f);
    while (n > 0) {
        n = recv(o->fd, waste, sizeof waste, MSG_DONTWAIT);
    }
    assert_true(n == 0 || errno == ECONNRESET);
    close(o->fd);
    drive_turn(&af.drive);
    assert_int_equal(fds_open(), fds);
}

static void
test_it_is_cancelled(void **state)
{
    static const char *const said[] = { "", "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc" };
    struct origin o;
    (void)state;
    struct fetch_args args = args_of("http://unknown.example:%u/", origin_port);
    fetch_free(fetch_start(&args, &af.drive.task)); /* before it began */
    args = args_of("https://a.example:%u/", origin_port);
    struct fetch *f = fetch_start(&args, &af.drive.task);
    origin_hears(&o, "\x16"); /* in its handshake */
    assert_cancelled(f, &o);
    args = args_of("http://a.example:%u/", origin_port);
    char *large = xcalloc(BODY_LARGE);
    args.body = str_n(large, BODY_LARGE);
    f = fetch_start(&args, &af.drive.task);
    origin_hears(&o, "\r\n\r\n");
    assert_cancelled(f, &o);
    xfree(large);
    args.body = STR_NONE;
    for (size_t i = 0; i < LEN(said); i++) {
        f = fetch_start(&args, &af.drive.task);
        origin_hears(&o, "\r\n\r\n");
        origin_says(&o, said[i]);
        drive_turn(&af.drive);
        assert_null(fetch_result(f));
        assert_cancelled(f, &o);
    }
    args = args_of("http://unknown.example:%u/", origin_port);
    f = fetch_start(&args, &af.drive.task);
    drive_turn(&af.drive); /* it waits for the name */
    assert_null(fetch_result(f));
    fetch_free(f);
}

int
main(void)
{
#define FETCH_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FETCH_TEST(test_it_gets),
        FETCH_TEST(test_it_posts_and_hears_a_stream),
        FETCH_TEST(test_who_is_not_dialled),
        FETCH_TEST(test_what_is_not_sent),
        FETCH_TEST(test_what_an_origin_gets),
        FETCH_TEST(test_what_an_origin_says),
        FETCH_TEST(test_a_storm_of_interim_heads),
        FETCH_TEST(test_it_is_over_in_time),
        FETCH_TEST(test_it_is_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
