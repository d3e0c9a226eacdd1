/* See race.h. */

#include "net/race.h"

#include <errno.h>

#include "base/clock.h"
#include "net/tcp.h"

#define ATTEMPT_DELAY 0.25

/* In seconds: how soon to try a unix socket with a full backlog again. */
#define AGAIN_DELAY 0.05

void
race_init(struct race *r, struct loop *l, struct task *t, struct str path)
{
    *r = (struct race){ .loop = l, .task = t, .path = path };
}

void
race_add(struct race *r, const struct addr *a)
{
    AN(r->n < RACE_MAX);
    r->addrs[r->n++] = *a;
}

void
race_fini(struct race *r)
{
    for (unsigned i = 0; i < r->next; i++) {
        stream_close(r->attempts[i]);
        r->attempts[i] = NULL;
    }
}

static bool
is_unix(const struct race *r)
{
    return r->path.n != 0;
}

/* Looks at all running attempts. The index of one that is connected, or -1. */
static int
poll_attempts(struct race *r, unsigned *running)
{
    *running = 0;
    for (unsigned i = 0; i < r->next; i++) {
        if (r->attempts[i] == NULL) {
            continue;
        }
        switch (stream_handshake(r->attempts[i])) {
        case IO_OK:
            return (int)i;
        case IO_AGAIN:
            ++*running;
            break;
        case IO_EOF:
        case IO_ERR:
            r->last_errno = errno;
            stream_close(r->attempts[i]);
            r->attempts[i] = NULL;
            r->next_attempt = 0; /* start the next one at once */
            break;
        }
    }
    return -1;
}

static void
start_attempt(struct race *r)
{
    unsigned i = r->next++;
    r->attempts[i] = is_unix(r) ? tcp_connect_unix(r->loop, r->path, r->task)
                                : tcp_connect(r->loop, &r->addrs[i], r->task);
    if (r->attempts[i] == NULL) {
        r->last_errno = errno;
        r->next_attempt = 0;
    } else {
        r->next_attempt = clock_mono() + ATTEMPT_DELAY;
    }
}

/* No event tells of room in a unix socket's backlog. */
static enum io
try_again_later(struct race *r)
{
    r->next = 0;
    r->next_attempt = clock_mono() + AGAIN_DELAY;
    return IO_AGAIN;
}

enum io
race_run(struct race *r, struct stream **won, struct addr *addr)
{
    unsigned running;
    int i = poll_attempts(r, &running);
    while (i < 0 && r->next < r->n && clock_mono() >= r->next_attempt) {
        start_attempt(r);
        i = poll_attempts(r, &running);
    }
    if (i >= 0) {
        *won = r->attempts[i];
        *addr = r->addrs[i];
        r->attempts[i] = NULL;
        race_fini(r);
        return IO_OK;
    }
    if (running != 0 || r->next < r->n) {
        return IO_AGAIN;
    }
    return is_unix(r) && r->last_errno == EAGAIN ? try_again_later(r) : IO_ERR;
}

double
race_at(const struct race *r)
{
    return r->next < r->n ? r->next_attempt : TASK_NEVER;
}

const struct addr *
race_last(const struct race *r)
{
    AN(r->n != 0);
    return &r->addrs[r->next != 0 ? r->next - 1 : 0];
}
