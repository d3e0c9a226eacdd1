#pragma once

/*
 * A worker's requests to the keeper for signatures ("asks"), over the worker's
 * end of their socket pair. Asks are sent in order, a bounded number at a time.
 * Each ends by an answer, by its time-out or because the channel broke. Knows
 * nothing of certificates.
 */

#include "net/loop.h"
#include "os/mint.h"

struct mints;

/* Takes the socket and makes it non-blocking. NULL after a log line. */
struct mints *mints_new(struct loop *l, int keeper);
void mints_free(struct mints *ms); /* pending asks end without a callback */

/* How long an ask waits for its answer; 5 s by default. For later asks. */
void mints_set_patience(struct mints *ms, double seconds);

/* Sends all pending asks again, with a new time-out, as a new keeper reads the
 * pair now. Tries the channel again if it was broken. */
void mints_ask_again(struct mints *ms);

/* An ask has ended; `a` NULL: without an answer. It may be called before
 * mints_add() returns, if the channel breaks in that call. */
typedef void mint_fn(void *arg, const struct mint_answer *a);

/* The caller fills in index, serial, key and name of the ask. False: the
 * channel is broken or 1024 asks are pending, and there will be no callback. */
must_check bool mints_add(
    struct mints *ms, const struct mint_ask *ask, mint_fn *on_end, void *arg);
