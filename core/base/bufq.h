#pragma once

/*
 * A queue of bytes in chunks, with a hard limit. Every body and every
 * connection's pending output is in one. The limit makes the backpressure: a
 * source stops at the limit, and who drains the queue wakes the source.
 *
 * A chunk holds one TLS record (16 KiB). It has room in front and behind for
 * the framing of a chunked body, and in front for a few bytes that were held
 * back. So a body is read once and written from where it was read. Chunks come
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

/* The queue holds a secret, or will: until it is empty, its chunks are wiped
 * when they are freed. A queue that bytes are moved to is marked, too. Who
 * copies bytes out wipes the copy. */
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

/* Copies all of `s`, even beyond the limit: for framing and heads, whose size
 * the caller has bounded. */
void bufq_append(struct bufq *q, struct str s);

/* Writable room at the tail: up to CHUNK_SIZE bytes, never beyond the limit; at
 * least `min` bytes in one piece (1 to CHUNK_SIZE) if the limit allows. NULL:
 * the queue is full. bufq_commit() must follow, with the number of bytes that
 * were written, even 0. */
char *bufq_reserve(struct bufq *q, size_t min, size_t *n);
void bufq_commit(struct bufq *q, size_t n);

/* The first contiguous run of bytes; empty when the queue is. */
struct str bufq_peek(const struct bufq *q);

/* As bufq_peek(), but no more than `to` has room for: what a caller looks at
 * before it moves it there. */
struct str bufq_peek_for(const struct bufq *q, const struct bufq *to);

/* As bufq_peek(), from offset `at` on, which is below q->len. */
struct str bufq_peek_at(const struct bufq *q, size_t at);

/* Sets the `n` bytes from offset `at` on to `c`. The queue has them all. */
void bufq_fill(struct bufq *q, size_t at, size_t n, char c);

/* How many bytes from the front to write at once, at most `max`. Whole runs are
 * taken, so that the rest stays where it is; if the first run is framing only,
 * bytes that follow are taken with it. */
size_t bufq_batch(const struct bufq *q, size_t max);

/* Copies up to n bytes from the front without consuming; returns how many. */
size_t bufq_copy(const struct bufq *q, char *to, size_t n);

/* Drops the first n bytes (at most q->len). */
void bufq_consume(struct bufq *q, size_t n);

/* Moves up to `max` bytes from the front of `from` to the tail of `to`, within
 * the limit of `to`. Large chunks move by pointer; small pieces are copied.
 * Returns how many bytes were moved. */
size_t bufq_move(struct bufq *to, struct bufq *from, size_t max);

/* As bufq_move(), but each moved piece becomes a chunk of a chunked body (RFC
 * 9112 7.1). A piece is not cut to keep the limit: the last one may pass it by
 * a chunk and its framing. Returns the bytes of body that were moved. */
size_t bufq_move_chunked(struct bufq *to, struct bufq *from, size_t max);

/* Frees the free list: for tests and for the end of a worker. */
void bufq_trim(void);
