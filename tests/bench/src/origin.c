/*
 * The origin: HTTP/1.1 over TLS on a free loopback port, which it prints. One
 * thread, bodies from files that are mapped once, so that it costs a fraction
 * of any proxy. It ends when its standard input does.
 *
 *   /body/NAME/N/TYPE   N bytes of the file NAME, which repeats, as of that
 *                       media type; gzip if the name ends so
 *   /bytes/N            N bytes of the file "text"
 *   /sse/N/US           N events, US microseconds apart, each with its time
 *   /hold               one event, then nothing for ever
 *   /gzhold             the same of gzip, from the file "event.gz"
 *   any POST            its body is read and thrown away; "ok"
 *
 * X-Token-Seen in each answer says whether the proxy set the header X-Auth-
 * Token. What it does not understand it closes: it is nobody's web server.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

#define IN_MAX 8192
#define HEAD_MAX 512
#define RECORD_MAX 16384
#define FILES_MAX 64
#define NAME_SIZE 32 /* with its end */
#define EVENTS_MAX 256

/* A body. */
struct file {
    char name[NAME_SIZE];
    const char *bytes;
    size_t size;
};

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
    const struct file *from; /* of the body: repeats as often as needed */
    uint64_t body, sent_body;
    struct peer *next, *prev;    /* of the streams */
    uint64_t events, due, every; /* of a stream */
    bool is_stream, is_told;     /* told: the final chunk is queued */
};

static SSL_CTX *ctx;
static int poll_fd;
static const char *directory;
static struct file files[FILES_MAX];
static size_t n_files;
static struct peer streams = { .next = &streams, .prev = &streams };

static void
file_map(struct file *f)
{
    char path[256];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", directory, f->name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size == 0) {
        die("%s", path);
    }
    f->size = (size_t)st.st_size;
    f->bytes = mmap(NULL, f->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (f->bytes == MAP_FAILED) {
        die("%s", path);
    }
    close(fd);
}

/* The file of that name, mapped when it is asked for first. */
static const struct file *
file_of(const char *name)
{
    for (size_t i = 0; i < n_files; i++) {
        if (strcmp(files[i].name, name) == 0) {
            return &files[i];
        }
    }
    if (n_files == FILES_MAX) {
        errno = 0;
        die("too many files");
    }
    struct file *f = &files[n_files++];
    snprintf(f->name, sizeof f->name, "%s", name);
    file_map(f);
    return f;
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

/* As much of the body as fits; returns how much. */
static size_t
peer_stage_body(const struct peer *p, char *to, size_t room)
{
    uint64_t rest = p->body - p->sent_body;
    size_t n = rest < room ? (size_t)rest : room;
    for (size_t put = 0; put < n;) {
        size_t at = (size_t)((p->sent_body + put) % p->from->size);
        size_t there = p->from->size - at;
        size_t m = there < n - put ? there : n - put;
        memcpy(to + put, p->from->bytes + at, m);
        put += m;
    }
    return n;
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
        size_t m = peer_stage_body(p, stage + n, sizeof stage - n);
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
    p->sent_body = 0;
}

/* `name` is of a file, of which the body is n bytes. */
static void
respond_file(struct peer *p, const char *name, uint64_t n, const char *type)
{
    char framing[96];
    bool is_packed = strstr(name, ".gz") != NULL;
    snprintf(framing, sizeof framing, "%sContent-Length: %llu\r\n",
        is_packed ? "Content-Encoding: gzip\r\n" : "", (unsigned long long)n);
    respond(p, n, type, framing);
    p->from = file_of(name);
}

/* One chunk. The event may hold any byte: it goes behind the head. */
static void
respond_packed_hold(struct peer *p)
{
    const struct file *f = file_of("event.gz");
    respond(p, 0, "text/event-stream",
        "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n");
    if (p->n_head + f->size + 16 > HEAD_MAX) {
        die("event.gz is too long");
    }
    p->n_head += (size_t)snprintf(p->head + p->n_head, 16, "%zx\r\n", f->size);
    memcpy(p->head + p->n_head, f->bytes, f->size);
    memcpy(p->head + p->n_head + f->size, "\r\n", 2);
    p->n_head += f->size + 2;
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
    char name[NAME_SIZE], type[64];
    p->has_token = strcasestr(p->in, "\r\nx-auth-token:") != NULL;
    if (strncmp(p->in, "POST ", 5) == 0) {
        const char *field = strcasestr(p->in, "\r\ncontent-length:");
        if (field == NULL) {
            return false;
        }
        p->upload = strtoull(field + 17, NULL, 10);
        p->is_upload = true;
    } else if (sscanf(p->in, "GET /bytes/%llu ", &a) == 1) {
        respond_file(p, "text", a, "text/plain");
    } else if (sscanf(p->in, "GET /body/%31[a-z0-9.]/%llu/%63[a-z/-] ", name,
                   &a, type) == 3) {
        respond_file(p, name, a, type);
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
            respond_file(p, "text", 2, "text/plain");
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
    if (argc != 4) {
        die("usage: origin CERTIFICATE KEY DIRECTORY");
    }
    signal(SIGPIPE, SIG_IGN);
    raise_descriptors();
    directory = argv[3];
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
