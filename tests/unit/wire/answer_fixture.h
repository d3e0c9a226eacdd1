#pragma once

/*
 * A server of weir's own on a unix socket, its handler, and clients of it that
 * the test plays; no worker, no sandbox, no policy. Handler and clients run on
 * one loop, which runs while the test waits for something.
 */

#include "../net/cert.h"
#include "../net/drive.h"
#include "base/buf.h"
#include "net/stream.h"
#include "wire/answer_server.h"

#define AF_CLIENTS 4

/* A client's end. */
struct af_client {
    struct stream *stream;
    struct buf got; /* what came and was not looked at */
    size_t want;
    const char *text;
    enum io io;
};

struct af {
    struct drive drive;
    struct loop *loop;
    struct answer_server *server;
    struct answer *held; /* asked for "/later", or streamed; NULL: none */
    unsigned asked, ended, rooms;
    bool is_drained;
    struct task waiter;            /* for the drain */
    struct tls_server *tls_server; /* NULL: not set up */
    struct tls_client *tls_client; /* trusts it */
};

extern struct af af;

#define AF_BODY_MAX 1000
#define AF_HEAD_TIMEOUT 10
#define AF_BODY_TIMEOUT 20
#define AF_IDLE_TIMEOUT 40
#define AF_WRITE_TIMEOUT 60
#define AF_LINGER_TIMEOUT 5

/* "/hello" is answered with "hello", "/echo" with the request's body, "/later"
 * when the test says, "/events" is begun and goes on when the test says, "/big"
 * is a megabyte; anything else is 404. */
int af_set_up(void **state);
int af_set_up_one_byte(void **state);
int af_tear_down(void **state);

/* The same with TLS on a second socket, as AF_TLS_NAME. */
#define AF_TLS_NAME "a.example"
int af_set_up_tls(void **state);

#define AF_TEST(f) cmocka_unit_test_setup_teardown(f, af_set_up, af_tear_down)
#define AF_TEST_BYTES(f)                                                       \
    cmocka_unit_test_setup_teardown(f, af_set_up_one_byte, af_tear_down)

/* Another socket, taken, with TLS unless `tls` is NULL. */
void af_listen(int fd, struct tls_server *tls);

/* Who trusts that CA. */
struct tls_client *af_trusting(const struct cert *ca);

/* A client that has connected; `af_leave` closes it. */
void af_connect(struct af_client *c);
void af_connect_tls(struct af_client *c);
void af_leave(struct af_client *c);

/* Sends all of it. */
void af_say(struct af_client *c, const char *text);
void af_say_n(struct af_client *c, const char *p, size_t n);

/* Waits for that text in what comes, and takes all up to its end. */
void af_gets(struct af_client *c, const char *text);

/* Waits for a whole answer with a Content-Length and takes it. */
void af_answers(struct af_client *c, unsigned status, const char *body);

/* Waits until the server has closed; nothing but what was taken came. */
void af_is_closed(struct af_client *c);

/* The same, whatever came. */
void af_is_cut(struct af_client *c);

/* Nothing came, and nothing was closed, at this time. */
void af_is_quiet(struct af_client *c);

/* Waits until a handler has so many requests, ended requests. */
void af_asked(unsigned n);
void af_ended(unsigned n);
