#pragma once

/*
 * HTTP/1.1 on the client's side of a connection: finds a request's head, feeds
 * its body into an xfer, writes the response out of it. Whoever serves has the
 * time-outs and says what follows: serve_h1.c, for the proxy.
 */

#include "http/h1_body.h"
#include "wire/wire.h"
#include "wire/xfer.h"

/* Where the search for a request's head stands; zeroed to begin with. Of the
 * connection. */
struct h1_reader {
    size_t scanned;    /* of what came: searched for the head's end */
    bool has_blank;    /* an empty line came before this request */
    bool is_plausible; /* its first line is there, and may be one */
};

enum h1_read {
    H1_READ_HEAD,  /* the first *n bytes of w->in are one */
    H1_READ_NONE,  /* nothing of a head is there */
    H1_READ_AGAIN, /* ... a part of it is */
    H1_READ_BAD,   /* it cannot be served: `err` says why, and how */
    H1_READ_END    /* the client has left */
};

/* What of the request is still to come; only goes on. */
enum h1_in {
    H1_IN_BODY,   /* its body, or the rest of that */
    H1_IN_END,    /* nothing: what follows is another request */
    H1_IN_UNKNOWN /* its head could not be read, nor can what follows */
};

/* How much of the response is in wire->out, or was; only goes on. */
enum h1_out { H1_OUT_NOTHING, H1_OUT_HEAD, H1_OUT_END };

/* Of an exchange, in the xfer's arena. */
struct h1_side {
    struct wire *wire;
    struct xfer *xfer;
    struct h1_body body; /* of the request */
    enum h1_in in;
    enum h1_out out;
    enum body_kind framing; /* of the response, once its head is written */
    bool has_unsent;        /* the client did not take all of wire->out */
    double progress;  /* clock_mono() of the last body byte in or byte out, or
                         when there was something to send again */
    double looked;    /* clock_mono() when the end of the connection was looked
                         for behind bytes that there is no room for */
    double ended;     /* ... and seen; 0: it was not */
    struct turn turn; /* of the request's body */
};

/* What a request's body came to. */
enum h1_fed {
    H1_FED,       /* all that there is, as far as the pump has room */
    H1_FED_LARGE, /* more than x->body_max */
    H1_FED_BAD,   /* malformed, and the response has not begun */
    H1_FED_BROKEN /* the client broke off, or the response has begun */
};

/* Reads until there is a head, or what says that there will be none. */
must_check enum h1_read h1_reader_run(
    struct h1_reader *r, struct wire *w, size_t *n, struct h1_error *err);

/* The head that was found, into x->request; its bytes are taken. -1 with `err`
 * filled: nothing is taken. */
must_check int h1_reader_take(struct h1_reader *r, struct wire *w, size_t n,
    uint16_t default_port, struct xfer *x, struct h1_error *err);

/* For an exchange whose request's head is there. */
struct h1_side *h1_side_new(struct xfer *x, struct wire *w);

/* The request's head could not be read: what follows it cannot be, either. */
void h1_side_refuse(struct h1_side *side);

/* What there is of the request's body, as far as the pump has room; one client
 * that sends fast has its share of a turn. */
must_check enum h1_fed h1_side_feed(struct h1_side *side);

/* A 1xx head, before the final one, into wire->out; HTTP/1.0 has none. */
void h1_side_write_interim(
    struct xfer *x, struct wire *w, const struct head *head);

/* The head alone, into wire->out: of a 101, which no body follows. Decides
 * whether the connection may be used again, as far as HTTP does. */
void h1_side_write_head(struct h1_side *side);

/* What there is of the response, as far as the client takes it. IO_OK: it took
 * all; IO_AGAIN: some is in wire->out. */
must_check enum io h1_side_write(struct h1_side *side);

/* When the client last made progress, or `at` if that is later; clock_mono().
 */
double h1_side_since(const struct h1_side *side, double at);

/* Of a client whose end cannot be read, since it lies behind bytes that there
 * is no room for: whether it has left, as far as TCP knows. One that has ended
 * its side may read yet, and has `patience` seconds. It is looked for from
 * h1_side_next_look() on, by clock_mono(), and then again. */
must_check bool h1_side_has_left(struct h1_side *side, double patience);
double h1_side_next_look(const struct h1_side *side);

/* The rest of a request that was answered before its end is thrown away; what
 * follows it is another. IO_OK: it has ended. */
must_check enum io h1_side_drain(struct h1_side *side);
