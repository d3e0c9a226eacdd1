#pragma once

/*
 * One request that weir itself serves, and its answer: a server
 * (answer_server.h) hands it to its handler when the whole request has come.
 * The handler adds fields first; then it answers, at once or later, with the
 * whole answer or piece by piece. It may use the struct until the server calls
 * on_end().
 */

#include "base/buf.h"
#include "wire/xfer.h"

struct answer_conn;
struct answer_server;

enum answer_state {
    ANSWER_REQUEST, /* the request's body comes; the handler was not asked */
    ANSWER_ASKED,   /* the handler is to answer */
    ANSWER_STREAM,  /* the handler has begun, and more will come */
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

/* Adds a field to the answer's head; to be called before the answer begins.
 * Both strings are copied and must be valid (http/field.h). Server, Date and
 * the fields that frame the body are there already. */
void answer_add(struct answer *a, struct str name, struct str value);

/* Gives the whole answer; `body` is copied. `status` is 200 to 599. */
void answer_give(struct answer *a, unsigned status, struct str body);

/* Sends the head now. answer_write() sends the body, answer_end() its end. */
void answer_begin(struct answer *a, unsigned status);

/* Sends some of the body, copied; returns how many bytes there was room for. If
 * not for all, on_room() is called when there is room again. */
must_check size_t answer_write(struct answer *a, struct str s);

/* How many bytes answer_write() would take. */
size_t answer_room(const struct answer *a);

void answer_end(struct answer *a);

/* Breaks the answer off after answer_begin(): cuts the client's connection, so
 * that the client sees that something is missing. */
void answer_break(struct answer *a);

/* For answer_conn.c */

#define ANSWER_MAGIC 0xa2530e2au

/* A new answer; the caller fills its request's head. */
struct answer *answer_new(struct answer_conn *c);

/* The head is filled: collects the body, then asks the handler. */
void answer_start(struct answer *a);

/* The server itself refuses with this answer; the connection ends after it.
 * `why` is static. */
void answer_refuse(struct answer *a, unsigned status, const char *why);

void answer_free(struct answer *a);
