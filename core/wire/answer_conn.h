#pragma once

/*
 * A client's connection to a server of weir's own, and the listener that it
 * came to. Only for answer_server.c, answer_conn.c and answer.c.
 */

#include "wire/answer_server.h"
#include "wire/h1_side.h"

struct answer_server {
    unsigned magic;
    struct answer_conf conf;
    struct list listeners;
    struct task *waiter; /* NULL until it drains */
};

#define ANSWER_SERVER_MAGIC 0xa2530e25u

struct answer_listener {
    struct list node; /* of server->listeners */
    struct answer_server *server;
    struct answer_listen args;
    struct watch watch;
    struct timer retry;
    struct list conns;
    struct list idle; /* of them, the longest idle first */
    unsigned n_conns;
};

struct answer_conn {
    unsigned magic;
    struct task task;
    struct list node; /* of listener->conns */
    struct list idle; /* of listener->idle, between requests */
    struct answer_listener *listener;
    struct wire wire;
    struct h1_reader reader;
    struct answer *answer; /* to the current request; NULL: there is none */
    struct h1_side *side;  /* of it */
    double since;          /* clock_mono() when this step began */
    unsigned long turn;    /* the loop's, in which the last answer ended */
    struct turn lingering;
    unsigned requests;
    bool is_half_closed; /* the client has ended its side, and may still read */
};

#define ANSWER_CONN_MAGIC 0xa2530ec0u

/* Takes `fd`. It frees itself when it ends. */
void answer_conn_new(struct answer_listener *l, int fd);

/* Closes now, even in the middle of an answer. */
void answer_conn_free(struct answer_conn *c);

/* A connection has become idle, and may make room for who waits. */
void answer_listener_has_idle(struct answer_listener *l);

/* A connection has ended and is in no list of the listener any more. */
void answer_listener_left(struct answer_listener *l);
