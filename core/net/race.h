#pragma once

/*
 * A race connects to several addresses and keeps the first that answers (RFC
 * 8305 4 and 5). Attempts start 250 ms apart, or as soon as one fails; the
 * others are closed at the end. Or it connects to one unix socket. It wakes the
 * task of dial.c.
 */

#include "base/addr.h"
#include "net/stream.h"

#define RACE_MAX 8

struct race {
    struct loop *loop;
    struct task *task;
    struct str path; /* of a unix socket; n 0: addresses are used. Lent */
    struct addr addrs[RACE_MAX];
    unsigned n, next;
    struct stream *attempts[RACE_MAX]; /* attempts[I] is to addrs[I] */
    double next_attempt;
    int last_errno; /* of the last attempt that failed */
};

void race_init(struct race *r, struct loop *l, struct task *t, struct str path);

/* Adds an address with its port; at most RACE_MAX. */
void race_add(struct race *r, const struct addr *a);

/* IO_OK: `*won` is connected to `*addr`, and is the caller's. IO_AGAIN: call
 * again when woken, or at race_at(). IO_ERR: no attempt is left; last_errno
 * says why. */
enum io race_run(struct race *r, struct stream **won, struct addr *addr);

/* When the next attempt is due, by clock_mono(); TASK_NEVER: none is. */
double race_at(const struct race *r);

/* The address that was tried last; after the first race_run(). */
const struct addr *race_last(const struct race *r);

/* Closes what is open; may be called twice. */
void race_fini(struct race *r);
