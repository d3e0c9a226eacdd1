#pragma once

/*
 * HTTP/1.1's state of one exchange with its client, in the tx's arena; between
 * serve_h1.c and h1_side.c.
 */

#include "http/h1_body.h"
#include "net/task.h"

struct conn;

struct h1_side {
    struct h1_body body; /* of the request */
    bool is_body_done, is_head_written, is_end_written, is_chunked;
    bool is_bare;     /* no body goes with this head: it answers HEAD */
    bool is_refused;  /* the head: what follows it is thrown away */
    bool has_unsent;  /* the client did not take all of c->out */
    double progress;  /* clock_mono() of the last body byte in or byte out, or
                         when there was something to send again */
    double looked;    /* clock_mono() when the end of the connection was looked
                         for behind bytes that there is no room for */
    double ended;     /* ... and seen; 0: it was not */
    struct turn turn; /* of the request's body */
};

/* What there is of the request's body, as far as the pump has room; one client
 * that sends fast has its share of a turn. Failures are told to the tx. */
void h1_side_feed(struct conn *c, struct h1_side *side);

/* The head alone, into c->out: of a 101, which no body follows. Decides whether
 * the connection may be used again. */
void h1_side_write_head(struct conn *c, struct h1_side *side);

/* What there is of the response, as far as the client takes it. IO_OK: it took
 * all; IO_AGAIN: some is in c->out. */
must_check enum io h1_side_write(struct conn *c, struct h1_side *side);
