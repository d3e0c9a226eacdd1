#pragma once

/*
 * A worker's asks of the keeper, over its end of their pair: sent in order, a
 * bounded number under way, each ended by an answer, by time or by the
 * channel's death. Knows nothing of certificates.
 */

#include "net/loop.h"
#include "os/mint.h"

struct mints;

/* Takes the socket, which is made non-blocking. NULL after a log line. */
struct mints *mints_new(struct loop *l, int keeper);
void mints_free(struct mints *ms); /* no callbacks; pending asks vanish */

/* How long an ask waits for its answer; 5 s unless told. For later asks. */
void mints_set_patience(struct mints *ms, double seconds);

/* Sends again all that is pending, with its time anew: a new keeper serves
 * the pair. A channel that was dead is tried again. */
void mints_ask_again(struct mints *ms);

/* Ends an ask; `a` NULL: no answer. May be called before mints_add() returns,
 * if the channel dies at that moment. */
typedef void mint_fn(void *arg, const struct mint_answer *a);

/* What to ask: index, serial, key and name are filled in, the rest is not.
 * False when the channel is dead or 1024 are pending: no callback then. */
must_check bool mints_add(
    struct mints *ms, const struct mint_ask *ask, mint_fn *on_end, void *arg);
