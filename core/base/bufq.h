#pragma once

/*
 * A queue of bytes in chunks, with a hard limit: what every body and every
 * connection's pending output lies in. The limit is the backpressure: a
 * source stops at it, and whoever drains the queue wakes the source.
 *
 * A chunk holds one TLS record (16 KiB) with room in front and behind for the
 * framing of a chunked body, and for a few bytes that were held back before it,
 * so that a body is read once and written from where it was read. Chunks come
 * from a bounded free list; an empty queue holds none.
 */

#include "base/str.h"

#define CHUNK_SIZE 16384

struct chunk;

struct bufq {
    struct chunk *head, *tail;
    size_t len, limit;
    bool is_secret;
};

void bufq_init(struct bufq *q, size_t limit);
void bufq_fini(struct bufq *q); /* frees the chunks; may be called twice */

/* A secret is among its bytes, or will be: until it is empty, its chunks are
 * wiped when they are freed. Whatever bytes are moved to is marked too; who
 * copies them wipes the copy. */
static inline void
bufq_mark_secret(struct bufq *q)
{
    q->is_secret = true;
}

static inline bool
bufq_is_empty(const struct bufq *q)
{
    return q->len == 0;
}

static inline bool
bufq_is_full(const struct bufq *q)
{
    return q->len >= q->limit;
}

static inline size_t
bufq_room(const struct bufq *q)
{
    return q->len < q->limit ? q->limit - q->len : 0;
}

/* Copies as much of `s` as the limit allows; returns how much. */
must_check size_t bufq_write(struct bufq *q, struct str s);

/* Copies all of `s`, the limit notwithstanding: for framing and heads, whose
 * size the caller has bounded. */
void bufq_append(struct bufq *q, struct str s);

/* Writable room at the tail: up to CHUNK_SIZE bytes, never beyond the limit;
 * at least `min` contiguous bytes (1 to CHUNK_SIZE) where the limit allows.
 * NULL when full. Follow with bufq_commit() of what was written, 0 included. */
char *bufq_reserve(struct bufq *q, size_t min, size_t *n);
void bufq_commit(struct bufq *q, size_t n);

/* The first contiguous run of bytes; empty when the queue is. */
struct str bufq_peek(const struct bufq *q);

/* As bufq_peek(), from offset `at` on, which is below q->len. */
struct str bufq_peek_at(const struct bufq *q, size_t at);

/* Makes the `n` bytes from offset `at` on that one; all are there. */
void bufq_fill(struct bufq *q, size_t at, size_t n, char c);

/* How many bytes of the front to write at once, at most `max`: whole runs, so
 * that what follows stays where it lies; a rest of framing alone takes along
 * what fits. */
size_t bufq_batch(const struct bufq *q, size_t max);

/* Copies up to n bytes from the front without consuming; returns how many. */
size_t bufq_copy(const struct bufq *q, char *to, size_t n);

/* Drops the first n bytes (at most q->len). */
void bufq_consume(struct bufq *q, size_t n);

/* Moves up to `max` bytes from `from`'s front to `to`'s tail within to's
 * limit, large chunks by pointer: a small rest that is not moved is copied
 * instead, and so are a few bytes before them. Returns how many. */
size_t bufq_move(struct bufq *to, struct bufq *from, size_t max);

/* As bufq_move, but each piece moved is framed as a chunk of a chunked body
 * (RFC 9112 7.1). A chunk is not cut for the limit's sake: the last one may
 * pass it, by a chunk and the framing at most. Returns body bytes moved. */
size_t bufq_move_chunked(struct bufq *to, struct bufq *from, size_t max);

/* Gives the free list back to libc; for tests and a worker's end. */
void bufq_trim(void);
