#pragma once

/*
 * A client's connection to a server of weir's own, and the listener that it
 * came to. Between answer_server.c, answer_conn.c and answer.c.
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
    struct answer *answer; /* that is under way; NULL: none is */
    struct h1_side *side;  /* of it */
    double since;          /* clock_mono() when this state began */
    unsigned long turn;    /* of the loop, in which the last answer ended */
    struct turn lingering;
    unsigned requests;
    bool is_half_closed; /* the client will say no more, and may yet read */
};

#define ANSWER_CONN_MAGIC 0xa2530ec0u

/* Takes `fd`. It frees itself when it ends. */
void answer_conn_new(struct answer_listener *l, int fd);

/* Closes now, whatever goes on. */
void answer_conn_free(struct answer_conn *c);

/* One has become idle, and may make room for who waits. */
void answer_listener_has_idle(struct answer_listener *l);

/* One has ended, and is off the listener's lists. */
void answer_listener_left(struct answer_listener *l);
