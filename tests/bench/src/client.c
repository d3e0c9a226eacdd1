/*
 * One client connection of the load; see client.h. It reads only what the
 * bench's own origin sends, and calls all else garbled.
 */

#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "util.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

#define RECORD_MAX 16384

static char sink[4 * RECORD_MAX];

void
client_close(struct client *c)
{
    if (c->step == S_CLOSED) {
        return;
    }
    if (c->ssl != NULL) {
        if (c->step == S_IDLE) {
            SSL_shutdown(c->ssl);
        }
        SSL_free(c->ssl);
        c->ssl = NULL;
    }
    close(c->fd);
    c->step = S_CLOSED;
}

static void
client_fail(struct client *c, enum failure f)
{
    client_close(c);
    c->run->on_failure(c, f);
}

static int
socket_from(uint32_t from)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        die("socket");
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (from != 0) {
        a.sin_addr.s_addr = from;
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0) {
            die("bind");
        }
    }
    return fd;
}

void
client_open(struct client *c, struct client_run *run, unsigned number)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
    *c = (struct client){ .run = run,
        .number = number,
        .session = c->session,
        .bytes = c->bytes,
        .began = now_ns() };
    to.sin_port = htons(run->port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket_from(run->from);
    c->step = S_CONNECTING;
    ev.data.ptr = c;
    if (epoll_ctl(run->poll_fd, EPOLL_CTL_ADD, c->fd, &ev) != 0) {
        die("epoll_ctl");
    }
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0 &&
        errno != EINPROGRESS) {
        client_fail(c, F_CONNECT);
    }
}

/* The host of this connection. */
static void
client_name(const struct client *c, char *room, size_t size)
{
    snprintf(room, size, "%s%u.%s", c->run->label, c->number, c->run->domain);
}

static void
client_shake(struct client *c)
{
    char name[256];
    c->ssl = SSL_new(c->run->ctx);
    client_name(c, name, sizeof name);
    SSL_set_fd(c->ssl, c->fd);
    SSL_set_app_data(c->ssl, c);
    SSL_set_tlsext_host_name(c->ssl, name);
    SSL_set1_host(c->ssl, name);
    if (c->session != NULL) {
        SSL_set_session(c->ssl, c->session);
    }
    SSL_set_connect_state(c->ssl);
    c->step = S_SHAKING;
}

static void
client_connected(struct client *c)
{
    char name[256];
    int e = 0;
    socklen_t size = sizeof e;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &size);
    if (e != 0) {
        client_fail(c, F_CONNECT);
        return;
    }
    if (c->run->origin_port == 0) {
        client_shake(c);
        return;
    }
    client_name(c, name, sizeof name);
    c->n = (size_t)snprintf(c->buf, sizeof c->buf,
        "CONNECT %s:%u HTTP/1.1\r\nHost: %s:%u\r\n\r\n", name,
        c->run->origin_port, name, c->run->origin_port);
    c->sent = 0;
    c->step = S_ASKING;
}

/* Each turn_ function returns whether there may be more to do at once. */
static bool
turn_connecting(struct client *c)
{
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    if (getpeername(c->fd, (struct sockaddr *)&peer, &size) != 0) {
        int e = 0;
        size = sizeof e;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &size);
        if (e != 0) {
            client_fail(c, F_CONNECT);
        }
        return false;
    }
    client_connected(c);
    return true;
}

static bool
turn_asking(struct client *c)
{
    ssize_t r = write(c->fd, c->buf + c->sent, c->n - c->sent);
    if (r < 0) {
        if (errno != EAGAIN) {
            client_fail(c, F_CONNECT);
        }
        return false;
    }
    c->sent += (size_t)r;
    if (c->sent == c->n) {
        c->step = S_ASKED;
        c->n = 0;
    }
    return true;
}

static bool
turn_asked(struct client *c)
{
    ssize_t r = read(c->fd, c->buf + c->n, sizeof c->buf - 1 - c->n);
    if (r <= 0) {
        if (r == 0 || errno != EAGAIN) {
            client_fail(c, F_CONNECT);
        }
        return false;
    }
    c->n += (size_t)r;
    c->buf[c->n] = '\0';
    if (strstr(c->buf, "\r\n\r\n") == NULL) {
        return true;
    }
    if (strncmp(c->buf, "HTTP/1.", 7) != 0 || strncmp(c->buf + 8, " 200", 4)) {
        client_fail(c, F_PROXY_STATUS);
        return false;
    }
    client_shake(c);
    return true;
}

static bool
turn_shaking(struct client *c)
{
    int r = SSL_do_handshake(c->ssl);
    if (r == 1) {
        c->was_resumed = SSL_session_reused(c->ssl) == 1;
        c->step = S_IDLE;
        c->run->on_ready(c);
        return true;
    }
    int e = SSL_get_error(c->ssl, r);
    if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE) {
        client_fail(c, F_TLS);
    }
    return false;
}

void
client_request(struct client *c, uint64_t due)
{
    char name[256];
    client_name(c, name, sizeof name);
    c->n = (size_t)snprintf(c->buf, sizeof c->buf,
        "%s %s HTTP/1.1\r\nHost: %s:%u\r\nUser-Agent: bench\r\n"
        "Accept: */*\r\n",
        c->run->upload != 0 ? "POST" : "GET", c->run->path, name,
        c->run->origin_port != 0 ? c->run->origin_port : c->run->port);
    if (c->run->upload != 0) {
        c->n += (size_t)snprintf(c->buf + c->n, sizeof c->buf - c->n,
            "Content-Type: text/plain\r\nContent-Length: %llu\r\n",
            (unsigned long long)c->run->upload);
    }
    memcpy(c->buf + c->n, "\r\n", 2);
    c->n += 2;
    c->sent = 0;
    c->sent_body = 0;
    c->due = due;
    c->step = S_SENDING;
}

static void
client_gone(struct client *c)
{
    bool has_begun = c->step == S_BODY || (c->step == S_HEAD && c->n != 0);
    client_fail(c, has_begun          ? F_TRUNCATED
                   : c->responses > 0 ? F_CLOSED_REUSED
                                      : F_CLOSED_NEW);
}

static bool
turn_sending(struct client *c)
{
    static char stage[RECORD_MAX];
    size_t n = c->n - c->sent, put = 0;
    uint64_t rest = c->run->upload - c->sent_body;
    size_t room = sizeof stage - n, m = rest < room ? (size_t)rest : room;
    memcpy(stage, c->buf + c->sent, n);
    memset(stage + n, 'u', m);
    int r = SSL_write_ex(c->ssl, stage, n + m, &put);
    if (r != 1) {
        if (SSL_get_error(c->ssl, r) != SSL_ERROR_WANT_WRITE) {
            client_gone(c);
        }
        return false;
    }
    size_t of_head = put < n ? put : n;
    c->sent += of_head;
    c->sent_body += put - of_head;
    c->bytes += put - of_head;
    if (c->sent == c->n && c->sent_body == c->run->upload) {
        c->step = S_HEAD;
        c->n = 0;
    }
    return true;
}

static void
client_done(struct client *c)
{
    c->responses++;
    c->step = S_IDLE;
    c->run->on_done(c);
}

static bool
read_some(struct client *c, char *to, size_t room, size_t *got)
{
    int r = SSL_read_ex(c->ssl, to, room, got);
    if (r == 1) {
        return true;
    }
    if (SSL_get_error(c->ssl, r) != SSL_ERROR_WANT_READ) {
        client_gone(c);
    }
    return false;
}

/* Whole lines of what lies in buf: chunk sizes, and events. The origin's
 * chunks hold whole lines, a proxy's may not: a size is a line of hexadecimal
 * digits, and no event's line is. */
static bool
take_lines(struct client *c)
{
    char *line = c->buf, *end;
    while ((end = memchr(line, '\n', c->n - (size_t)(line - c->buf))) != NULL) {
        *end = '\0';
        if (strncmp(line, "data: ", 6) == 0) {
            c->run->on_event(strtoull(line + 6, NULL, 10));
        } else if (strcmp(line, "0\r") == 0) {
            client_done(c);
            return true;
        }
        line = end + 1;
    }
    c->n -= (size_t)(line - c->buf);
    memmove(c->buf, line, c->n);
    return c->n < sizeof c->buf - 1;
}

/* Chunks of gzip, of which only the framing is looked at. */
static bool
take_chunks(struct client *c)
{
    char *at = c->buf, *to = c->buf + c->n, *end;
    for (;;) {
        size_t there = (size_t)(to - at);
        size_t skipped = c->chunk < there ? (size_t)c->chunk : there;
        c->chunk -= skipped;
        at += skipped;
        end = memchr(at, '\n', (size_t)(to - at));
        if (end == NULL) {
            break;
        }
        if (c->is_last_chunk) {
            client_done(c);
            return true;
        }
        uint64_t size = strtoull(at, NULL, 16);
        c->is_last_chunk = size == 0;
        c->chunk = size != 0 ? size + 2 : 0;
        at = end + 1;
    }
    c->n = (size_t)(to - at);
    memmove(c->buf, at, c->n);
    return c->n < sizeof c->buf - 1;
}

static bool
take(struct client *c)
{
    return c->is_packed ? take_chunks(c) : take_lines(c);
}

static bool
at_first_byte_of_body(struct client *c)
{
    if (c->run->does_abort) {
        client_close(c);
        c->run->on_done(c);
        return true;
    }
    if (c->run->does_hold) {
        c->step = S_HELD;
        c->run->on_done(c);
        return true;
    }
    return false;
}

static bool
turn_body(struct client *c)
{
    size_t got = 0;
    if (c->is_chunked) {
        if (!read_some(c, c->buf + c->n, sizeof c->buf - 1 - c->n, &got)) {
            return false;
        }
        c->n += got;
        c->bytes += got;
        if (at_first_byte_of_body(c)) {
            return false;
        }
        if (!take(c)) {
            client_fail(c, F_GARBLED);
            return false;
        }
        return true;
    }
    if (!read_some(c, sink,
            c->body < sizeof sink ? (size_t)c->body : sizeof sink, &got)) {
        return false;
    }
    c->body -= got;
    c->bytes += got;
    if (at_first_byte_of_body(c)) {
        return false;
    }
    if (c->body == 0) {
        client_done(c);
    }
    return true;
}

/* What lies behind the head in buf. */
static bool
begin_body(struct client *c, const char *body, size_t n)
{
    c->step = S_BODY;
    c->bytes += n;
    if (c->is_chunked) {
        memmove(c->buf, body, n);
        c->n = n;
    }
    if (n != 0 && at_first_byte_of_body(c)) {
        return false;
    }
    if (c->is_chunked ? !take(c) : n > c->body) {
        client_fail(c, F_GARBLED);
        return false;
    }
    if (!c->is_chunked) {
        c->body -= n;
        if (c->body == 0) {
            client_done(c);
        }
    }
    return true;
}

static bool
turn_head(struct client *c)
{
    size_t got = 0;
    if (!read_some(c, c->buf + c->n, sizeof c->buf - 1 - c->n, &got)) {
        return false;
    }
    if (c->n == 0) {
        c->run->on_first(c);
    }
    c->n += got;
    c->buf[c->n] = '\0';
    char *end = strstr(c->buf, "\r\n\r\n");
    if (end == NULL) {
        return c->n < sizeof c->buf - 1;
    }
    end[2] = '\0';
    if (strncmp(c->buf, "HTTP/1.1 200 ", 13) != 0) {
        client_fail(c, F_STATUS);
        return false;
    }
    const char *length = strcasestr(c->buf, "\r\ncontent-length:");
    c->is_chunked =
        strcasestr(c->buf, "\r\ntransfer-encoding: chunked") != NULL;
    c->is_packed = strcasestr(c->buf, "\r\ncontent-encoding: gzip") != NULL;
    c->is_last_chunk = false;
    c->chunk = 0;
    c->must_close = strcasestr(c->buf, "\r\nconnection: close") != NULL;
    c->has_token = strcasestr(c->buf, "\r\nx-token-seen: 1") != NULL;
    if (length == NULL && !c->is_chunked) {
        client_fail(c, F_GARBLED);
        return false;
    }
    c->body = length != NULL ? strtoull(length + 17, NULL, 10) : 0;
    return begin_body(c, end + 4, c->n - (size_t)(end + 4 - c->buf));
}

/* An idle connection may only be told of tickets, or of its end. */
static bool
turn_idle(struct client *c)
{
    char one;
    size_t got = 0;
    int r = SSL_read_ex(c->ssl, &one, 1, &got);
    if (r == 1) {
        client_fail(c, F_GARBLED);
    } else if (SSL_get_error(c->ssl, r) != SSL_ERROR_WANT_READ) {
        c->must_close = true;
    }
    return false;
}

void
client_turn(struct client *c)
{
    static bool (*const turns[])(struct client *) = {
        [S_CONNECTING] = turn_connecting,
        [S_ASKING] = turn_asking,
        [S_ASKED] = turn_asked,
        [S_SHAKING] = turn_shaking,
        [S_IDLE] = turn_idle,
        [S_SENDING] = turn_sending,
        [S_HEAD] = turn_head,
        [S_BODY] = turn_body,
    };
    bool may_go_on = true;
    while (may_go_on && c->step != S_CLOSED && c->step != S_HELD) {
        ERR_clear_error();
        may_go_on = turns[c->step](c);
    }
}
