#pragma once

/*
 * This process's end of a channel to another one (chan.h): what the socket has
 * no room for waits in a queue, so that nobody waits for a process that does
 * not read; and a message whose packets have not all come is gathered here.
 * Both are bounded.
 */

#include "base/list.h"
#include "os/chan.h"

/* A link whose queue has reached this many bytes takes no more. A descriptor
 * counts as LINK_FD_COST of them. */
#define LINK_QUEUE_MAX ((size_t)8 << 20)
#define LINK_FD_COST ((size_t)64 << 10)

/* The data of a message to many, which the queues of their links share. */
struct link_body {
    unsigned n_owners;
    struct str data;
};

struct link_gather;

struct link {
    unsigned magic;
    int sock;                   /* -1: closed */
    struct list queue;          /* first in, first out */
    size_t queued;              /* what is in it; see LINK_QUEUE_MAX */
    size_t message_max;         /* bytes of data that are taken */
    struct link_gather *gather; /* NULL: no message of several packets */
};

/* Takes the socket, which does not block. A longer message than `message_max`
 * bytes, at least CHAN_DATA_MAX, is a malformed one. */
void link_init(struct link *l, int sock, size_t message_max);

/* Closes the socket and drops what waits, with its descriptors. May be called
 * again. A forked child does so for what it inherited. */
void link_close(struct link *l);

static inline bool
link_is_open(const struct link *l)
{
    return l->sock >= 0;
}

/* Whether link_flush() is to be called when the socket can be written to. */
static inline bool
link_is_waiting(const struct link *l)
{
    return !list_is_empty(&l->queue);
}

/* IO_OK: it is sent, or waits in the queue. IO_AGAIN: the queue is full, or no
 * descriptor could be kept for it; nothing was sent. IO_ERR: the other process
 * has closed its end. Data and fd stay the caller's. The link is open. */
must_check enum io link_send(struct link *l, const struct chan_msg *m);

/* The same with `body` for data: a queue refers to it and does not copy. */
must_check enum io link_send_body(
    struct link *l, const struct chan_msg *m, struct link_body *body);

/* Sends what waits. IO_OK: all of it; IO_AGAIN: a part; IO_ERR. */
must_check enum io link_flush(struct link *l);

/* The next whole message, as chan_recv(); IO_AGAIN also when a part of one
 * came. Long data is the link's, until the next call. */
must_check enum io link_recv(struct link *l, struct chan_msg *m, char *buf);

/* A copy of the data, with one owner, which is the caller. */
struct link_body *link_body_new(struct str data);
void link_body_unref(struct link_body *b);
