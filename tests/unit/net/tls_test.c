/* The TLS layer: whom it believes, what it resumes, how it ends. */

#include "net/tls.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "../conf/tmp_dir.h"
#include "cert.h"
#include "drive.h"
#include "net/tcp.h"
#include "os/ticket_keys.h"

static struct loop *loop;
static struct tmp_dir dir;
static struct cert ca, other_ca;
static struct tls_server *server;
static struct tls_client *client;

static struct tls_client *
client_new(const char *file)
{
    char err[256];
    struct tls_client *c = tls_client_new(file, err, sizeof err);
    assert_non_null(c);
    return c;
}

static int
setup_all(void **state)
{
    (void)state;
    tmp_dir_make(&dir);
    cert_make(&ca, NULL, "test CA", NULL);
    cert_make(&other_ca, NULL, "another CA", NULL);
    cert_write(&ca, tmp_dir_path(&dir, "ca.pem"));
    return 0;
}

static int
teardown_all(void **state)
{
    (void)state;
    cert_fini(&ca);
    cert_fini(&other_ca);
    tmp_dir_remove(&dir);
    bufq_trim();
    return 0;
}

static int
setup(void **state)
{
    (void)state;
    loop = loop_new();
    server = tls_server_new(-1);
    client = client_new(tmp_dir_path(&dir, "ca.pem"));
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    tls_client_free(client);
    tls_server_free(server);
    loop_free(loop);
    return 0;
}

/* Both ends of one connection. */
struct pair {
    struct drive drive;
    struct stream *server, *client;
    enum io server_io, client_io;
    struct cert cert;
    int wait; /* how often the certificate is not there yet */
    int asked;
};

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

struct sides {
    const char *sni;     /* what the server judged; NULL: none */
    const char *sid_ctx; /* what its tickets are for */
    const char *name;    /* whom the client wants; NULL: `ip` */
    const char *ip;
    const char *san;
    const struct cert *ca; /* NULL: the trusted one */
    uint64_t serial;
    int wait;
};

static void
open_server(struct pair *p, const struct sides *s, int fd)
{
    struct tls_accept_args args = {
        .name = str_of(s->sni), .use_cert = on_use_cert, .arg = p
    };
    if (s->sid_ctx != NULL) {
        memcpy(args.sid_ctx, s->sid_ctx, strlen(s->sid_ctx));
    }
    p->wait = s->wait;
    cert_make(&p->cert, s->ca != NULL ? s->ca : &ca, "leaf", s->san);
    p->server = tls_accept(
        server, tcp_new(loop, fd, &p->drive.task), &args, &p->drive.task);
}

static void
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
    drive_init(&p->drive, loop);
    open_server(p, s, fds[0]);
    p->client = tls_connect(
        client, tcp_new(loop, fds[1], &p->drive.task), &args, &p->drive.task);
}

/* A failed end closes, so that the other learns of it. */
static enum io
shake(struct stream **s, enum io before)
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
    p->server_io = shake(&p->server, p->server_io);
    p->client_io = shake(&p->client, p->client_io);
    return p->server_io != IO_AGAIN && p->client_io != IO_AGAIN;
}

static void
pair_shake(struct pair *p, const struct sides *s)
{
    pair_open(p, s);
    drive_until(&p->drive, both_shook, p);
}

static void
pair_close(struct pair *p)
{
    stream_close(p->server);
    stream_close(p->client);
    cert_fini(&p->cert);
    drive_fini(&p->drive);
}

/* What is sent to `from` comes out of it, or how it ended. */
struct receipt {
    struct stream *from;
    char text[64];
    size_t n, want;
    enum io io;
};

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

static enum io
receive(struct pair *p, struct stream *from, struct receipt *r, size_t want)
{
    *r = (struct receipt){ .from = from, .want = want };
    drive_until(&p->drive, has_come, r);
    return r->io;
}

static void
assert_talk(struct pair *p, struct stream *from, struct stream *to)
{
    size_t put = 0;
    struct receipt r;
    assert_int_equal(stream_write(from, "hello", 5, &put), IO_OK);
    assert_int_equal(put, 5);
    assert_int_equal(receive(p, to, &r, 5), IO_OK);
    assert_memory_equal(r.text, "hello", 5);
}

static const struct sides usual = {
    .sni = "a.example", .name = "a.example", .san = "DNS:a.example"
};

static void
test_a_verified_name(void **state)
{
    (void)state;
    struct pair p;
    pair_shake(&p, &usual);
    assert_int_equal(p.server_io, IO_OK);
    assert_int_equal(p.client_io, IO_OK);
    assert_int_equal(p.asked, 1);
    assert_string_equal(tls_error(p.client), "");
    assert_false(tls_is_untrusted(p.client) || tls_is_resumed(p.client));
    assert_talk(&p, p.client, p.server);
    assert_talk(&p, p.server, p.client);
    stream_park(p.client);
    stream_park(p.server);
    assert_talk(&p, p.server, p.client);
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
    struct sides s = usual;
    s.ca = &other_ca;
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
        struct sides s = usual;
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
    struct sides s = usual;
    s.wait = 3;
    pair_shake(&p, &s);
    assert_int_equal(p.server_io, IO_OK);
    assert_int_equal(p.asked, 4);
    assert_talk(&p, p.client, p.server);
    pair_close(&p);
    s.wait = -1; /* there is none */
    pair_shake(&p, &s);
    assert_int_equal(p.server_io, IO_ERR);
    assert_int_equal(p.client_io, IO_ERR);
    pair_close(&p);
}

/* Connects, and takes the ticket that comes with the first data. */
static bool
is_resumed(const struct sides *s)
{
    struct pair p;
    pair_shake(&p, s);
    assert_int_equal(p.client_io, IO_OK);
    assert_talk(&p, p.server, p.client);
    bool resumed = tls_is_resumed(p.client);
    assert_int_equal(tls_is_resumed(p.server), resumed);
    assert_int_equal(p.asked, resumed ? 0 : 1);
    pair_close(&p);
    return resumed;
}

static void
test_sessions_are_resumed_for_the_same_alone(void **state)
{
    (void)state;
    struct sides s = usual;
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
    tls_server_free(server);
    server = tls_server_new(-1); /* and its keys */
    assert_false(is_resumed(&s));
}

/* A client of OpenSSL's, over a descriptor that wakes the pair's task. */
struct raw {
    SSL_CTX *ctx;
    SSL *ssl;
    struct watch watch;
    struct pair *pair;
    enum io io;
    SSL_SESSION *session; /* the last that came */
};

static int
on_raw_session(SSL *ssl, SSL_SESSION *session)
{
    struct raw *r = SSL_get_app_data(ssl);
    SSL_SESSION_free(r->session);
    r->session = session;
    return 1;
}

static void
on_raw_ready(struct watch *w, int events)
{
    struct raw *r = container_of(w, struct raw, watch);
    (void)events;
    task_wake(&r->pair->drive.task);
}

static void
raw_init(struct raw *r, int min, int max)
{
    *r = (struct raw){ .ctx = SSL_CTX_new(TLS_client_method()) };
    SSL_CTX_set_min_proto_version(r->ctx, min);
    SSL_CTX_set_max_proto_version(r->ctx, max);
    SSL_CTX_set_security_level(r->ctx, 0);
    SSL_CTX_set_session_cache_mode(r->ctx, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(r->ctx, on_raw_session);
}

static void
raw_fini(struct raw *r)
{
    SSL_SESSION_free(r->session);
    SSL_CTX_free(r->ctx);
}

static void
raw_open(struct raw *r, struct pair *p, const struct sides *s)
{
    int fds[2];
    *p = (struct pair){ .server_io = IO_AGAIN };
    drive_pair(fds);
    drive_init(&p->drive, loop);
    open_server(p, s, fds[0]);
    r->pair = p;
    r->io = IO_AGAIN;
    r->ssl = SSL_new(r->ctx);
    AN(SSL_set_fd(r->ssl, fds[1]));
    SSL_set_app_data(r->ssl, r);
    SSL_set_tlsext_host_name(r->ssl, s->name);
    SSL_set_connect_state(r->ssl);
    watch_init(&r->watch, loop, fds[1], on_raw_ready);
}

/* The descriptor is edge for nobody: watched only while it is waited for. */
static enum io
raw_result(struct raw *r, int n)
{
    int err = SSL_get_error(r->ssl, n);
    enum io io = err == SSL_ERROR_NONE          ? IO_OK
                 : err == SSL_ERROR_WANT_READ   ? IO_AGAIN
                 : err == SSL_ERROR_ZERO_RETURN ? IO_EOF
                                                : IO_ERR;
    watch_set(&r->watch, io == IO_AGAIN ? WATCH_READ : 0);
    return io;
}

static bool
raw_shook(void *arg)
{
    struct raw *r = arg;
    struct pair *p = r->pair;
    p->server_io = shake(&p->server, p->server_io);
    if (r->io == IO_AGAIN) {
        ERR_clear_error();
        r->io = raw_result(r, SSL_do_handshake(r->ssl));
        if (r->io == IO_ERR) {
            shutdown(SSL_get_fd(r->ssl), SHUT_WR);
        }
    }
    return r->io != IO_AGAIN && p->server_io != IO_AGAIN;
}

static void
raw_close(struct raw *r)
{
    int fd = SSL_get_fd(r->ssl);
    watch_set(&r->watch, 0);
    SSL_free(r->ssl);
    close(fd);
    stream_close(r->pair->server);
    cert_fini(&r->pair->cert);
    drive_fini(&r->pair->drive);
}

static bool
raw_has_read(void *arg)
{
    struct raw *r = arg;
    char byte;
    ERR_clear_error();
    r->io = raw_result(r, SSL_read(r->ssl, &byte, 1));
    return r->io != IO_AGAIN;
}

/* One connection; `session` is offered. */
static bool
raw_is_resumed(struct raw *r, const struct sides *s, SSL_SESSION *session)
{
    struct pair p;
    size_t put;
    raw_open(r, &p, s);
    if (session != NULL) {
        AN(SSL_set_session(r->ssl, session));
    }
    drive_until(&p.drive, raw_shook, r);
    assert_int_equal(r->io, IO_OK);
    assert_int_equal(p.server_io, IO_OK);
    assert_int_equal(stream_write(p.server, "x", 1, &put), IO_OK);
    drive_until(&p.drive, raw_has_read, r);
    assert_int_equal(r->io, IO_OK);
    bool resumed = SSL_session_reused(r->ssl);
    assert_int_equal(p.asked, resumed ? 0 : 1);
    SSL_shutdown(r->ssl);
    raw_close(r);
    return resumed;
}

/* A client may offer the ticket of one name for another. */
static void
test_tickets_are_bound(void **state)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    (void)state;
    for (size_t i = 0; i < LEN(versions); i++) {
        struct raw r;
        struct sides a = usual, b = usual;
        a.sid_ctx = "a";
        b.sid_ctx = "b";
        b.name = b.sni = "b.example";
        raw_init(&r, versions[i], versions[i]);
        assert_false(raw_is_resumed(&r, &a, NULL));
        assert_non_null(r.session);
        SSL_SESSION *of_a = r.session;
        r.session = NULL;
        assert_true(raw_is_resumed(&r, &a, of_a));
        assert_false(raw_is_resumed(&r, &b, of_a));
        SSL_SESSION_free(of_a);
        raw_fini(&r);
    }
}

/* A keeper that died while it wrote the keys: no tickets, but connections. */
static void
test_without_ticket_keys(void **state)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    (void)state;
    struct ticket_keys keys = { .magic = TICKET_KEYS_MAGIC,
        .version = TICKET_KEYS_VERSION,
        .sequence = 1 };
    int fd = memfd_create("keys", MFD_CLOEXEC);
    assert_int_equal(write(fd, &keys, sizeof keys), sizeof keys);
    tls_server_free(server);
    server = tls_server_new(fd);
    assert_non_null(server);
    for (size_t i = 0; i < LEN(versions); i++) {
        struct raw r;
        raw_init(&r, versions[i], versions[i]);
        assert_false(raw_is_resumed(&r, &usual, NULL));
        assert_false(raw_is_resumed(&r, &usual, r.session));
        raw_fini(&r);
    }
    close(fd);
}

static void
test_old_versions_are_refused(void **state)
{
    (void)state;
    struct raw r;
    struct pair p;
    raw_init(&r, TLS1_VERSION, TLS1_1_VERSION);
    raw_open(&r, &p, &usual);
    drive_until(&p.drive, raw_shook, &r);
    assert_int_equal(r.io, IO_ERR);
    assert_int_equal(p.server_io, IO_ERR);
    assert_string_equal(tls_error(p.server), "unsupported protocol");
    raw_close(&r);
    raw_fini(&r);
}

static void
test_alpn(void **state)
{
    static const struct {
        const char *offer, *chosen;
        enum io io;
    } all[] = {
        { "\2h2\x08http/1.1", "http/1.1", IO_OK },
        { "\x08http/1.1", "http/1.1", IO_OK },
        { "\2h2", "", IO_ERR },
    };
    (void)state;
    for (size_t i = 0; i < LEN(all); i++) {
        struct raw r;
        struct pair p;
        const unsigned char *got = NULL;
        unsigned n = 0;
        raw_init(&r, TLS1_2_VERSION, TLS1_3_VERSION);
        raw_open(&r, &p, &usual);
        AZ(SSL_set_alpn_protos(r.ssl, (const uint8_t *)all[i].offer,
            (unsigned)strlen(all[i].offer)));
        drive_until(&p.drive, raw_shook, &r);
        assert_int_equal(r.io, all[i].io);
        SSL_get0_alpn_selected(r.ssl, &got, &n);
        assert_int_equal(n, strlen(all[i].chosen));
        if (n != 0) {
            assert_memory_equal(got, all[i].chosen, n);
        }
        raw_close(&r);
        raw_fini(&r);
    }
}

/* The server reads while the client tries. */
static bool
raw_was_answered(void *arg)
{
    struct raw *r = arg;
    char byte;
    size_t got;
    enum io io = stream_read(r->pair->server, &byte, 1, &got);
    assert_int_not_equal(io, IO_OK);
    ERR_clear_error();
    r->io = raw_result(r, SSL_do_handshake(r->ssl));
    return r->io != IO_AGAIN;
}

static void
test_renegotiation_is_refused(void **state)
{
    (void)state;
    struct raw r;
    struct pair p;
    raw_init(&r, TLS1_2_VERSION, TLS1_2_VERSION);
    raw_open(&r, &p, &usual);
    drive_until(&p.drive, raw_shook, &r);
    assert_int_equal(r.io, IO_OK);
    AN(SSL_renegotiate(r.ssl));
    drive_until(&p.drive, raw_was_answered, &r);
    assert_int_equal(r.io, IO_ERR);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    assert_int_equal(p.asked, 1);
    raw_close(&r);
    raw_fini(&r);
}

/* Key updates without end are read without end by OpenSSL; here they are an
 * error, and a few are not. */
static void
test_a_flood_of_key_updates(void **state)
{
    (void)state;
    static char flood[400000];
    struct raw r;
    struct pair p;
    char byte;
    size_t got = 0;
    raw_init(&r, TLS1_3_VERSION, TLS1_3_VERSION);
    raw_open(&r, &p, &usual);
    drive_until(&p.drive, raw_shook, &r);
    assert_int_equal(r.io, IO_OK);
    BIO *out = BIO_new(BIO_s_mem());
    SSL_set0_wbio(r.ssl, out);
    for (unsigned few = 0; few < 2; few++) {
        for (unsigned i = 0; i < (few == 0 ? 1000 : 8000); i++) {
            AN(SSL_key_update(r.ssl, SSL_KEY_UPDATE_NOT_REQUESTED));
            assert_int_equal(SSL_do_handshake(r.ssl), 1);
        }
        int n = BIO_read(out, flood, sizeof flood);
        tcp_unread(p.server->below, str_n(flood, (size_t)n));
        enum io io = stream_read(p.server, &byte, 1, &got);
        assert_int_equal(io, few == 0 ? IO_AGAIN : IO_ERR);
    }
    assert_string_equal(tls_error(p.server), "peer sends records without data");
    SSL_set0_wbio(r.ssl, BIO_new(BIO_s_null()));
    watch_set(&r.watch, 0);
    close(SSL_get_rfd(r.ssl));
    SSL_free(r.ssl);
    stream_close(p.server);
    cert_fini(&p.cert);
    drive_fini(&p.drive);
    raw_fini(&r);
}

static void
test_an_orderly_end(void **state)
{
    (void)state;
    struct pair p;
    struct receipt r;
    pair_shake(&p, &usual);
    assert_int_equal(stream_shutdown(p.client), IO_OK);
    assert_int_equal(receive(&p, p.server, &r, 1), IO_EOF);
    assert_int_equal(receive(&p, p.server, &r, 1), IO_EOF);
    assert_talk(&p, p.server, p.client); /* the other half goes on */
    stream_close(p.server);
    p.server = NULL;
    assert_int_equal(receive(&p, p.client, &r, 1), IO_EOF);
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
    pair_shake(&p, &usual);
    assert_talk(&p, p.server, p.client);
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
    assert_int_equal(receive(&p, p.client, &r, 1), IO_EOF);
    assert_int_equal(stream_shutdown(p.server), IO_OK);
    pair_close(&p);
}

static void
test_an_end_without_notice(void **state)
{
    (void)state;
    struct pair p;
    struct receipt r;
    pair_shake(&p, &usual);
    assert_talk(&p, p.server, p.client);
    assert_int_equal(shutdown(tcp_fd(p.client), SHUT_WR), 0);
    assert_int_equal(receive(&p, p.server, &r, 1), IO_ERR);
    assert_true(tls_error(p.server)[0] != '\0');
    assert_int_equal(receive(&p, p.server, &r, 1), IO_ERR);
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

static void
bulk_make(struct bulk *b, size_t n)
{
    while (n-- != 0 && b->made < b->total) {
        char c = (char)(b->made++ * 31 >> 3);
        bufq_append(&b->out, str_n(&c, 1));
    }
}

static bool
bulk_is_through(void *arg)
{
    struct bulk *b = arg;
    char in[9000];
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
            assert_int_equal(in[i], (char)(b->got++ * 31 >> 3));
        }
    }
    assert_int_equal(r, IO_AGAIN);
    return b->got == b->total;
}

static void
test_backpressure(void **state)
{
    (void)state;
    struct pair p;
    pair_shake(&p, &usual);
    struct bulk b = { .from = p.server, .to = p.client, .total = 3000000 };
    bufq_init(&b.out, SIZE_MAX);
    drive_until(&p.drive, bulk_is_through, &b);
    b = (struct bulk){ .from = p.client, .to = p.server, .total = 500000 };
    bufq_init(&b.out, SIZE_MAX);
    drive_until(&p.drive, bulk_is_through, &b);
    pair_close(&p);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

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
        TEST(test_tickets_are_bound),
        TEST(test_without_ticket_keys),
        TEST(test_old_versions_are_refused),
        TEST(test_alpn),
        TEST(test_renegotiation_is_refused),
        TEST(test_a_flood_of_key_updates),
        TEST(test_an_orderly_end),
        TEST(test_an_end_that_must_wait),
        TEST(test_an_end_without_notice),
        TEST(test_backpressure),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
