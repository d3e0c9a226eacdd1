/* What a client of another make may try: tickets, versions, floods. */

#include "tls_pair.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "net/tcp.h"
#include "os/ticket_keys.h"

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
    drive_init(&p->drive, pair_loop);
    pair_open_server(p, s, fds[0]);
    r->pair = p;
    r->io = IO_AGAIN;
    r->ssl = SSL_new(r->ctx);
    AN(SSL_set_fd(r->ssl, fds[1]));
    SSL_set_app_data(r->ssl, r);
    SSL_set_tlsext_host_name(r->ssl, s->name);
    SSL_set_connect_state(r->ssl);
    watch_init(&r->watch, pair_loop, fds[1], on_raw_ready);
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
    p->server_io = pair_shake_one(&p->server, p->server_io);
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
        struct sides a = pair_usual, b = pair_usual;
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

/* A client of TLS 1.3 uses a ticket once, as OpenSSL's does: each connection
 * has to bring the next one's. */
static void
test_each_resumption_brings_a_ticket(void **state)
{
    (void)state;
    struct raw r;
    raw_init(&r, TLS1_3_VERSION, TLS1_3_VERSION);
    for (unsigned i = 0; i < 4; i++) {
        SSL_SESSION *offered = r.session;
        r.session = NULL;
        assert_int_equal(raw_is_resumed(&r, &pair_usual, offered), i != 0);
        assert_non_null(r.session);
        SSL_SESSION_free(offered);
    }
    raw_fini(&r);
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
    tls_server_free(pair_server);
    pair_server = tls_server_new(fd);
    assert_non_null(pair_server);
    for (size_t i = 0; i < LEN(versions); i++) {
        struct raw r;
        raw_init(&r, versions[i], versions[i]);
        assert_false(raw_is_resumed(&r, &pair_usual, NULL));
        assert_false(raw_is_resumed(&r, &pair_usual, r.session));
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
    raw_open(&r, &p, &pair_usual);
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
        raw_open(&r, &p, &pair_usual);
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
    raw_open(&r, &p, &pair_usual);
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
    static char flood[200000];
    bool are_long = RUNNING_ON_VALGRIND; /* as many bytes in fewer of them */
    const unsigned counts[] = { are_long ? 20 : 1000, are_long ? 150 : 5500 };
    struct raw r;
    struct pair p;
    char byte;
    size_t got = 0;
    raw_init(&r, TLS1_3_VERSION, TLS1_3_VERSION);
    raw_open(&r, &p, &pair_usual);
    drive_until(&p.drive, raw_shook, &r);
    assert_int_equal(r.io, IO_OK);
    AN(SSL_set_block_padding(r.ssl, are_long ? 1024 : 0));
    BIO *out = BIO_new(BIO_s_mem());
    SSL_set0_wbio(r.ssl, out);
    for (unsigned few = 0; few < 2; few++) {
        for (unsigned i = 0; i < counts[few]; i++) {
            AN(SSL_key_update(r.ssl, SSL_KEY_UPDATE_NOT_REQUESTED));
            assert_int_equal(SSL_do_handshake(r.ssl), 1);
        }
        int n = BIO_read(out, flood, sizeof flood);
        tls_unread(p.server, str_n(flood, (size_t)n));
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

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, pair_setup, pair_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_tickets_are_bound),
        TEST(test_each_resumption_brings_a_ticket),
        TEST(test_without_ticket_keys),
        TEST(test_old_versions_are_refused),
        TEST(test_alpn),
        TEST(test_renegotiation_is_refused),
        TEST(test_a_flood_of_key_updates),
    };
    return cmocka_run_group_tests(tests, pair_setup_all, pair_teardown_all);
}
