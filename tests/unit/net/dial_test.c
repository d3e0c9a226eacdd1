/* From a name to a stream, over 127.0.0.0/8. */

#include "net/dial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "../conf/tmp_dir.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cert.h"
#include "drive.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "os/sock.h"
#include "time_shift.h"

#define ADDRS 4

static struct loop *loop;
static struct guard *guard;
static struct dns *dns;
static struct drive drive;
static struct addr addrs[ADDRS]; /* 127.0.0.1 and on */
static struct cidr allowed[ADDRS];
static struct dns_static names[] = { { STR("a.example"), addrs, 2 },
    { STR("far.example"), NULL, 1 }, { STR("nowhere.example"), addrs, 0 } };
static struct addr far_addr;
static uint16_t port;

/* Listening at `i` of the addresses; the first chooses the port. */
static int
listen_at(unsigned i, int backlog)
{
    struct sockaddr_storage sa;
    struct addr a = addrs[i];
    a.port = port;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t n = addr_to_sockaddr(&a, &sa);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    addr_from_sockaddr((struct sockaddr *)&sa, &a);
    port = a.port;
    return fd;
}

static int
setup(void **state)
{
    (void)state;
    loop = loop_new();
    guard = guard_new(loop);
    drive_init(&drive, loop);
    port = 0;
    for (unsigned i = 0; i < ADDRS; i++) {
        addrs[i] = (struct addr){ 4, 0, { 127, 0, 0, (uint8_t)(i + 1) } };
        allowed[i] = (struct cidr){ addrs[i], 32 };
    }
    assert_true(addr_parse(STR("10.0.0.1"), &far_addr));
    names[1].addrs = &far_addr;
    struct addr server = { 4, 9, { 127, 0, 0, 1 } }; /* never asked */
    struct dns_conf conf = { .servers = &server,
        .n_servers = 1,
        .names = names,
        .n_names = LEN(names),
        .timeout = 0.1 };
    dns = dns_new(loop, &conf);
    return guard != NULL && dns != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    dns_free(dns);
    guard_free(guard);
    drive_fini(&drive);
    loop_free(loop);
    return 0;
}

static struct dial_args
args_of(const char *name)
{
    return (struct dial_args){ .loop = loop,
        .dns = dns,
        .guard = guard,
        .policy = { .allow = allowed, .n_allow = ADDRS },
        .name = str_of(name),
        .port = port,
        .timeout = 10 };
}

static void
assert_fails(
    const struct dial_args *args, enum dial_error want, const char *proxy_error)
{
    struct dial *d = dial_start(args, &drive.task);
    const struct dial_result *r = drive_dial(&drive, d);
    assert_int_equal(r->error, want);
    assert_string_equal(r->proxy_error, proxy_error);
    assert_true(r->text[0] != '\0');
    dial_free(d);
}

/* A connection of which the first byte of the peer's is read. */
static bool
has_byte(void *arg)
{
    char byte;
    size_t got;
    enum io r = stream_read(arg, &byte, 1, &got);
    assert_true(r == IO_OK || r == IO_AGAIN);
    return r == IO_OK;
}

static void
assert_connected(struct stream *s, int listener)
{
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    assert_int_equal(send(fd, "x", 1, 0), 1);
    drive_until(&drive, has_byte, s);
    close(fd);
}

static void
test_the_first_that_listens(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) { /* the other refuses */
        port = 0;
        int fd = listen_at(i, 8);
        struct dial_args args = args_of("a.example");
        struct dial *d = dial_start(&args, &drive.task);
        assert_null(dial_result(d));
        const struct dial_result *r = drive_dial(&drive, d);
        assert_int_equal(r->error, DIAL_OK);
        assert_null(r->proxy_error);
        assert_true(addr_eq_ip(&r->addr, &addrs[i]));
        assert_int_equal(r->addr.port, port);
        struct stream *s = dial_take(d, &drive.task);
        dial_free(d);
        assert_connected(s, fd);
        stream_close(s);
        close(fd);
    }
}

/* A unix socket; with a full backlog it is tried again until there is room. */
static void
test_a_unix_socket(void **state)
{
    (void)state;
    struct tmp_dir dir;
    tmp_dir_make(&dir);
    const char *path = tmp_dir_path(&dir, "s");
    struct dial_args args = args_of(path);
    args.policy = (struct guard_policy){ .is_own_service = true };
    args.addr.family = ADDR_UNIX;
    assert_fails(&args, DIAL_UNREACHABLE, "destination_ip_unroutable");
    int listener = sock_listen_unix(path, 0, 0600);
    assert_true(listener >= 0);
    struct dial *first = dial_start(&args, &drive.task);
    const struct dial_result *r = drive_dial(&drive, first);
    assert_int_equal(r->error, DIAL_OK);
    assert_int_equal(r->addr.family, ADDR_UNIX);
    struct dial *second = dial_start(&args, &drive.task);
    args.timeout = 0.12;
    assert_fails(&args, DIAL_TIMEOUT, "connection_timeout");
    assert_null(dial_result(second));
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    assert_int_equal(drive_dial(&drive, second)->error, DIAL_OK);
    args.policy.is_own_service = false;
    assert_fails(&args, DIAL_DENIED, "destination_ip_prohibited");
    dial_free(first);
    dial_free(second);
    close(fd);
    close(listener);
    tmp_dir_remove(&dir);
}

static void
test_an_address_is_dialled_as_it_is(void **state)
{
    (void)state;
    int fd = listen_at(2, 8);
    struct dial_args args = args_of(NULL);
    args.addr = addrs[2];
    struct dial *d = dial_start(&args, &drive.task);
    assert_int_equal(drive_dial(&drive, d)->error, DIAL_OK);
    dial_free(d); /* with its stream */
    int got = accept(fd, NULL, NULL);
    char byte;
    assert_int_equal(recv(got, &byte, 1, 0), 0);
    close(got);
    close(fd);
}

static void
test_what_fails(void **state)
{
    (void)state;
    int fd = listen_at(3, 8); /* for the port alone */
    struct dial_args args = args_of("a.example");
    assert_fails(&args, DIAL_REFUSED, "connection_refused");
    args = args_of("far.example");
    assert_fails(&args, DIAL_DENIED, "destination_ip_prohibited");
    args = args_of("a.example");
    args.policy.n_allow = 0;
    assert_fails(&args, DIAL_DENIED, "destination_ip_prohibited");
    args = args_of(NULL);
    args.addr = far_addr;
    assert_fails(&args, DIAL_DENIED, "destination_ip_prohibited");
    args = args_of("nowhere.example");
    assert_fails(&args, DIAL_NO_NAME, "dns_error");
    args = args_of("unknown.example");
    struct dial *d = dial_start(&args, &drive.task);
    assert_int_not_equal(drive_dial(&drive, d)->error, DIAL_OK);
    dial_free(d);
    close(fd);
}

/* A name that is refused and one that is not there take the same time. */
static void
test_what_is_not_told(void **state)
{
    static const char *const all[] = { "far.example", "nowhere.example" };
    (void)state;
    for (size_t i = 0; i < LEN(all); i++) {
        struct dial_args args = args_of(all[i]);
        args.is_discreet = true;
        clock_update();
        double start = clock_mono();
        struct dial *d = dial_start(&args, &drive.task);
        assert_int_equal(
            drive_dial(&drive, d)->error, i == 0 ? DIAL_DENIED : DIAL_NO_NAME);
        assert_true(clock_mono() >= start + DIAL_DISCREET);
        assert_int_equal(dial_result(d)->why != NULL, i == 0);
        dial_free(d);
        d = dial_start(&args, &drive.task);
        dial_free(d); /* before its end */
    }
}

/* Only what the guard passes is dialled, though all of it was resolved. */
static void
test_some_are_denied(void **state)
{
    (void)state;
    int first = listen_at(0, 8), second = listen_at(1, 8);
    struct dial_args args = args_of("a.example");
    args.policy.allow = &allowed[1];
    args.policy.n_allow = 1;
    struct dial *d = dial_start(&args, &drive.task);
    const struct dial_result *r = drive_dial(&drive, d);
    assert_int_equal(r->error, DIAL_OK);
    assert_true(addr_eq_ip(&r->addr, &addrs[1]));
    dial_free(d);
    assert_int_equal(accept(first, NULL, NULL), -1);
    close(first);
    close(second);
}

/* A listener that answers no more: its queue is full. */
struct full {
    int fd, clients[16];
};

static void
full_open(struct full *f, unsigned i)
{
    struct sockaddr_storage sa;
    f->fd = listen_at(i, 0);
    struct addr a = addrs[i];
    a.port = port;
    socklen_t n = addr_to_sockaddr(&a, &sa);
    for (size_t k = 0; k < LEN(f->clients); k++) {
        f->clients[k] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(f->clients[k], (struct sockaddr *)&sa, n);
    }
}

static void
full_close(struct full *f)
{
    for (size_t k = 0; k < LEN(f->clients); k++) {
        close(f->clients[k]);
    }
    close(f->fd);
}

/* The second is tried while the first does not answer. */
static void
test_happy_eyeballs(void **state)
{
    (void)state;
    struct full f;
    full_open(&f, 0);
    int second = listen_at(1, 8);
    struct dial_args args = args_of("a.example");
    struct dial *d = dial_start(&args, &drive.task);
    const struct dial_result *r = drive_dial(&drive, d);
    assert_int_equal(r->error, DIAL_OK);
    assert_true(addr_eq_ip(&r->addr, &addrs[1]));
    dial_free(d);
    close(second);
    full_close(&f);
}

static void
test_a_timeout(void **state)
{
    (void)state;
    struct full f;
    full_open(&f, 0);
    struct dial_args args = args_of(NULL);
    args.addr = addrs[0];
    args.timeout = 0.05;
    assert_fails(&args, DIAL_TIMEOUT, "connection_timeout");
    struct dial *d = dial_start(&args, &drive.task);
    dial_free(d); /* before its first step */
    full_close(&f);
}

/* The stream's events still come to the dial until it is taken: they are no
 * reason to dial the next address. */
static void
test_a_result_that_is_not_taken_at_once(void **state)
{
    (void)state;
    int first = listen_at(0, 8), second = listen_at(1, 8);
    struct dial_args args = args_of("a.example");
    struct dial *d = dial_start(&args, &drive.task);
    assert_int_equal(drive_dial(&drive, d)->error, DIAL_OK);
    int fd = accept(first, NULL, NULL);
    time_shift(5);
    assert_int_equal(send(fd, "xy", 2, 0), 2);
    for (unsigned i = 0; i < 4; i++) {
        drive_turn(&drive);
    }
    assert_int_equal(accept(second, NULL, NULL), -1);
    assert_true(addr_eq_ip(&dial_result(d)->addr, &addrs[0]));
    struct stream *s = dial_take(d, &drive.task);
    dial_free(d);
    drive_until(&drive, has_byte, s);
    stream_close(s);
    close(fd);
    close(first);
    close(second);
}

/* A server that takes one connection, with TLS. */
struct origin {
    int fd;
    struct watch watch;
    struct tls_server *tls;
    struct cert cert;
    struct task task;
    struct stream *stream;
    bool hangs_up;
};

static int
on_use_cert(void *arg, struct ssl_st *ssl)
{
    struct origin *o = arg;
    AN(SSL_use_certificate(ssl, o->cert.x509));
    AN(SSL_use_PrivateKey(ssl, o->cert.key));
    return 1;
}

static const struct step *
run_origin(struct task *t)
{
    struct origin *o = container_of(t, struct origin, task);
    if (stream_handshake(o->stream) == IO_ERR) {
        stream_shutdown(o->stream);
    }
    return TASK_WAIT;
}

static const struct step step_origin = { "origin", run_origin };

static void
on_origin(struct watch *w, int events)
{
    struct origin *o = container_of(w, struct origin, watch);
    struct tls_accept_args args = {
        .name = STR("a.example"), .use_cert = on_use_cert, .arg = o
    };
    (void)events;
    int fd = accept4(o->fd, NULL, NULL, SOCK_NONBLOCK);
    if (o->hangs_up) {
        close(fd);
        return;
    }
    stream_close(o->stream);
    o->stream =
        tls_accept(o->tls, tcp_new(loop, fd, &o->task), &args, &o->task);
    task_wake(&o->task);
}

static void
origin_open(struct origin *o, const struct cert *ca, const char *san)
{
    *o = (struct origin){ .fd = listen_at(0, 8), .tls = tls_server_new(-1) };
    cert_make(&o->cert, ca, "leaf", san);
    task_init(&o->task, loop, &step_origin, NULL);
    watch_init(&o->watch, loop, o->fd, on_origin);
    watch_set(&o->watch, WATCH_READ);
}

static void
origin_close(struct origin *o)
{
    stream_close(o->stream);
    watch_set(&o->watch, 0);
    close(o->fd);
    task_fini(&o->task);
    tls_server_free(o->tls);
    cert_fini(&o->cert);
}

static enum dial_error
dial_tls(
    struct tls_client *c, const struct cert *ca, const char *san, bool hangs_up)
{
    struct origin o;
    port = 0;
    origin_open(&o, ca, san);
    o.hangs_up = hangs_up;
    struct dial_args args = args_of("a.example");
    args.tls = c;
    struct dial *d = dial_start(&args, &drive.task);
    const struct dial_result *r = drive_dial(&drive, d);
    enum dial_error error = r->error;
    assert_int_equal(error == DIAL_OK, r->proxy_error == NULL);
    dial_free(d);
    origin_close(&o);
    return error;
}

static void
test_tls(void **state)
{
    (void)state;
    struct tmp_dir dir;
    struct cert ca, other;
    char err[256];
    tmp_dir_make(&dir);
    cert_make(&ca, NULL, "CA", NULL);
    cert_make(&other, NULL, "another CA", NULL);
    cert_write(&ca, tmp_dir_path(&dir, "ca.pem"));
    struct tls_client_args args = { .ca_file =
                                        str_of(tmp_dir_path(&dir, "ca.pem")),
        .versions = TLS_ANY,
        .depth = TLS_DEPTH_MAX };
    struct tls_client *c = tls_client_new(&args, err, sizeof err);
    assert_non_null(c);
    assert_int_equal(dial_tls(c, &ca, "DNS:a.example", false), DIAL_OK);
    assert_int_equal(dial_tls(c, &ca, "DNS:b.example", false), DIAL_UNTRUSTED);
    assert_int_equal(
        dial_tls(c, &other, "DNS:a.example", false), DIAL_UNTRUSTED);
    assert_int_equal(dial_tls(c, &ca, "DNS:a.example", true), DIAL_TLS);
    tls_client_free(c);
    cert_fini(&ca);
    cert_fini(&other);
    tmp_dir_remove(&dir);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_first_that_listens),
        TEST(test_an_address_is_dialled_as_it_is),
        TEST(test_a_unix_socket),
        TEST(test_what_fails),
        TEST(test_some_are_denied),
        TEST(test_what_is_not_told),
        TEST(test_happy_eyeballs),
        TEST(test_a_timeout),
        TEST(test_a_result_that_is_not_taken_at_once),
        TEST(test_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
