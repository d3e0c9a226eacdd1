/*
 * TLS over the stream below, by a BIO of our own: so bytes that were sniffed
 * are read again, and the rules of the bottom layer hold. OpenSSL has buffers
 * only while there is traffic.
 */

#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/digest.h"
#include "base/mem.h"
#include "net/tcp.h"
#include "net/tls_session.h"

#define NAME_MAX_BYTES 256

/* The most bytes that one read takes from below without giving a byte of data.
 * OpenSSL returns from a series of key updates, warnings and tickets only when
 * the layer below is dry, and a fast peer could keep it from being so. */
#define QUIET_MAX (128 * 1024)

/* serial, port, name */
#define KEY_MAX (TLS_SESSION_HOLDER + 2 + NAME_MAX_BYTES)

struct tls {
    struct stream stream;
    SSL *ssl;
    size_t quiet;      /* bytes from below in this read */
    struct str unread; /* owned; what tls_unread() gave */
    size_t unread_off;
    size_t pending; /* bytes of the write that OpenSSL must be offered again */
    int (*use_cert)(void *arg, struct ssl_st *ssl);
    void *arg;
    struct str name; /* owned */
    struct str key;  /* owned; of the session with an origin */
    char *error;     /* owned */
    bool is_ready, is_failed, is_untrusted, is_distrusted;
    bool is_shut; /* writes are over */
    bool is_told; /* close_notify was sent, or never will be */
    bool has_eof; /* the layer below has ended */
    bool is_cut;  /* the layer below takes no more; it may have bytes to read */
};

static BIO_METHOD *tls_bio_method;

static struct tls *
tls_of(const struct stream *s)
{
    CHECK(s, STREAM_MAGIC);
    return container_of(s, struct tls, stream);
}

static size_t
read_unread(struct tls *t, char *p, size_t n)
{
    size_t left = t->unread.n - t->unread_off;
    n = n < left ? n : left;
    n = tcp_is_one_byte() ? 1 : n;
    memcpy(p, t->unread.p + t->unread_off, n);
    t->unread_off += n;
    if (t->unread_off == t->unread.n) {
        xfree((void *)t->unread.p);
        t->unread = STR_NONE;
        t->unread_off = 0;
    }
    return n;
}

static enum io
read_below(struct tls *t, char *p, size_t n, size_t *got)
{
    if (t->unread.n == 0) {
        return stream_read(t->stream.below, p, n, got);
    }
    *got = read_unread(t, p, n);
    return IO_OK;
}

static int
on_bio_read(BIO *bio, char *p, size_t n, size_t *got)
{
    struct tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *got = 0;
    if (t->quiet >= QUIET_MAX) {
        return 0;
    }
    switch (read_below(t, p, n, got)) {
    case IO_OK:
        t->quiet += *got;
        return 1;
    case IO_AGAIN:
        BIO_set_retry_read(bio);
        return 0;
    case IO_EOF:
        t->has_eof = t->stream.is_over = true;
        return 0;
    case IO_ERR:
        break;
    }
    return 0;
}

/* Whether these bytes may wait for the next write. A ticket of TLS 1.3 leaves
 * in one packet with the response after it; the kernel waits 200 ms at most. */
static bool
may_wait(const struct tls *t)
{
    return t->stream.has_more ||
           (SSL_get_state(t->ssl) == TLS_ST_SW_SESSION_TICKET &&
               SSL_version(t->ssl) == TLS1_3_VERSION);
}

static int
on_bio_write(BIO *bio, const char *p, size_t n, size_t *put)
{
    struct tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *put = 0;
    t->stream.below->has_more = may_wait(t);
    enum io r = stream_write(t->stream.below, p, n, put);
    t->stream.below->has_more = false;
    if (r == IO_AGAIN) {
        BIO_set_retry_write(bio);
    }
    t->is_cut = t->is_cut || r == IO_ERR;
    return r == IO_OK;
}

static long
on_bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    const struct tls *t = BIO_get_data(bio);
    (void)num, (void)ptr;
    if (cmd == BIO_CTRL_EOF) {
        return t->has_eof;
    }
    return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *
bio_method(void)
{
    if (tls_bio_method == NULL) {
        tls_bio_method = BIO_meth_new(
            BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weir stream");
        AN(tls_bio_method != NULL);
        BIO_meth_set_read_ex(tls_bio_method, on_bio_read);
        BIO_meth_set_write_ex(tls_bio_method, on_bio_write);
        BIO_meth_set_ctrl(tls_bio_method, on_bio_ctrl);
    }
    return tls_bio_method;
}

/* SSL_get_error() is wrong while OpenSSL's error queue holds something. The
 * queue is nearly always empty, and to look costs an eighth of what it costs to
 * empty it. */
static void
clear_errors(void)
{
    if (ERR_peek_error() != 0) {
        ERR_clear_error();
    }
}

/* An alert that says that a certificate was not accepted (RFC 8446 6.2). */
static bool
is_distrust(unsigned long e)
{
    int reason = ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0;
    return reason == SSL_R_TLSV1_ALERT_UNKNOWN_CA ||
           reason == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE ||
           reason == SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN;
}

static void
tls_note_error(struct tls *t, const char *what)
{
    char text[256];
    unsigned long e = ERR_peek_last_error();
    long v = SSL_get_verify_result(t->ssl);
    t->is_failed = true;
    if (t->error != NULL) {
        return;
    }
    t->is_distrusted = SSL_is_server(t->ssl) && is_distrust(e);
    t->is_untrusted = !SSL_is_server(t->ssl) && v != X509_V_OK;
    if (t->is_untrusted) {
        snprintf(text, sizeof text, "certificate verify failed: %s",
            X509_verify_cert_error_string(v));
    } else if (e != 0) {
        const char *reason = ERR_reason_error_string(e);
        snprintf(text, sizeof text, "%s", reason != NULL ? reason : what);
    } else {
        snprintf(text, sizeof text, "%s", what);
    }
    t->error = xstrndup(str_of(text));
}

/* What a return value of OpenSSL means for the caller. */
static enum io
tls_result(struct tls *t, int r, const char *what)
{
    switch (SSL_get_error(t->ssl, r)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
    case SSL_ERROR_WANT_X509_LOOKUP:
        return IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return IO_EOF;
    default:
        tls_note_error(t, what);
        return IO_ERR;
    }
}

static enum io
tls_handshake(struct stream *s)
{
    struct tls *t = tls_of(s);
    if (t->is_ready) {
        return IO_OK;
    }
    enum io below = stream_handshake(s->below);
    if (below != IO_OK) {
        return below;
    }
    clear_errors();
    t->quiet = 0;
    int r = SSL_do_handshake(t->ssl);
    if (r == 1) {
        t->is_ready = true;
        return IO_OK;
    }
    enum io io = tls_result(t, r, "peer closed in its handshake");
    return io == IO_EOF ? IO_ERR : io;
}

/* OpenSSL holds nothing, has nothing to send, and would find nothing below. */
static bool
tls_is_dry(struct stream *s)
{
    struct tls *t = tls_of(s);
    return !t->is_failed && SSL_is_init_finished(t->ssl) &&
           !SSL_has_pending(t->ssl) && SSL_get_shutdown(t->ssl) == 0 &&
           t->unread.n == 0 && stream_is_dry(s->below);
}

static enum io
tls_read(struct stream *s, char *p, size_t n, size_t *got)
{
    struct tls *t = tls_of(s);
    if (t->is_failed) {
        return IO_ERR;
    }
    if (tls_is_dry(s)) {
        return IO_AGAIN;
    }
    clear_errors();
    t->quiet = 0;
    int r = SSL_read_ex(t->ssl, p, n, got);
    if (r == 1) {
        return IO_OK;
    }
    return tls_result(t, r,
        t->quiet < QUIET_MAX ? "peer closed without notice"
                             : "peer sends records without data");
}

static enum io
tls_write(struct stream *s, const char *p, size_t n, size_t *put)
{
    struct tls *t = tls_of(s);
    if (t->is_failed || t->is_shut || t->is_cut) {
        return IO_ERR;
    }
    if (t->pending != 0) {
        AN(n >= t->pending);
        n = t->pending;
    }
    clear_errors();
    int r = SSL_write_ex(t->ssl, p, n, put);
    if (r == 1) {
        t->pending = 0;
        return IO_OK;
    }
    if (t->is_cut) { /* an early answer of an origin may wait to be read */
        t->pending = 0;
        return IO_ERR;
    }
    enum io io = tls_result(t, r, "write failed");
    t->pending = io == IO_AGAIN ? n : 0;
    return io == IO_EOF ? IO_ERR : io;
}

/* Sends close_notify once, then ends the layer below. A peer that reads until
 * the end takes an end without close_notify for a truncation: so if the socket
 * does not take it at once, wait for that. */
static enum io
tls_shutdown(struct stream *s)
{
    struct tls *t = tls_of(s);
    bool can_tell =
        t->is_ready && !t->is_failed && !t->is_cut && t->pending == 0;
    t->is_shut = true;
    if (can_tell && !t->is_told) {
        clear_errors();
        SSL_shutdown(t->ssl);
        if (SSL_want_write(t->ssl)) { /* SSL_shutdown() returns 0 again then */
            return IO_AGAIN;
        }
    }
    t->is_told = true;
    return stream_shutdown(s->below);
}

static void
tls_park(struct stream *s)
{
    struct tls *t = tls_of(s);
    if (t->is_ready && !t->is_failed && !SSL_has_pending(t->ssl)) {
        SSL_free_buffers(t->ssl);
    }
}

static void
tls_close(struct stream *s)
{
    struct tls *t = container_of(s, struct tls, stream);
    bool is_orderly = t->is_ready && !t->is_failed && !t->is_cut &&
                      !t->is_told && t->pending == 0 &&
                      !tcp_is_aborting(s->below);
    if (is_orderly) {
        clear_errors();
        SSL_shutdown(t->ssl);
    }
    SSL_free(t->ssl);
    xfree((void *)t->name.p);
    xfree((void *)t->key.p);
    xfree((void *)t->unread.p);
    xfree(t->error);
    xfree(t);
}

static const struct stream_ops tls_ops = {
    .name = "tls",
    .handshake = tls_handshake,
    .read = tls_read,
    .is_dry = tls_is_dry,
    .write = tls_write,
    .shutdown = tls_shutdown,
    .park = tls_park,
    .close = tls_close,
};

static struct tls *
tls_new(SSL_CTX *ctx, struct stream *below, struct task *task)
{
    struct tls *t = xcalloc(sizeof *t);
    stream_init(&t->stream, &tls_ops, below, task);
    stream_set_task(below, task);
    t->ssl = SSL_new(ctx);
    BIO *bio = BIO_new(bio_method());
    AN(t->ssl != NULL && bio != NULL);
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_app_data(t->ssl, t);
    return t;
}

/* OpenSSL must have read the same name as the one that was judged. */
static bool
is_judged_name(const struct tls *t)
{
    const char *sni = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
    struct str s = str_of(sni);
    if (s.n != 0 && s.p[s.n - 1] == '.') {
        s.n--;
    }
    return str_ieq(s, t->name);
}

static int
on_cert(SSL *ssl, void *arg)
{
    struct tls *t = SSL_get_app_data(ssl);
    (void)arg;
    if (!is_judged_name(t)) {
        return 0;
    }
    int r = t->use_cert(t->arg, ssl);
    return r > 0 ? 1 : r == 0 ? -1 : 0;
}

/* weir speaks HTTP/1.1 alone. A client whose ALPN lacks it gets the alert (RFC
 * 7301 3.2). */
static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen = NULL;
    (void)ssl, (void)arg;
    int r = SSL_select_next_proto(
        &chosen, out_len, ours, sizeof ours - 1, in, in_len);
    *out = chosen;
    return r == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK
                                       : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void
tls_accept_setup(struct ssl_ctx_st *ctx)
{
    SSL_CTX_set_cert_cb(ctx, on_cert, NULL);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
}

void
tls_accept_own_setup(struct ssl_ctx_st *ctx)
{
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
}

void
tls_unread(struct stream *s, struct str bytes)
{
    struct tls *t = tls_of(s);
    AN(s->ops == &tls_ops && t->unread.p == NULL);
    if (bytes.n != 0) {
        t->unread = str_n(xstrndup(bytes), bytes.n);
    }
}

void
tls_mark_secret(struct stream *s)
{
    struct tls *t = tls_of(s);
    AN(s->ops == &tls_ops);
    SSL_set_options(t->ssl, SSL_OP_CLEANSE_PLAINTEXT);
}

struct stream *
tls_accept_own(struct tls_server *s, struct stream *below, struct task *task)
{
    struct tls *t = tls_new(tls_server_ctx(s), below, task);
    SSL_set_accept_state(t->ssl);
    return &t->stream;
}

struct stream *
tls_accept(struct tls_server *s, struct stream *below,
    const struct tls_accept_args *args, struct task *task)
{
    struct tls *t = tls_new(tls_server_ctx(s), below, task);
    t->use_cert = args->use_cert;
    t->arg = args->arg;
    t->name = str_n(xstrndup(args->name), args->name.n);
    AN(SSL_set_session_id_context(t->ssl, args->sid_ctx, sizeof args->sid_ctx));
    SSL_set_accept_state(t->ssl);
    return &t->stream;
}

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *t = SSL_get_app_data(ssl);
    struct tls_client *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    tls_sessions_put(tls_client_sessions(c), t->key, session);
    return 1; /* we keep the session */
}

void
tls_connect_setup(struct ssl_ctx_st *ctx)
{
    SSL_CTX_sess_set_new_cb(ctx, on_session);
}

static struct str
session_key(const struct tls_connect_args *args)
{
    char key[KEY_MAX], text[ADDR_TEXT_MAX];
    struct str name = args->name;
    if (name.n == 0) { /* without a name, verify the address */
        name = addr_format(&args->ip, false, text);
    }
    AN(name.n <= NAME_MAX_BYTES);
    memcpy(key, &args->serial, 8);
    memcpy(key + 8, &args->port, 2);
    memcpy(key + 10, name.p, name.n);
    return str_n(xstrndup(str_n(key, 10 + name.n)), 10 + name.n);
}

/* OpenSSL does not match `_` by a wildcard, but object stores have buckets with
 * such names, and clients reach them. So the first label, which no certificate
 * can name by itself, is replaced. */
static void
expect_wildcard(X509_VERIFY_PARAM *param, struct str name)
{
    uint8_t bytes[16];
    char label[2 * sizeof bytes + 1], text[sizeof label + NAME_MAX_BYTES + 1];
    size_t n = str_find(name, '.');
    struct str rest = str_skip(name, n);
    if (rest.n == 0 || str_find(str_n(name.p, n), '_') == n) {
        return;
    }
    AN(rest.n <= NAME_MAX_BYTES);
    random_bytes(bytes, sizeof bytes);
    hex_encode(bytes, sizeof bytes, label);
    int size = snprintf(text, sizeof text, "%s%.*s", label, STR_ARG(rest));
    AN(X509_VERIFY_PARAM_add1_host(param, text, (size_t)size));
}

/* Verify chain and name. A wildcard is a whole leftmost label (RFC 9525 6.3);
 * the CN is not used in place of a SAN (6.1). */
static void
expect_peer(struct tls *t, const struct tls_connect_args *args)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
    if (args->name.n == 0) {
        AN(X509_VERIFY_PARAM_set1_ip(
            param, args->ip.ip, args->ip.family == 4 ? 4 : 16));
        return;
    }
    X509_VERIFY_PARAM_set_hostflags(
        param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                   X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    AN(X509_VERIFY_PARAM_set1_host(param, args->name.p, args->name.n));
    expect_wildcard(param, args->name);
    AN(SSL_set_tlsext_host_name(t->ssl, t->name.p));
}

struct stream *
tls_connect(struct tls_client *c, struct stream *below,
    const struct tls_connect_args *args, struct task *task)
{
    struct tls *t = tls_new(tls_client_ctx(c), below, task);
    t->name = str_n(xstrndup(args->name), args->name.n);
    t->key = session_key(args);
    expect_peer(t, args);
    SSL_SESSION *session = tls_sessions_get(tls_client_sessions(c), t->key);
    if (session != NULL) {
        SSL_set_session(t->ssl, session);
    }
    SSL_set_connect_state(t->ssl);
    return &t->stream;
}

const char *
tls_error(const struct stream *s)
{
    const struct tls *t = tls_of(s);
    AN(s->ops == &tls_ops);
    return t->error != NULL ? t->error : "";
}

bool
tls_is_untrusted(const struct stream *s)
{
    AN(s->ops == &tls_ops);
    return tls_of(s)->is_untrusted;
}

bool
tls_is_distrusted(const struct stream *s)
{
    AN(s->ops == &tls_ops);
    return tls_of(s)->is_distrusted;
}
