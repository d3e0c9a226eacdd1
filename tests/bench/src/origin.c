/*
 * The origin: HTTP/1.1 over TLS on a free loopback port, which it prints. One
 * thread, no allocation for a request, a body from a fixed pattern, so that
 * it costs a fraction of any proxy. It ends when its standard input does.
 *
 *   /bytes/N       N bytes of text
 *   /json/N        N bytes of JSON's kind, with what it escapes
 *   /gzip/N        N bytes of that text, compressed; the same N in one run
 *   /sse/N/US      N events, US microseconds apart, each with its time
 *   /hold          one event, then nothing for ever
 *   /gzhold        the same of gzip
 *   any POST       its body is read and thrown away; "ok"
 *
 * X-Token-Seen in each answer says whether the proxy set the header X-Auth-
 * Token. What it does not understand it closes: it is nobody's web server.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <zlib.h>

#include "util.h"

#define IN_MAX 8192
#define HEAD_MAX 256
#define RECORD_MAX 16384
#define PATTERN_MAX 65536 /* a power of two */
#define EVENTS_MAX 256

struct peer {
    int fd;
    SSL *ssl;
    char in[IN_MAX];
    size_t n_in;
    uint64_t upload; /* bytes of a request's body still to come */
    bool is_upload;
    bool has_token;      /* in the last head */
    char head[HEAD_MAX]; /* of the response, or an event */
    size_t n_head, sent_head;
    const char *from; /* of the body: PATTERN_MAX that repeat, or packed */
    uint64_t body, sent_body;
    struct peer *next, *prev;    /* of the streams */
    uint64_t events, due, every; /* of a stream */
    bool is_stream, is_told;     /* told: the final chunk is queued */
};

static SSL_CTX *ctx;
static int poll_fd;
static char pattern[PATTERN_MAX + RECORD_MAX];
static char json[PATTERN_MAX + RECORD_MAX];
static char *packed; /* for /gzip/N */
static size_t n_packed;
static char packed_event[128]; /* for /gzhold, a chunk */
static struct peer streams = { .next = &streams, .prev = &streams };

/* Letters in no order: a filter that looks for a secret has to read them. */
static void
pattern_init(void)
{
    uint32_t x = 2463534242u;
    for (size_t i = 0; i < PATTERN_MAX; i++) {
        x ^= x << 13, x ^= x >> 17, x ^= x << 5;
        pattern[i] = x % 64 == 0 ? '\n' : (char)('a' + x % 26);
    }
    memcpy(pattern + PATTERN_MAX, pattern, RECORD_MAX);
}

static void
json_init(void)
{
    size_t n = 0;
    while (n < PATTERN_MAX) {
        char item[128];
        int m = snprintf(item, sizeof item,
            "{\"id\": %zu, \"text\": \"%.40s\\n\\\"%.8s\\\"\", "
            "\"url\": \"https:\\/\\/a.test\\/?q=%%2F%.6s\"},\n",
            n, pattern + n, pattern + n + 100, pattern + n + 200);
        size_t room = PATTERN_MAX - n;
        size_t put = (size_t)m < room ? (size_t)m : room;
        memcpy(json + n, item, put);
        n += put;
    }
    memcpy(json + PATTERN_MAX, json, RECORD_MAX);
}

static size_t
pack(const char *p, size_t n, char *to, size_t room, int flush)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)n };
    z.next_out = (Bytef *)to;
    z.avail_out = (uInt)room;
    if (deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
        deflate(&z, flush) == Z_STREAM_ERROR || z.avail_in != 0) {
        die("gzip");
    }
    deflateEnd(&z);
    return z.total_out;
}

static void
packed_event_init(void)
{
    char data[64];
    size_t n = pack("data: 0\n\n", 9, data, sizeof data, Z_SYNC_FLUSH);
    int head = snprintf(packed_event, sizeof packed_event, "%zx\r\n", n);
    memcpy(packed_event + head, data, n);
    memcpy(packed_event + head + n, "\r\n", 3);
}

static void
ctx_init(const char *certificate, const char *key)
{
    ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL ||
        SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
        die("certificate or key");
    }
    /* One suite, so that every proxy does the same arithmetic. */
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    if (SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") != 1) {
        die("ciphersuites");
    }
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
}

static void
peer_free(struct peer *p)
{
    if (p->is_stream) {
        p->next->prev = p->prev;
        p->prev->next = p->next;
    }
    SSL_free(p->ssl);
    close(p->fd);
    free(p);
}

/* Offers what is queued: head and body in one record. False: the peer is
 * gone. */
static bool
peer_write(struct peer *p)
{
    static char stage[RECORD_MAX];
    while (p->sent_head < p->n_head || p->sent_body < p->body) {
        size_t n = p->n_head - p->sent_head, put = 0;
        memcpy(stage, p->head + p->sent_head, n);
        uint64_t rest = p->body - p->sent_body;
        size_t room = RECORD_MAX - n, m = rest < room ? (size_t)rest : room;
        uint64_t at = p->sent_body;
        memcpy(stage + n, p->from + (p->from == packed ? at : at % PATTERN_MAX),
            m);
        int r = SSL_write_ex(p->ssl, stage, n + m, &put);
        if (r != 1) {
            return SSL_get_error(p->ssl, r) == SSL_ERROR_WANT_WRITE;
        }
        size_t of_head = put < n ? put : n;
        p->sent_head += of_head;
        p->sent_body += put - of_head;
    }
    return true;
}

static bool
is_busy(const struct peer *p)
{
    return p->sent_head < p->n_head || p->sent_body < p->body || p->is_stream;
}

static void
respond(struct peer *p, uint64_t body, const char *type, const char *framing)
{
    p->n_head = (size_t)snprintf(p->head, HEAD_MAX,
        "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: %s\r\n"
        "X-Token-Seen: %d\r\n%s\r\n",
        type, p->has_token, framing);
    p->sent_head = 0;
    p->body = body;
    p->from = pattern;
    p->sent_body = 0;
}

static void
respond_bytes(struct peer *p, uint64_t n)
{
    char framing[64];
    snprintf(framing, sizeof framing, "Content-Length: %llu\r\n",
        (unsigned long long)n);
    respond(p, n, "text/plain", framing);
}

static void
respond_packed(struct peer *p, size_t n)
{
    char framing[96];
    if (packed == NULL) {
        size_t room = n + n / 100 + 100;
        char *text = malloc(n);
        packed = malloc(room);
        if (text == NULL || packed == NULL) {
            die("memory");
        }
        for (size_t i = 0; i < n; i++) {
            text[i] = pattern[i % PATTERN_MAX];
        }
        n_packed = pack(text, n, packed, room, Z_FINISH);
        free(text);
    }
    snprintf(framing, sizeof framing,
        "Content-Encoding: gzip\r\nContent-Length: %zu\r\n", n_packed);
    respond(p, n_packed, "text/plain", framing);
    p->from = packed;
}

/* The event may hold any byte: it goes behind the head. */
static void
respond_packed_hold(struct peer *p)
{
    size_t n = strcspn(packed_event, "\r");
    n += 4 + strtoul(packed_event, NULL, 16);
    respond(p, 0, "text/event-stream",
        "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n");
    memcpy(p->head + p->n_head, packed_event, n);
    p->n_head += n;
}

static void
respond_hold(struct peer *p)
{
    respond(p, 0, "text/event-stream",
        "Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 0\n\n");
}

static void
respond_stream(struct peer *p, uint64_t events, uint64_t every_us)
{
    p->is_stream = true;
    p->is_told = false;
    p->events = events;
    p->every = every_us * 1000;
    p->due = now_ns();
    p->next = streams.next;
    p->prev = &streams;
    streams.next->prev = p;
    streams.next = p;
    respond(p, 0, "text/event-stream", "Transfer-Encoding: chunked\r\n");
}

static bool
route(struct peer *p)
{
    unsigned long long a = 0, b = 0;
    p->has_token = strcasestr(p->in, "\r\nx-auth-token:") != NULL;
    if (strncmp(p->in, "POST ", 5) == 0) {
        const char *field = strcasestr(p->in, "\r\ncontent-length:");
        if (field == NULL) {
            return false;
        }
        p->upload = strtoull(field + 17, NULL, 10);
        p->is_upload = true;
    } else if (sscanf(p->in, "GET /bytes/%llu ", &a) == 1) {
        respond_bytes(p, a);
    } else if (sscanf(p->in, "GET /json/%llu ", &a) == 1) {
        respond_bytes(p, a);
        p->from = json;
    } else if (sscanf(p->in, "GET /gzip/%llu ", &a) == 1) {
        respond_packed(p, (size_t)a);
    } else if (strncmp(p->in, "GET /gzhold ", 12) == 0) {
        respond_packed_hold(p);
    } else if (sscanf(p->in, "GET /sse/%llu/%llu ", &a, &b) == 2) {
        respond_stream(p, a, b);
    } else if (strncmp(p->in, "GET /hold ", 10) == 0) {
        respond_hold(p);
    } else {
        return false;
    }
    return true;
}

/* Takes what lies in `in`: a head, or bytes of an upload. False: no sense. */
static bool
peer_take(struct peer *p)
{
    if (!p->is_upload) {
        p->in[p->n_in] = '\0';
        char *end = strstr(p->in, "\r\n\r\n");
        if (end == NULL) {
            return p->n_in < IN_MAX - 1;
        }
        end[2] = '\0';
        if (!route(p)) {
            return false;
        }
        size_t used = (size_t)(end + 4 - p->in);
        p->n_in -= used;
        memmove(p->in, p->in + used, p->n_in);
    }
    if (p->is_upload) {
        size_t n = p->n_in < p->upload ? p->n_in : (size_t)p->upload;
        p->upload -= n;
        p->n_in -= n;
        memmove(p->in, p->in + n, p->n_in);
        if (p->upload == 0) {
            p->is_upload = false;
            respond_bytes(p, 2);
        }
    }
    return true;
}

/* The upload's bulk is not moved about. */
static bool
peer_read(struct peer *p)
{
    static char sink[4 * RECORD_MAX];
    for (;;) {
        size_t got = 0;
        bool is_bulk = p->is_upload && p->n_in == 0 && p->upload >= sizeof sink;
        char *to = is_bulk ? sink : p->in + p->n_in;
        size_t room = is_bulk ? sizeof sink : IN_MAX - 1 - p->n_in;
        int r = SSL_read_ex(p->ssl, to, room, &got);
        if (r != 1) {
            return SSL_get_error(p->ssl, r) == SSL_ERROR_WANT_READ;
        }
        p->upload -= is_bulk ? got : 0;
        p->n_in += is_bulk ? 0 : got;
        if (!is_bulk && (is_busy(p) || !peer_take(p) || !peer_write(p))) {
            return false;
        }
    }
}

static void
on_peer(struct peer *p)
{
    ERR_clear_error();
    if (!SSL_is_init_finished(p->ssl)) {
        int r = SSL_do_handshake(p->ssl);
        int e = SSL_get_error(p->ssl, r);
        if (r != 1) {
            if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE) {
                peer_free(p);
            }
            return;
        }
    }
    if (!peer_write(p) || !peer_read(p)) {
        peer_free(p);
    }
}

static void
on_accept(int listener)
{
    for (;;) {
        int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0) {
            return;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct peer *p = calloc(1, sizeof *p);
        struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
        ev.data.ptr = p;
        if (p == NULL || epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
            die("a peer");
        }
        p->fd = fd;
        p->ssl = SSL_new(ctx);
        SSL_set_fd(p->ssl, fd);
        SSL_set_accept_state(p->ssl);
    }
}

/* The next event of a stream, or its end. */
static bool
stream_turn(struct peer *p, uint64_t now)
{
    char data[64];
    ERR_clear_error();
    if (p->sent_head < p->n_head) {
        return true;
    }
    if (p->events == 0) {
        p->is_stream = false;
        p->next->prev = p->prev;
        p->prev->next = p->next;
        p->n_head = (size_t)snprintf(p->head, HEAD_MAX, "0\r\n\r\n");
    } else {
        int n = snprintf(
            data, sizeof data, "data: %llu\n\n", (unsigned long long)now_ns());
        p->n_head =
            (size_t)snprintf(p->head, HEAD_MAX, "%x\r\n%s\r\n", n, data);
        p->events--;
        p->due = now + p->every;
    }
    p->sent_head = 0;
    return peer_write(p);
}

/* Returns how long until the next event, for epoll: ms, -1 for ever. */
static int
streams_turn(void)
{
    uint64_t now = now_ns(), soonest = UINT64_MAX;
    for (struct peer *p = streams.next, *next; p != &streams; p = next) {
        next = p->next;
        if (p->due <= now && !stream_turn(p, now)) {
            peer_free(p);
            continue;
        }
        if (p->is_stream && p->due < soonest) {
            soonest = p->due;
        }
    }
    if (soonest == UINT64_MAX) {
        return -1;
    }
    uint64_t ms = (soonest - now) / 1000000 + 1;
    return ms < 1000000 ? (int)ms : 1000000;
}

static int
listen_on_free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t n = sizeof a;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) != 0 ||
        listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) != 0) {
        die("listen");
    }
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

static void
watch(int fd, void *what)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = what };
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
        die("epoll_ctl");
    }
}

int
main(int argc, char **argv)
{
    static char is_listener, is_stdin;
    struct epoll_event events[EVENTS_MAX];
    if (argc != 3) {
        die("usage: origin CERTIFICATE KEY");
    }
    signal(SIGPIPE, SIG_IGN);
    raise_descriptors();
    pattern_init();
    json_init();
    packed_event_init();
    ctx_init(argv[1], argv[2]);
    poll_fd = epoll_create1(0);
    int listener = listen_on_free_port();
    watch(listener, &is_listener);
    watch(STDIN_FILENO, &is_stdin);
    for (;;) {
        int n = epoll_wait(poll_fd, events, EVENTS_MAX, streams_turn());
        for (int i = 0; i < n; i++) {
            void *what = events[i].data.ptr;
            if (what == &is_stdin) {
                return 0;
            }
            if (what == &is_listener) {
                on_accept(listener);
            } else {
                on_peer(what);
            }
        }
    }
}
