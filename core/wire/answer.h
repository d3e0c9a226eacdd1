#pragma once

/*
 * One request that weir itself serves, and its answer: what a handler gets from
 * a server (answer_server.h). The request is there whole. The handler answers
 * at once or later, with all of the answer or bit by bit; it adds its fields
 * first. It may use the answer until the server's on_end().
 */

#include "base/buf.h"
#include "wire/xfer.h"

struct answer_conn;
struct answer_server;

enum answer_state {
    ANSWER_REQUEST, /* the request's body comes; the handler was not asked */
    ANSWER_ASKED,   /* the handler is to answer */
    ANSWER_STREAM,  /* it has begun to, and more will come */
    ANSWER_GIVEN    /* the whole answer is in the pump, or it was broken off */
};

struct answer {
    unsigned magic;
    struct xfer xfer; /* the answer lies in its arena */
    struct answer_conn *conn;
    enum answer_state state;
    bool is_handled; /* the handler was asked: on_end() is owed */
    struct buf collected;

    /* for the handler */
    const struct head *request; /* path with query, fields, method */
    struct str body;            /* of the request, whole */
    const void *place;          /* of the listener that it came to */
    void *own;                  /* the handler's own; NULL at first */
};

/* A field of the answer's head, before the answer begins; both are copied, and
 * valid (http/field.h). Server, Date and what frames the body are there. */
void answer_add(struct answer *a, struct str name, struct str value);

/* All of the answer; `body` is copied. `status` is 200 to 599. */
void answer_give(struct answer *a, unsigned status, struct str body);

/* The head, now. The body follows by answer_write(), its end by answer_end().
 */
void answer_begin(struct answer *a, unsigned status);

/* Some of the body, copied; returns how much there was room for. When that is
 * not all, on_room() tells when there is more. */
must_check size_t answer_write(struct answer *a, struct str s);

/* How many bytes answer_write() would take. */
size_t answer_room(const struct answer *a);

void answer_end(struct answer *a);

/* It cannot be completed: the client's connection is cut, so that it sees that
 * something is missing. After answer_begin(). */
void answer_break(struct answer *a);

/* For answer_conn.c */

#define ANSWER_MAGIC 0xa2530e2au

/* A new one; its request's head is to be filled. */
struct answer *answer_new(struct answer_conn *c);

/* The head is there: collects the body, then asks the handler. */
void answer_start(struct answer *a);

/* What the server itself answers; the connection ends behind it. `why` is
 * static. */
void answer_refuse(struct answer *a, unsigned status, const char *why);

void answer_free(struct answer *a);
