#pragma once

/*
 * One connection, whichever side it is on: its stream, the bytes that were read
 * and not yet parsed, and those that are to be written. A codec works on it;
 * the conn or the peer that embeds it opens and closes it.
 */

#include "base/buf.h"
#include "base/bufq.h"
#include "net/stream.h"

/* Bytes that one task moves in a turn of the loop, before others have theirs.
 */
#define WIRE_TURN_BYTES (256 * 1024)

/* The limit of what waits to be written. */
#define WIRE_OUT_LIMIT (64 * 1024)

/* How much of a request that was answered before its end is thrown away to keep
 * its connection; of one that ends, how much in a turn. */
#define WIRE_DRAIN_BYTES (256 * 1024)

struct wire {
    struct stream *stream;
    struct buf in;
    struct bufq out;
};

/* Takes the stream; at most `in_max` bytes wait to be parsed. */
void wire_init(struct wire *w, struct stream *s, size_t in_max);

/* Closes the stream. */
void wire_fini(struct wire *w);

/* More bytes into w->in, at most to `limit` bytes in all; IO_AGAIN also when
 * it is full. */
must_check enum io wire_fill(struct wire *w, size_t limit);

/* Ends a connection whose other end may still be sending (RFC 9112 9.6): sends
 * what waits, says that no more comes, then reads and throws away what the
 * other end sends. So that end sees its answer and not a reset. Called by a
 * step of `t`, whose caller has a deadline. IO_AGAIN: call again when woken. */
must_check enum io wire_linger(
    struct wire *w, struct task *t, struct turn *turn);

/* The connection is going to wait: frees its empty buffers. */
void wire_park(struct wire *w);
