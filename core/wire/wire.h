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

/* The end of a connection whose other end may still be sending: what waits
 * leaves, the other end is told that no more comes, and what it sends is thrown
 * away, so that it sees its answer and not a reset (RFC 9112 9.6). In a step of
 * `t`, until a deadline of the caller's. IO_AGAIN: again when woken. */
must_check enum io wire_linger(
    struct wire *w, struct task *t, struct turn *turn);

/* It waits: without buffers that hold nothing. */
void wire_park(struct wire *w);
