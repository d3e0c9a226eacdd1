/*
 * See answer_fixture.h.
 */

#include "answer_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "../conf/tmp_dir.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "os/sock.h"

struct af af;
static struct tmp_dir dir;

/* The handler */

static void
on_ask(struct answer *a, void *arg)
{
    struct str path = a->request->path;
    assert_ptr_equal(arg, &af);
    assert_ptr_equal(a->place, &dir);
    af.asked++;
    if (str_eq(path, STR("/hello"))) {
        answer_add(a, STR("X-Kind"), STR("greeting"));
        answer_give(a, 200, STR("hello"));
    } else if (str_eq(path, STR("/echo"))) {
        answer_give(a, 200, a->body);
    } else if (str_eq(path, STR("/big"))) {
        static const char zeroes[1024];
        struct buf b;
        buf_init(&b, 1 << 20);
        for (unsigned i = 0; i < 1024; i++) {
            assert_true(buf_add(&b, str_n(zeroes, sizeof zeroes)));
        }
        answer_give(a, 200, buf_str(&b));
        buf_fini(&b);
    } else if (str_eq(path, STR("/later")) || str_eq(path, STR("/events"))) {
        af.held = a;
    } else {
        answer_give(a, 404, STR("nothing"));
    }
    if (str_eq(path, STR("/events"))) {
        answer_begin(a, 200);
    }
    task_wake(&af.drive.task);
}

static void
on_room(struct answer *a, void *arg)
{
    (void)arg;
    assert_ptr_equal(a, af.held);
    af.rooms++;
    task_wake(&af.drive.task);
}

static void
on_end(struct answer *a, void *arg)
{
    (void)arg;
    af.held = af.held == a ? NULL : af.held;
    af.ended++;
    task_wake(&af.drive.task);
}

/* The server */

static const struct step *
run_waiter(struct task *t)
{
    af.is_drained = answer_server_conns(af.server) == 0;
    task_wake(&af.drive.task);
    task_wait(t, TASK_NEVER, NULL, NULL);
    return TASK_WAIT;
}

static const struct step step_waiter = { "test: drained", run_waiter };

void
af_listen(int fd, struct tls_server *tls)
{
    struct answer_listen l = {
        .fd = fd, .tls = tls, .max = AF_CLIENTS, .place = &dir
    };
    assert_true(fd >= 0);
    answer_server_listen(af.server, &l);
}

int
af_set_up(void **state)
{
    (void)state;
    af = (struct af){ .loop = loop_new() };
    tmp_dir_make(&dir);
    drive_init(&af.drive, af.loop);
    task_init(&af.waiter, af.loop, &step_waiter, NULL);
    struct answer_conf conf = { .loop = af.loop,
        .handler = { .on_ask = on_ask,
            .on_room = on_room,
            .on_end = on_end,
            .arg = &af },
        .body_max = AF_BODY_MAX,
        .head_timeout = AF_HEAD_TIMEOUT,
        .body_timeout = AF_BODY_TIMEOUT,
        .idle_timeout = AF_IDLE_TIMEOUT,
        .write_timeout = AF_WRITE_TIMEOUT,
        .linger_timeout = AF_LINGER_TIMEOUT };
    af.server = answer_server_new(&conf);
    af_listen(sock_listen_unix(tmp_dir_path(&dir, "s"), 8, 0600), NULL);
    return 0;
}

struct tls_client *
af_trusting(const struct cert *ca)
{
    char err[256];
    const char *path = tmp_dir_path(&dir, "ca.pem");
    cert_write(ca, path);
    struct tls_client_args args = {
        .ca_file = str_of(path), .versions = TLS_ANY, .depth = TLS_DEPTH_MAX
    };
    struct tls_client *c = tls_client_new(&args, err, sizeof err);
    assert_non_null(c);
    return c;
}

static struct tls_server *
own_server(const struct cert *ca)
{
    struct cert leaf;
    char file[256], key[256], err[256];
    snprintf(file, sizeof file, "%s", tmp_dir_path(&dir, "leaf.pem"));
    snprintf(key, sizeof key, "%s", tmp_dir_path(&dir, "leaf.key"));
    cert_make(&leaf, ca, "leaf", "DNS:" AF_TLS_NAME);
    cert_write(&leaf, file);
    cert_write_key(&leaf, key, NULL);
    cert_fini(&leaf);
    struct tls_server *s = tls_server_own(file, key, err, sizeof err);
    assert_non_null(s);
    return s;
}

int
af_set_up_tls(void **state)
{
    struct cert ca;
    af_set_up(state);
    cert_make(&ca, NULL, "test CA", NULL);
    af.tls_server = own_server(&ca);
    af.tls_client = af_trusting(&ca);
    cert_fini(&ca);
    af_listen(
        sock_listen_unix(tmp_dir_path(&dir, "t"), 8, 0600), af.tls_server);
    return 0;
}

int
af_set_up_one_byte(void **state)
{
    tcp_set_one_byte(true);
    return af_set_up(state);
}

int
af_tear_down(void **state)
{
    (void)state;
    answer_server_free(af.server);
    assert_null(af.held);
    assert_int_equal(af.asked, af.ended);
    task_fini(&af.waiter);
    drive_fini(&af.drive);
    if (af.tls_server != NULL) {
        tls_server_free(af.tls_server);
        tls_client_free(af.tls_client);
    }
    loop_free(af.loop);
    tmp_dir_remove(&dir);
    tcp_set_one_byte(false);
    bufq_trim();
    return 0;
}

/* The clients */

static void
connect_to(struct af_client *c, const char *file)
{
    const char *path = tmp_dir_path(&dir, file);
    *c = (struct af_client){ .io = IO_OK };
    c->stream = tcp_connect_unix(af.loop, str_of(path), &af.drive.task);
    assert_non_null(c->stream);
    buf_init(&c->got, 8 << 20);
}

void
af_connect(struct af_client *c)
{
    connect_to(c, "s");
}

static bool
has_shaken(void *arg)
{
    enum io r = stream_handshake(((struct af_client *)arg)->stream);
    assert_true(r == IO_OK || r == IO_AGAIN);
    return r == IO_OK;
}

void
af_connect_tls(struct af_client *c)
{
    struct tls_connect_args args = { .name = STR(AF_TLS_NAME) };
    connect_to(c, "t");
    c->stream = tls_connect(af.tls_client, c->stream, &args, &af.drive.task);
    drive_until(&af.drive, has_shaken, c);
}

void
af_leave(struct af_client *c)
{
    stream_close(c->stream);
    buf_fini(&c->got);
    c->stream = NULL;
}

static bool
has_left(void *arg)
{
    struct bufq *q = ((void **)arg)[1];
    enum io r = stream_flush(((void **)arg)[0], q);
    assert_true(r == IO_OK || r == IO_AGAIN);
    return r == IO_OK;
}

void
af_say_n(struct af_client *c, const char *p, size_t n)
{
    struct bufq q;
    void *args[2] = { c->stream, &q };
    bufq_init(&q, SIZE_MAX);
    bufq_mark_secret(&q);
    bufq_append(&q, str_n(p, n));
    drive_until(&af.drive, has_left, args);
}

void
af_say(struct af_client *c, const char *text)
{
    af_say_n(c, text, strlen(text));
}

static void
take_in(struct af_client *c)
{
    c->io = IO_OK;
    while (c->io == IO_OK) {
        size_t got = 0;
        char *to = buf_reserve(&c->got, 4096);
        assert_non_null(to);
        c->io = stream_read(c->stream, to, 4096, &got);
        c->got.n += c->io == IO_OK ? got : 0;
    }
}

static bool
has_text(void *arg)
{
    struct af_client *c = arg;
    take_in(c);
    char *at = memmem(c->got.p, c->got.n, c->text, strlen(c->text));
    if (at == NULL && c->io != IO_AGAIN) {
        fail_msg("closed behind '%.*s'", STR_ARG(buf_str(&c->got)));
    }
    if (at != NULL) {
        buf_consume(&c->got, (size_t)(at - c->got.p) + strlen(c->text));
    }
    return at != NULL;
}

void
af_gets(struct af_client *c, const char *text)
{
    c->text = text;
    drive_until(&af.drive, has_text, c);
}

static bool
has_body(void *arg)
{
    struct af_client *c = arg;
    take_in(c);
    return c->got.n >= c->want || c->io != IO_AGAIN;
}

static size_t
length_of(struct str head)
{
    char *at = memmem(head.p, head.n, "Content-Length: ", 16);
    assert_non_null(at);
    return strtoul(at + 16, NULL, 10);
}

static bool
has_head(void *arg)
{
    struct af_client *c = arg;
    take_in(c);
    char *at = memmem(c->got.p, c->got.n, "\r\n\r\n", 4);
    if (at == NULL && c->io != IO_AGAIN) {
        fail_msg("closed behind '%.*s'", STR_ARG(buf_str(&c->got)));
    }
    c->want = at != NULL ? (size_t)(at - c->got.p) + 4 : 0;
    return at != NULL;
}

void
af_answers(struct af_client *c, unsigned status, const char *body)
{
    drive_until(&af.drive, has_head, c);
    struct str head = str_n(c->got.p, c->want);
    assert_true(head.n > 12);
    assert_memory_equal(head.p, "HTTP/1.1 ", 9);
    unsigned long got = strtoul(head.p + 9, NULL, 10);
    if (got != status) {
        fail_msg("%u expected: %.*s", status, STR_ARG(head));
    }
    size_t n = length_of(head);
    buf_consume(&c->got, c->want);
    c->want = n;
    drive_until(&af.drive, has_body, c);
    assert_true(c->got.n >= n);
    if (body != NULL) {
        assert_int_equal(n, strlen(body));
        assert_memory_equal(c->got.p, body, n);
    }
    buf_consume(&c->got, n);
}

static bool
is_over(void *arg)
{
    struct af_client *c = arg;
    take_in(c);
    return c->io != IO_AGAIN;
}

void
af_is_cut(struct af_client *c)
{
    drive_until(&af.drive, is_over, c);
    af_leave(c);
}

void
af_is_closed(struct af_client *c)
{
    drive_until(&af.drive, is_over, c);
    assert_int_equal(c->got.n, 0);
    af_leave(c);
}

void
af_is_quiet(struct af_client *c)
{
    for (unsigned i = 0; i < 3; i++) {
        drive_turn(&af.drive);
    }
    take_in(c);
    assert_int_equal(c->io, IO_AGAIN);
    assert_int_equal(c->got.n, 0);
}

static bool
are_asked(void *arg)
{
    return af.asked >= *(unsigned *)arg;
}

void
af_asked(unsigned n)
{
    drive_until(&af.drive, are_asked, &n);
    assert_int_equal(af.asked, n);
}

static bool
are_ended(void *arg)
{
    return af.ended >= *(unsigned *)arg;
}

void
af_ended(unsigned n)
{
    drive_until(&af.drive, are_ended, &n);
    assert_int_equal(af.ended, n);
}
