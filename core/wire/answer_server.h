#pragma once

/*
 * weir as a server of HTTP/1.1 with a handler in place of the proxy: listening
 * sockets, their connections, and all errors before a handler is asked. It uses
 * the proxy's codec, and is as strict. The server itself answers what is not a
 * valid request: 400, 408, 413, 414, 431, 501, 505.
 */

#include "net/task.h"
#include "wire/answer.h"

struct answer_server;
struct tls_server;

/* The handler's functions. Each is called from a step of the answer or of its
 * connection, and never while the handler itself calls a function of answer.h.
 */
struct answer_handler {
    void (*on_ask)(struct answer *a, void *arg);
    /* There is room again after answer_write() took less than it was given. May
     * be NULL if no answer is streamed. */
    void (*on_room)(struct answer *a, void *arg);
    /* The answer has ended, once for each on_ask(): the client has all of it,
     * or has left, or the server ends. `a` is freed afterwards. May be NULL. */
    void (*on_end)(struct answer *a, void *arg);
    /* The server itself refuses a request: returns the body, and adds fields,
     * at least Content-Type. NULL: the body is `why` as plain text. */
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
    double body_timeout;   /* from then to the last byte of the body */
    double idle_timeout;   /* between requests */
    double write_timeout;  /* while the client takes no byte of the answer */
    double linger_timeout; /* while a refused client still sends; and for a
                              client that has ended its side */
};

struct answer_listen {
    int fd;                 /* a listening, non-blocking socket; taken */
    struct tls_server *tls; /* weir's own certificate; NULL: plain. Lent */
    unsigned max; /* connections at a time; for one more the longest idle one is
                     closed, or it waits */
    const void *place; /* for the handler; lent */
};

struct answer_server *answer_server_new(const struct answer_conf *conf);
void answer_server_listen(
    struct answer_server *s, const struct answer_listen *l);

/* Accepts no more, closes idle connections at once and each other one after its
 * current answer. `waiter` is woken when none is left. */
void answer_server_drain(struct answer_server *s, struct task *waiter);

/* How many connections there are. */
unsigned answer_server_conns(const struct answer_server *s);

/* Closes all connections at once. Must not be called by a handler. */
void answer_server_free(struct answer_server *s);
