#pragma once

/*
 * weir as a server of HTTP/1.1, with a handler in place of the proxy: listening
 * sockets, their connections, and all that goes wrong before a handler is
 * asked. By the codec of the proxy, and as strict. What is no request is
 * answered by the server itself: 400, 408, 413, 414, 431, 501, 505.
 */

#include "net/task.h"
#include "wire/answer.h"

struct answer_server;
struct tls_server;

/* What the handler is told; each comes from a step of the answer or of its
 * connection, and never from within a call of the handler's. */
struct answer_handler {
    void (*on_ask)(struct answer *a, void *arg);
    /* There is room again, after answer_write() took less than it was given.
     * May be NULL where no answer is streamed. */
    void (*on_room)(struct answer *a, void *arg);
    /* It is over, once for each on_ask(): the client has all of it, or has
     * left, or the server ends. `a` is gone afterwards. May be NULL. */
    void (*on_end)(struct answer *a, void *arg);
    /* The server refuses a request by itself: writes the body and adds fields,
     * Content-Type at least. NULL: `why` as plain text. */
    struct str (*on_refuse)(
        struct answer *a, unsigned status, const char *why, void *arg);
    void *arg;
};

struct answer_conf {
    struct loop *loop;
    struct answer_handler handler;
    size_t body_max; /* bytes of a request's body; more: 413 */

    /* in seconds */
    double head_timeout;   /* from the first byte of a head to its last */
    double body_timeout;   /* from there to the last byte of the body */
    double idle_timeout;   /* between requests */
    double write_timeout;  /* in which the client takes none of the answer */
    double linger_timeout; /* for what a client still sends that was refused,
                              and for one that has ended its side */
};

struct answer_listen {
    int fd;                 /* it listens, and does not block; is taken */
    struct tls_server *tls; /* weir's own certificate; NULL: plain. Lent */
    unsigned max; /* connections at a time; for one more the longest idle one is
                     closed, or it waits */
    const void *place; /* for the handler; lent */
};

struct answer_server *answer_server_new(const struct answer_conf *conf);
void answer_server_listen(
    struct answer_server *s, const struct answer_listen *l);

/* Accepts no more, closes what is idle, and each connection behind the answer
 * that is under way. `waiter` is woken when none is left. */
void answer_server_drain(struct answer_server *s, struct task *waiter);

/* How many connections there are. */
unsigned answer_server_conns(const struct answer_server *s);

/* Closes all, whatever goes on. Never from within a call of the handler's. */
void answer_server_free(struct answer_server *s);
