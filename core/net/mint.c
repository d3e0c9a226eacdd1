/*
 * The worker's end of the pair. The master holds both ends open, so that the
 * death of a keeper is no end of file: pending asks wait for the next keeper,
 * or for their time-out.
 */

#include "net/mint.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/sock.h"

#define MINTS_MAGIC 0x3141e511u
#define PENDING_MAX 1024
#define PATIENCE 5.0

/* So few that all their answers fit into our socket's queue unread. */
#define SENT_MAX 64

struct mint {
    struct list node;
    double deadline;
    bool is_sent;
    mint_fn *on_end;
    void *arg;
    struct mint_ask ask;
};

struct mints {
    unsigned magic;
    int fd;
    struct watch watch;
    struct timer timer;
    struct list pending; /* by deadline; the ones that were sent come first */
    unsigned n, n_sent;
    double patience;
    bool is_dead;
};

static void
mints_arm(struct mints *ms)
{
    if (ms->n == 0) {
        timer_stop(&ms->timer);
        return;
    }
    const struct mint *m = container_of(ms->pending.next, struct mint, node);
    double left = m->deadline - clock_mono();
    timer_start(&ms->timer, left > 0.001 ? left : 0.001);
}

static void
mint_end(struct mints *ms, struct mint *m, const struct mint_answer *a)
{
    list_del(&m->node);
    ms->n--;
    ms->n_sent -= m->is_sent;
    m->on_end(m->arg, a);
    xfree(m);
}

/* The channel broke: all pending asks fail at once, as nobody will answer.
 * `err`: the errno, or 0. */
static void
mints_die(struct mints *ms, const char *why, int err)
{
    struct list failed;
    log_errno(LOG_ALERT, err, "no more certificates from the keeper: %s", why);
    ms->is_dead = true;
    watch_set(&ms->watch, 0);
    list_init(&failed);
    list_splice_tail(&failed, &ms->pending);
    while (!list_is_empty(&failed)) {
        mint_end(ms, container_of(failed.next, struct mint, node), NULL);
    }
    mints_arm(ms);
}

static enum io
mint_send(const struct mints *ms, const struct mint *m)
{
    ssize_t r = send(ms->fd, &m->ask, sizeof m->ask, MSG_NOSIGNAL);
    if (r >= 0) {
        return IO_OK;
    }
    bool is_full = errno == EAGAIN || errno == EINTR || errno == ENOBUFS;
    return is_full ? IO_AGAIN : IO_ERR;
}

/* Sends the asks that may be sent now. */
static void
mints_flush(struct mints *ms)
{
    enum io r = IO_OK;
    struct list *at = ms->pending.next;
    while (at != &ms->pending && r == IO_OK && ms->n_sent < SENT_MAX) {
        struct mint *m = container_of(at, struct mint, node);
        at = at->next;
        if (!m->is_sent) {
            r = mint_send(ms, m);
            m->is_sent = r == IO_OK;
            ms->n_sent += m->is_sent;
        }
    }
    if (r == IO_ERR) {
        mints_die(ms, "send() failed", errno);
        return;
    }
    watch_set(&ms->watch, WATCH_READ | (r == IO_AGAIN ? WATCH_WRITE : 0));
}

static bool
answer_is_valid(const struct mint_answer *a, ssize_t n)
{
    bool is_form =
        n == sizeof *a && a->magic == MINT_MAGIC && a->status < MINT_STATUSES;
    if (!is_form || a->status != MINT_OK) {
        return is_form;
    }
    return a->not_before < a->not_after && a->number[0] >= 0x40 &&
           a->number[0] < 0x80 && a->n_signature != 0 &&
           a->n_signature <= sizeof a->signature;
}

/* Ends the ask that `a` answers. There may be none: the answer came too late,
 * or two keepers answered. */
static void
mints_settle(struct mints *ms, const struct mint_answer *a)
{
    struct list *at = ms->pending.next;
    for (; at != &ms->pending; at = at->next) {
        struct mint *m = container_of(at, struct mint, node);
        if (m->is_sent && m->ask.nonce == a->nonce) {
            mint_end(ms, m, a);
            return;
        }
    }
}

static void
mints_read(struct mints *ms)
{
    for (int i = 0; i < SENT_MAX && !ms->is_dead; i++) {
        struct mint_answer a;
        ssize_t n = recv(ms->fd, &a, sizeof a, MSG_TRUNC);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (n < 0) {
            mints_die(ms, "recv() failed", errno);
        } else if (n == 0) {
            mints_die(ms, "end of file", 0);
        } else if (!answer_is_valid(&a, n)) {
            mints_die(ms, "its answer is malformed", 0);
        } else {
            mints_settle(ms, &a);
        }
    }
}

static void
on_socket(struct watch *w, int events)
{
    struct mints *ms = container_of(w, struct mints, watch);
    CHECK(ms, MINTS_MAGIC);
    if (events & WATCH_READ) {
        mints_read(ms);
    }
    if (!ms->is_dead) {
        mints_flush(ms);
        mints_arm(ms);
    }
}

static void
on_timer(struct timer *t)
{
    struct mints *ms = container_of(t, struct mints, timer);
    unsigned n = 0;
    while (!list_is_empty(&ms->pending)) {
        struct mint *m = container_of(ms->pending.next, struct mint, node);
        if (m->deadline > clock_mono()) {
            break;
        }
        mint_end(ms, m, NULL);
        n++;
    }
    if (n != 0) {
        log_at(LOG_ERR, "the keeper was silent: %u certificates given up", n);
        mints_flush(ms); /* there is room for other asks now */
    }
    mints_arm(ms);
}

struct mints *
mints_new(struct loop *l, int keeper)
{
    struct mints *ms = xcalloc(sizeof *ms);
    if (sock_set_nonblocking(keeper, true) != 0) {
        log_errno(LOG_EMERG, errno, "the keeper's socket");
        close(keeper);
        xfree(ms);
        return NULL;
    }
    ms->magic = MINTS_MAGIC;
    ms->fd = keeper;
    ms->patience = PATIENCE;
    list_init(&ms->pending);
    watch_init(&ms->watch, l, keeper, on_socket);
    watch_set(&ms->watch, WATCH_READ);
    timer_init(&ms->timer, l, on_timer);
    return ms;
}

void
mints_free(struct mints *ms)
{
    CHECK(ms, MINTS_MAGIC);
    struct list *node = list_pop(&ms->pending);
    while (node != NULL) {
        xfree(container_of(node, struct mint, node));
        node = list_pop(&ms->pending);
    }
    watch_set(&ms->watch, 0);
    timer_stop(&ms->timer);
    close(ms->fd);
    ms->magic = 0;
    xfree(ms);
}

void
mints_set_patience(struct mints *ms, double seconds)
{
    CHECK(ms, MINTS_MAGIC);
    ms->patience = seconds;
}

void
mints_ask_again(struct mints *ms)
{
    CHECK(ms, MINTS_MAGIC);
    struct list *at = ms->pending.next;
    for (; at != &ms->pending; at = at->next) {
        struct mint *m = container_of(at, struct mint, node);
        m->is_sent = false;
        m->deadline = clock_mono() + ms->patience;
    }
    ms->n_sent = 0;
    ms->is_dead = false;
    mints_flush(ms);
    mints_arm(ms);
}

bool
mints_add(
    struct mints *ms, const struct mint_ask *ask, mint_fn *on_end, void *arg)
{
    CHECK(ms, MINTS_MAGIC);
    if (ms->is_dead || ms->n >= PENDING_MAX) {
        return false;
    }
    struct mint *m = xcalloc(sizeof *m);
    m->ask = *ask;
    m->ask.magic = MINT_MAGIC;
    random_bytes(&m->ask.nonce, sizeof m->ask.nonce);
    m->deadline = clock_mono() + ms->patience;
    m->on_end = on_end;
    m->arg = arg;
    list_add_tail(&ms->pending, &m->node);
    ms->n++;
    mints_flush(ms);
    mints_arm(ms);
    return true;
}
