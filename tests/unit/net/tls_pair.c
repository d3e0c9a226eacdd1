/*
 * Both ends of a TLS connection over a socketpair.
 */

#include "tls_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "../conf/tmp_dir.h"
#include "net/tcp.h"

struct loop *pair_loop;
static struct tmp_dir dir;
struct cert pair_ca, pair_other_ca;
struct tls_server *pair_server;
static struct tls_client *client;

static struct tls_client *
client_new(const char *file)
{
    char err[256];
    struct tls_client_args args = {
        .ca_file = str_of(file), .versions = TLS_ANY, .depth = TLS_DEPTH_MAX
    };
    struct tls_client *c = tls_client_new(&args, err, sizeof err);
    assert_non_null(c);
    return c;
}

int
pair_setup_all(void **state)
{
    (void)state;
    tmp_dir_make(&dir);
    cert_make(&pair_ca, NULL, "test CA", NULL);
    cert_make(&pair_other_ca, NULL, "another CA", NULL);
    cert_write(&pair_ca, tmp_dir_path(&dir, "ca.pem"));
    return 0;
}

int
pair_teardown_all(void **state)
{
    (void)state;
    cert_fini(&pair_ca);
    cert_fini(&pair_other_ca);
    tmp_dir_remove(&dir);
    bufq_trim();
    return 0;
}

int
pair_setup(void **state)
{
    (void)state;
    pair_loop = loop_new();
    pair_server = tls_server_new(-1);
    client = client_new(tmp_dir_path(&dir, "ca.pem"));
    return 0;
}

int
pair_teardown(void **state)
{
    (void)state;
    tls_client_free(client);
    tls_server_free(pair_server);
    loop_free(pair_loop);
    return 0;
}

static int
on_use_cert(void *arg, struct ssl_st *ssl)
{
    struct pair *p = arg;
    p->asked++;
    if (p->wait > 0) {
        p->wait--;
        task_wake(&p->drive.task);
        return 0;
    }
    if (p->wait < 0) {
        return -1;
    }
    AN(SSL_use_certificate(ssl, p->cert.x509));
    AN(SSL_use_PrivateKey(ssl, p->cert.key));
    return 1;
}

void
pair_open_server(struct pair *p, const struct sides *s, int fd)
{
    struct tls_accept_args args = {
        .name = str_of(s->sni), .use_cert = on_use_cert, .arg = p
    };
    if (s->sid_ctx != NULL) {
        memcpy(args.sid_ctx, s->sid_ctx, strlen(s->sid_ctx));
    }
    p->wait = s->wait;
    cert_make(&p->cert, s->ca != NULL ? s->ca : &pair_ca, "leaf", s->san);
    p->server = tls_accept(pair_server, tcp_new(pair_loop, fd, &p->drive.task),
        &args, &p->drive.task);
}

void
pair_open(struct pair *p, const struct sides *s)
{
    int fds[2];
    struct tls_connect_args args = {
        .name = str_of(s->name), .port = 443, .serial = s->serial
    };
    *p = (struct pair){ .server_io = IO_AGAIN, .client_io = IO_AGAIN };
    if (s->ip != NULL) {
        assert_true(addr_parse(str_of(s->ip), &args.ip));
    }
    drive_pair(fds);
    drive_init(&p->drive, pair_loop);
    pair_open_server(p, s, fds[0]);
    p->client = tls_connect(client, tcp_new(pair_loop, fds[1], &p->drive.task),
        &args, &p->drive.task);
}

/* A failed end closes, so that the other learns of it. */
enum io
pair_shake_one(struct stream **s, enum io before)
{
    if (before != IO_AGAIN) {
        return before;
    }
    enum io r = stream_handshake(*s);
    if (r != IO_AGAIN && r != IO_OK) {
        stream_shutdown(*s);
    }
    return r;
}

static bool
both_shook(void *arg)
{
    struct pair *p = arg;
    p->server_io = pair_shake_one(&p->server, p->server_io);
    p->client_io = pair_shake_one(&p->client, p->client_io);
    return p->server_io != IO_AGAIN && p->client_io != IO_AGAIN;
}

void
pair_go_on(struct pair *p)
{
    drive_until(&p->drive, both_shook, p);
}

void
pair_shake(struct pair *p, const struct sides *s)
{
    pair_open(p, s);
    pair_go_on(p);
}

void
pair_shake_within(struct pair *p, const struct sides *s)
{
    struct tls_accept_args accept = {
        .name = str_of(s->sni), .use_cert = on_use_cert, .arg = p
    };
    struct tls_connect_args connect = { .name = str_of(s->name), .port = 443 };
    p->server_io = p->client_io = IO_AGAIN;
    p->server = tls_accept(pair_server, p->server, &accept, &p->drive.task);
    p->client = tls_connect(client, p->client, &connect, &p->drive.task);
    pair_go_on(p);
    assert_int_equal(p->server_io, IO_OK);
    assert_int_equal(p->client_io, IO_OK);
}

void
pair_close(struct pair *p)
{
    stream_close(p->server);
    stream_close(p->client);
    cert_fini(&p->cert);
    drive_fini(&p->drive);
}

static bool
has_come(void *arg)
{
    struct receipt *r = arg;
    while (r->io == IO_OK && r->n < r->want) {
        size_t got = 0;
        r->io = stream_read(r->from, r->text + r->n, r->want - r->n, &got);
        r->n += r->io == IO_OK ? got : 0;
    }
    bool is_dry = r->io == IO_AGAIN;
    r->io = is_dry ? IO_OK : r->io;
    return !is_dry;
}

enum io
pair_receive(
    struct pair *p, struct stream *from, struct receipt *r, size_t want)
{
    *r = (struct receipt){ .from = from, .want = want };
    drive_until(&p->drive, has_come, r);
    return r->io;
}

void
pair_assert_talk(struct pair *p, struct stream *from, struct stream *to)
{
    size_t put = 0;
    struct receipt r;
    assert_int_equal(stream_write(from, "hello", 5, &put), IO_OK);
    assert_int_equal(put, 5);
    assert_int_equal(pair_receive(p, to, &r, 5), IO_OK);
    assert_memory_equal(r.text, "hello", 5);
}
const struct sides pair_usual = {
    .sni = "a.example", .name = "a.example", .san = "DNS:a.example"
};
