#pragma once

/*
 * The first of several addresses that connects (RFC 8305 4 and 5): attempts
 * start 250 ms apart, or as soon as one fails; the others are closed. Or one
 * unix socket. For dial.c, whose task it wakes.
 */

#include "base/addr.h"
#include "net/stream.h"

#define RACE_MAX 8

struct race {
    struct loop *loop;
    struct task *task;
    struct str path; /* of a unix socket; n 0: addresses. Lent */
    struct addr addrs[RACE_MAX];
    unsigned n, next;
    struct stream *attempts[RACE_MAX]; /* by address */
    double next_attempt;
    int last_errno; /* of the attempt that failed last */
};

void race_init(struct race *r, struct loop *l, struct task *t, struct str path);

/* One more address, with its port; no more than RACE_MAX. */
void race_add(struct race *r, const struct addr *a);

/* IO_OK: `*won`, the caller's from now on, is connected to `*addr`. IO_AGAIN:
 * call again when woken, or at race_at(). IO_ERR: none is left, last_errno
 * says why. */
enum io race_run(struct race *r, struct stream **won, struct addr *addr);

/* clock_mono() at which the next attempt is due; TASK_NEVER: none is. */
double race_at(const struct race *r);

/* The address that was tried last; after the first race_run(). */
const struct addr *race_last(const struct race *r);

/* Closes what is open; may be called twice. */
void race_fini(struct race *r);
