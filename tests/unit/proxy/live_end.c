/*
 * The test's ends of a live worker's connections.
 */

#include "live_end.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "../net/cert.h"
#include "base/addr.h"
#include "base/mem.h"
#include "base/str.h"
#include "proxy/conn.h"
#include "proxy/listen.h"
#include "proxy/worker.h"

#define GOT_MAX (64UL * 1024 * 1024)

static struct live_end *
end_new(struct live *l, int fd)
{
    struct live_end *e = xcalloc(sizeof *e);
    e->live = l;
    e->fd = fd;
    buf_init(&e->got, GOT_MAX);
    AN(l->n_ends < LIVE_ENDS);
    l->ends[l->n_ends++] = e;
    return e;
}

void
live_end_free(struct live_end *e)
{
    if (e->fd >= 0) {
        close(e->fd);
    }
    SSL_free(e->ssl);
    buf_fini(&e->got);
    xfree(e);
}

static struct live_end *
accepted(struct live *l, unsigned listener, const struct addr *from)
{
    int pair[2];
    AZ(socketpair(
        AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair));
    if (l->room != 0) {
        AZ(setsockopt(
            pair[0], SOL_SOCKET, SO_SNDBUF, &l->room, sizeof l->room));
    }
    conn_new(l->worker, listen_get(l->worker->conf, listener), pair[0], from);
    live_settle(l);
    return end_new(l, pair[1]);
}

struct live_end *
live_client_of(struct live *l, unsigned listener)
{
    struct addr a;
    AN(addr_parse(STR("10.0.0.1"), &a));
    return accepted(l, listener, &a);
}

struct live_end *
live_client_at(struct live *l, const struct addr *from)
{
    return accepted(l, 0, from);
}

struct live_end *
live_client(struct live *l)
{
    return live_client_of(l, 0);
}

struct live_end *
live_front(struct live *l)
{
    return live_client_of(l, 1);
}

bool
live_is_dialled(const struct live *l)
{
    return l->n_arrived != 0;
}

struct live_end *
live_origin(struct live *l)
{
    if (!live_is_dialled(l)) {
        fail_msg("weir has not connected");
    }
    struct live_end *e = end_new(l, l->arrived[0]);
    memmove(l->arrived, l->arrived + 1, --l->n_arrived * sizeof *l->arrived);
    return e;
}

/* TLS */

static struct ssl_ctx_st *
context(bool is_server)
{
    static SSL_CTX *contexts[2];
    SSL_CTX **c = &contexts[is_server];
    if (*c == NULL) {
        *c = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    }
    return *c;
}

static void
tls_over(struct live_end *e, bool is_server)
{
    AZ(e->ssl);
    e->ssl = SSL_new(context(is_server));
    SSL_set_bio(e->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
}

void
live_tls_client(struct live_end *e, const char *name)
{
    tls_over(e, false);
    AN(SSL_set_tlsext_host_name(e->ssl, name));
    SSL_set_connect_state(e->ssl);
    AN(SSL_do_handshake(e->ssl) < 0); /* its hello is there */
}

/* Made once for all tests of a program, since it takes a while. */
const struct cert *
live_ca(void)
{
    static struct cert ca;
    if (ca.key == NULL) {
        cert_make(&ca, NULL, "test CA", NULL);
    }
    return &ca;
}

void
live_tls_origin(struct live_end *e)
{
    static struct cert leaf;
    if (leaf.key == NULL) {
        cert_make(&leaf, live_ca(), "leaf", "DNS:up.test");
    }
    tls_over(e, true);
    AN(SSL_use_certificate(e->ssl, leaf.x509));
    AN(SSL_use_PrivateKey(e->ssl, leaf.key));
    SSL_set_accept_state(e->ssl);
}

/* Of the socket into TLS, or as it is; false where nothing lies there. */
static bool
take_in(struct live_end *e)
{
    char bytes[16384];
    if (e->fd < 0 || e->is_ended) {
        return false;
    }
    ssize_t n = recv(e->fd, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EAGAIN) {
        return false;
    }
    if (n <= 0) {
        e->is_ended = true;
    } else if (e->ssl != NULL) {
        AN(BIO_write(SSL_get_rbio(e->ssl), bytes, (int)n) == n);
    } else {
        AN(buf_add(&e->got, str_n(bytes, (size_t)n)));
    }
    return true;
}

static void
decrypt(struct live_end *e)
{
    char bytes[16384];
    size_t n = 0;
    while (e->ssl != NULL && SSL_is_init_finished(e->ssl) &&
           SSL_read_ex(e->ssl, bytes, sizeof bytes, &n)) {
        AN(buf_add(&e->got, str_n(bytes, n)));
    }
}

/* All that weir has to say, which may be more once there is room. */
static void
take_all(struct live_end *e)
{
    do {
        while (take_in(e)) {
        }
        decrypt(e);
        live_settle(e->live);
    } while (take_in(e));
    decrypt(e);
}

static void
send_bytes(struct live_end *e, const char *p, size_t n)
{
    while (n != 0) {
        ssize_t r = send(e->fd, p, n, MSG_NOSIGNAL);
        if (r < 0) {
            fail_msg("nothing is taken: %s", strerror(errno));
        }
        p += r;
        n -= (size_t)r;
        live_settle(e->live);
    }
}

void
live_send_raw(struct live_end *e, const void *p, size_t n)
{
    send_bytes(e, p, n);
}

void
live_flush(struct live_end *e, size_t n)
{
    char *p;
    BIO *out = SSL_get_wbio(e->ssl);
    size_t has = (size_t)BIO_get_mem_data(out, &p);
    n = n < has ? n : has;
    char *copy = xalloc(n + 1);
    AN(BIO_read(out, copy, (int)n) == (int)n || n == 0);
    send_bytes(e, copy, n);
    xfree(copy);
}

static void
flush_all(struct live_end *e)
{
    live_flush(e, SIZE_MAX);
}

void
live_shake(struct live_end *e)
{
    int r = 0;
    for (unsigned i = 0; i < 8 && r != 1; i++) {
        while (take_in(e)) {
        }
        r = SSL_do_handshake(e->ssl);
        flush_all(e);
        live_settle(e->live);
    }
    assert_int_equal(r, 1);
}

struct live_end *
live_connected(struct live *l, const char *authority)
{
    char text[300];
    struct live_end *e = live_client(l);
    snprintf(text, sizeof text, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n",
        authority, authority);
    live_send(e, text);
    live_gets_head(e, 200, "");
    live_logs(l, "\"CONNECT\"");
    return e;
}

struct live_end *
live_tunnel(struct live *l, const char *name)
{
    char authority[300];
    snprintf(authority, sizeof authority, "%s:443", name);
    struct live_end *e = live_connected(l, authority);
    live_tls_client(e, name);
    live_shake(e);
    return e;
}

void
live_end_tls(struct live_end *e)
{
    SSL_free(e->ssl);
    e->ssl = NULL;
}

size_t
live_answer_hello(struct live_end *e)
{
    size_t n = 0;
    for (unsigned i = 0; i < 10000 && n == 0; i++) { /* it may come in bytes */
        live_settle(e->live);
        while (take_in(e)) {
        }
        AN(SSL_do_handshake(e->ssl) < 0);
        n = BIO_ctrl_pending(SSL_get_wbio(e->ssl));
    }
    return n;
}

/* Requests */

void
live_asks_more(struct live_end *client, const char *method, const char *rest)
{
    char text[4096];
    const char *base = client->ssl == NULL ? "http://up.test" : "";
    snprintf(text, sizeof text, "%s %s/ HTTP/1.1\r\nHost: up.test\r\n%s",
        method, base, rest);
    live_send(client, text);
}

struct live_end *
live_asks(struct live *l, bool is_tls, const char *method, const char *rest)
{
    struct live_end *c = is_tls ? live_tunnel(l, "up.test") : live_client(l);
    live_asks_more(c, method, rest);
    return c;
}

struct live_end *
live_is_asked(struct live *l, bool is_tls, const char *method, const char *rest)
{
    char text[4096];
    struct live_end *o = live_origin(l);
    if (is_tls) {
        live_tls_origin(o);
        live_shake(o);
    }
    snprintf(text, sizeof text, "%s / HTTP/1.1\r\nHost: up.test\r\n%s", method,
        rest);
    live_gets(o, text);
    return o;
}

/* Saying */

size_t
live_seal(struct live_end *e, const char *text)
{
    size_t n = strlen(text);
    AN(SSL_write(e->ssl, text, (int)n) == (int)n);
    return BIO_ctrl_pending(SSL_get_wbio(e->ssl));
}

void
live_send_n(struct live_end *e, const void *p, size_t n)
{
    if (e->ssl == NULL) {
        send_bytes(e, p, n);
        return;
    }
    AN(SSL_write(e->ssl, p, (int)n) == (int)n);
    flush_all(e);
}

void
live_send(struct live_end *e, const char *text)
{
    live_send_n(e, text, strlen(text));
}

void
live_trickle(struct live_end *e, const char *text, unsigned every)
{
    for (; *text != '\0'; text++) {
        live_nothing(e->live, every);
        live_send_n(e, text, 1);
    }
}

size_t
live_fill(struct live_end *e, size_t max)
{
    static const char zeroes[4096];
    size_t sent = 0;
    ssize_t r = 1;
    while (r > 0 && sent < max) {
        size_t n = max - sent < sizeof zeroes ? max - sent : sizeof zeroes;
        r = send(e->fd, zeroes, n, MSG_NOSIGNAL);
        sent += r > 0 ? (size_t)r : 0;
        live_settle(e->live);
    }
    return sent;
}

bool
live_is_full(struct live_end *e)
{
    int n = 0;
    AZ(ioctl(e->fd, SIOCOUTQ, &n));
    return n != 0;
}

size_t
live_unread(struct live_end *e)
{
    int n = 0;
    AZ(ioctl(e->fd, FIONREAD, &n));
    return (size_t)n;
}

size_t
live_waste(struct live_end *e, size_t n)
{
    static char bytes[1 << 20];
    size_t got = 0;
    ssize_t r = 1;
    while (r > 0 && got < n) {
        size_t left = n - got;
        r = recv(e->fd, bytes, left < sizeof bytes ? left : sizeof bytes, 0);
        got += r > 0 ? (size_t)r : 0;
        live_settle(e->live);
    }
    return got;
}

void
live_shut(struct live_end *e)
{
    if (e->ssl != NULL) {
        SSL_shutdown(e->ssl);
        flush_all(e);
    }
    AZ(shutdown(e->fd, SHUT_WR));
    live_settle(e->live);
}

void
live_close(struct live_end *e)
{
    if (e->fd >= 0) {
        close(e->fd);
    }
    e->fd = -1;
    live_settle(e->live);
}

/* Hearing */

static void
differs(const struct live_end *e, const char *wanted)
{
    fail_msg("'%s' is not what came: '%.*s'%s", wanted,
        (int)(e->got.n < 400 ? e->got.n : 400),
        e->got.p != NULL ? e->got.p : "", e->is_ended ? ", and an end" : "");
}

void
live_gets(struct live_end *e, const char *text)
{
    size_t n = strlen(text);
    take_all(e);
    if (e->got.n < n || memcmp(e->got.p, text, n) != 0) {
        differs(e, text);
    }
    buf_consume(&e->got, n);
}

/* The head's length, blank line included. */
static size_t
find_head(struct live_end *e, unsigned status, const char *text)
{
    char line[32];
    int n = snprintf(line, sizeof line, "HTTP/1.1 %u ", status);
    take_all(e);
    const char *end =
        e->got.n == 0 ? NULL : memmem(e->got.p, e->got.n, "\r\n\r\n", 4);
    if (end == NULL || memcmp(e->got.p, line, (size_t)n) != 0) {
        differs(e, line);
    }
    size_t size = (size_t)(end - e->got.p) + 4;
    if (*text != '\0' && memmem(e->got.p, size, text, strlen(text)) == NULL) {
        differs(e, text);
    }
    return size;
}

void
live_gets_head(struct live_end *e, unsigned status, const char *text)
{
    buf_consume(&e->got, find_head(e, status, text));
}

void
live_answers(struct live_end *e, unsigned status, const char *text)
{
    static const char field[] = "Content-Length: ";
    size_t head = find_head(e, status, text);
    char *at = memmem(e->got.p, head, field, sizeof field - 1);
    size_t body = at != NULL ? strtoul(at + sizeof field - 1, NULL, 10) : 0;
    if (e->got.n < head + body) {
        differs(e, "the body");
    }
    buf_consume(&e->got, head + body);
}

void
live_is_open(struct live_end *e)
{
    take_all(e);
    if (e->got.n != 0 || e->is_ended) {
        differs(e, "nothing");
    }
}

void
live_is_cut(struct live_end *e)
{
    take_all(e);
    if (!e->is_ended) {
        differs(e, "an end");
    }
    live_close(e);
}

void
live_is_closed(struct live_end *e)
{
    take_all(e);
    if (e->got.n != 0) {
        differs(e, "nothing more");
    }
    live_is_cut(e);
}
