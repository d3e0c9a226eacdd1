/*
 * Queues of messages out, and the gathering of long ones in. Packets of one
 * message are never mixed with another's: a message is sent directly only while
 * nothing waits, and what is left of it waits as the first of the queue.
 */

#include "os/link.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"

#define LINK_MAGIC 0x114b114bu

/* A message that waits. */
struct item {
    struct list node;
    struct chan_msg msg; /* its fd is the item's own */
    size_t at;           /* bytes of data that are sent */
    struct link_body *body;
};

/* A message of several packets as it comes. */
struct link_gather {
    struct chan_msg msg; /* its fd is the gather's until it is handed out */
    char *data;
    size_t n, more; /* bytes that came, that are to come */
};

struct link_body *
link_body_new(struct str data)
{
    struct link_body *b = xalloc(sizeof *b);
    *b = (struct link_body){ 1, str_n(xstrndup(data), data.n) };
    return b;
}

static struct link_body *
link_body_ref(struct link_body *b)
{
    AN(b->n_owners != 0);
    b->n_owners++;
    return b;
}

void
link_body_unref(struct link_body *b)
{
    AN(b->n_owners != 0);
    if (--b->n_owners == 0) {
        xfree((char *)b->data.p);
        xfree(b);
    }
}

void
link_init(struct link *l, int sock, size_t message_max)
{
    AN(message_max >= CHAN_DATA_MAX && message_max <= UINT32_MAX);
    *l = (struct link){
        .magic = LINK_MAGIC, .sock = sock, .message_max = message_max
    };
    list_init(&l->queue);
}

static void
fd_close(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

static size_t
item_cost(const struct item *it)
{
    return sizeof *it + it->msg.data.n + (it->msg.fd >= 0 ? LINK_FD_COST : 0);
}

static void
item_free(struct link *l, struct item *it)
{
    AN(l->queued >= item_cost(it));
    l->queued -= item_cost(it);
    list_del(&it->node);
    fd_close(it->msg.fd);
    link_body_unref(it->body);
    xfree(it);
}

/* What was not handed out is dropped with it. */
static void
gather_free(struct link *l)
{
    struct link_gather *g = l->gather;
    l->gather = NULL;
    if (g != NULL) {
        fd_close(g->msg.fd);
        xfree(g->data);
        xfree(g);
    }
}

void
link_close(struct link *l)
{
    CHECK(l, LINK_MAGIC);
    while (link_is_waiting(l)) {
        item_free(l, container_of(l->queue.next, struct item, node));
    }
    AZ(l->queued);
    gather_free(l);
    fd_close(l->sock);
    l->sock = -1;
}

/* All packets from *at on, or as many as there is room for. */
static enum io
send_parts(int sock, const struct chan_msg *m, size_t *at)
{
    enum io r = chan_send_part(sock, m, at);
    while (r == IO_OK && *at < m->data.n) {
        r = chan_send_part(sock, m, at);
    }
    return r;
}

/* From byte `at` of its data on; of its descriptor a duplicate. */
static void
enqueue(struct link *l, const struct chan_msg *m, size_t at, int fd,
    struct link_body *body)
{
    struct item *it = xalloc(sizeof *it);
    *it = (struct item){ .msg = *m, .at = at };
    it->body = body != NULL ? link_body_ref(body) : link_body_new(m->data);
    it->msg.data = it->body->data;
    it->msg.fd = fd;
    AN(at <= it->msg.data.n);
    list_add_tail(&l->queue, &it->node);
    l->queued += item_cost(it);
}

static enum io
send_or_queue(struct link *l, const struct chan_msg *m, struct link_body *body)
{
    size_t at = 0;
    int fd = -1;
    CHECK(l, LINK_MAGIC);
    AN(link_is_open(l));
    if (l->queued >= LINK_QUEUE_MAX) {
        return IO_AGAIN;
    }
    if (!link_is_waiting(l)) {
        enum io r = send_parts(l->sock, m, &at);
        if (r != IO_AGAIN) {
            return r;
        }
    }
    if (m->fd >= 0 && at == 0) {
        fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0) {
            return IO_AGAIN;
        }
    }
    enqueue(l, m, at, fd, body);
    return IO_OK;
}

enum io
link_send(struct link *l, const struct chan_msg *m)
{
    return send_or_queue(l, m, NULL);
}

enum io
link_send_body(struct link *l, const struct chan_msg *m, struct link_body *body)
{
    struct chan_msg whole = *m;
    AN(body->n_owners != 0);
    whole.data = body->data;
    return send_or_queue(l, &whole, body);
}

enum io
link_flush(struct link *l)
{
    CHECK(l, LINK_MAGIC);
    AN(link_is_open(l));
    while (link_is_waiting(l)) {
        struct item *it = container_of(l->queue.next, struct item, node);
        enum io r = send_parts(l->sock, &it->msg, &it->at);
        if (r != IO_OK) {
            return r;
        }
        item_free(l, it);
    }
    AZ(l->queued);
    return IO_OK;
}

/* The first of several packets. Takes the fd of `m`. */
static bool
gather_begin(struct link *l, const struct chan_msg *m, size_t more)
{
    size_t n = m->data.n + more;
    AZ(l->gather);
    if (n > l->message_max) {
        fd_close(m->fd);
        return false;
    }
    struct link_gather *g = l->gather = xalloc(sizeof *g);
    *g = (struct link_gather){ .msg = *m, .data = xalloc(n), .more = n };
    return true;
}

/* Adds a packet; false: it is of no message that has begun. */
static bool
gather_add(struct link_gather *g, const struct chan_msg *m, size_t more)
{
    if (m->type != g->msg.type || m->number != g->msg.number ||
        m->data.n + more != g->more) {
        return false;
    }
    memcpy(g->data + g->n, m->data.p, m->data.n);
    g->n += m->data.n;
    g->more = more;
    return true;
}

/* A packet of several; false: malformed. Takes the fd of `m`. */
static bool
gather_packet(struct link *l, const struct chan_msg *m, size_t more)
{
    if (l->gather == NULL) {
        return gather_begin(l, m, more) && gather_add(l->gather, m, more);
    }
    bool ok = m->fd < 0 && m->data.n != 0 && gather_add(l->gather, m, more);
    fd_close(m->fd);
    return ok;
}

static void
gather_hand_out(struct link_gather *g, struct chan_msg *m)
{
    AZ(g->more);
    *m = g->msg;
    m->data = str_n(g->data, g->n);
    g->msg.fd = -1;
}

enum io
link_recv(struct link *l, struct chan_msg *m, char *buf)
{
    CHECK(l, LINK_MAGIC);
    AN(link_is_open(l));
    if (l->gather != NULL && l->gather->more == 0) {
        gather_free(l); /* it was handed out by the last call */
    }
    do {
        struct chan_msg got;
        size_t more;
        enum io r = chan_recv_part(l->sock, &got, buf, &more);
        if (r != IO_OK) {
            return r;
        }
        if (l->gather == NULL && more == 0) {
            *m = got;
            return IO_OK;
        }
        if (!gather_packet(l, &got, more)) {
            return IO_ERR;
        }
    } while (l->gather->more != 0);
    gather_hand_out(l->gather, m);
    return IO_OK;
}
