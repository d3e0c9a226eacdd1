/*
 * Queues of chunks. A chunk's bytes are data[off..end). A new chunk starts
 * after HEADROOM, so that a chunk-size line and bytes left over from the chunk
 * before it can be put in front.
 */

#include "base/bufq.h"

#include <stdio.h>

#include "base/mem.h"

#define FRAMING 16               /* the most, in front and behind */
#define HEADROOM (FRAMING + 240) /* and a few bytes before the body's */
#define TAILROOM FRAMING
#define FREE_CHUNKS_MAX 128
#define SMALL_COPY 2048

struct chunk {
    struct chunk *next;
    size_t off, end;
    char data[HEADROOM + CHUNK_SIZE + TAILROOM];
};

static struct chunk *free_chunks;
static unsigned free_chunks_n;

static struct chunk *
chunk_new(void)
{
    struct chunk *c = free_chunks;
    if (c != NULL) {
        free_chunks = c->next;
        free_chunks_n--;
    } else {
        c = xalloc(sizeof *c);
    }
    c->next = NULL;
    c->off = c->end = HEADROOM;
    return c;
}

static void
chunk_free(struct chunk *c, bool is_secret)
{
    if (is_secret) {
        mem_wipe(
            c->data, c->end); /* bytes that were consumed are still in front */
    }
    if (free_chunks_n >= FREE_CHUNKS_MAX) {
        xfree(c);
        return;
    }
    c->next = free_chunks;
    free_chunks = c;
    free_chunks_n++;
}

void
bufq_trim(void)
{
    while (free_chunks != NULL) {
        struct chunk *c = free_chunks;
        free_chunks = c->next;
        xfree(c);
    }
    free_chunks_n = 0;
}

static size_t
chunk_len(const struct chunk *c)
{
    return c->end - c->off;
}

static size_t
chunk_room(const struct chunk *c)
{
    size_t end = HEADROOM + CHUNK_SIZE; /* framing may follow */
    return c->end < end ? end - c->end : 0;
}

void
bufq_init(struct bufq *q, size_t limit)
{
    *q = (struct bufq){ .limit = limit };
}

void
bufq_fini(struct bufq *q)
{
    while (q->head != NULL) {
        struct chunk *c = q->head;
        q->head = c->next;
        chunk_free(c, q->is_secret);
    }
    q->tail = NULL;
    q->len = 0;
    q->is_secret = false;
}

static void
bufq_push(struct bufq *q, struct chunk *c)
{
    if (q->tail != NULL) {
        q->tail->next = c;
    } else {
        q->head = c;
    }
    q->tail = c;
}

static struct chunk *
bufq_pop(struct bufq *q)
{
    struct chunk *c = q->head;
    q->head = c->next;
    if (q->head == NULL) {
        q->tail = NULL;
    }
    c->next = NULL;
    return c;
}

/* The tail chunk, with room for at least `min` bytes (1 or more); a new chunk
 * if necessary. */
static struct chunk *
bufq_tail(struct bufq *q, size_t min)
{
    struct chunk *c = q->tail;
    if (c == NULL || chunk_room(c) < min) {
        c = chunk_new();
        bufq_push(q, c);
    }
    return c;
}

void
bufq_append(struct bufq *q, struct str s)
{
    while (s.n != 0) {
        struct chunk *c = bufq_tail(q, 1);
        size_t n = s.n < chunk_room(c) ? s.n : chunk_room(c);
        memcpy(c->data + c->end, s.p, n);
        c->end += n;
        q->len += n;
        s = str_skip(s, n);
    }
}

size_t
bufq_write(struct bufq *q, struct str s)
{
    size_t n = s.n < bufq_room(q) ? s.n : bufq_room(q);
    bufq_append(q, str_n(s.p, n));
    return n;
}

char *
bufq_reserve(struct bufq *q, size_t min, size_t *n)
{
    size_t room = bufq_room(q);
    AN(min > 0 && min <= CHUNK_SIZE);
    if (room == 0) {
        *n = 0;
        return NULL;
    }
    struct chunk *c = bufq_tail(q, min < room ? min : room);
    *n = chunk_room(c) < room ? chunk_room(c) : room;
    return c->data + c->end;
}

void
bufq_commit(struct bufq *q, size_t n)
{
    AN(q->tail != NULL);
    AN(n <= chunk_room(q->tail));
    q->tail->end += n;
    q->len += n;
    if (q->len == 0) {
        bufq_fini(q);
    }
}

struct str
bufq_peek(const struct bufq *q)
{
    const struct chunk *c = q->head;
    while (c != NULL && chunk_len(c) == 0) {
        c = c->next;
    }
    return c != NULL ? str_n(c->data + c->off, chunk_len(c)) : STR_NONE;
}

/* The chunk with the byte at offset *at; *at becomes its offset in that
 * chunk. */
static struct chunk *
chunk_at(const struct bufq *q, size_t *at)
{
    struct chunk *c = q->head;
    while (c != NULL && *at >= chunk_len(c)) {
        *at -= chunk_len(c);
        c = c->next;
    }
    AN(c != NULL);
    return c;
}

struct str
bufq_peek_for(const struct bufq *q, const struct bufq *to)
{
    struct str run = bufq_peek(q);
    size_t room = bufq_room(to);
    return str_n(run.p, run.n < room ? run.n : room);
}

struct str
bufq_peek_at(const struct bufq *q, size_t at)
{
    const struct chunk *c = chunk_at(q, &at);
    return str_n(c->data + c->off + at, chunk_len(c) - at);
}

void
bufq_fill(struct bufq *q, size_t at, size_t n, char ch)
{
    AN(at <= q->len && n <= q->len - at);
    while (n != 0) {
        size_t in_chunk = at;
        struct chunk *c = chunk_at(q, &in_chunk);
        size_t left = chunk_len(c) - in_chunk;
        size_t k = n < left ? n : left;
        memset(c->data + c->off + in_chunk, ch, k);
        at += k;
        n -= k;
    }
}

size_t
bufq_batch(const struct bufq *q, size_t max)
{
    size_t n = 0;
    const struct chunk *c = q->head;
    while (c != NULL && n + chunk_len(c) <= max) {
        n += chunk_len(c);
        c = c->next;
    }
    if (n > 2 * FRAMING || c == NULL) {
        return n;
    }
    return q->len < max ? q->len : max;
}

size_t
bufq_copy(const struct bufq *q, char *to, size_t n)
{
    size_t done = 0;
    for (const struct chunk *c = q->head; c != NULL && done < n; c = c->next) {
        size_t k = chunk_len(c) < n - done ? chunk_len(c) : n - done;
        memcpy(to + done, c->data + c->off, k);
        done += k;
    }
    return done;
}

void
bufq_consume(struct bufq *q, size_t n)
{
    AN(n <= q->len);
    q->len -= n;
    while (q->head != NULL && n >= chunk_len(q->head)) {
        n -= chunk_len(q->head);
        chunk_free(bufq_pop(q), q->is_secret);
    }
    if (n != 0) {
        q->head->off += n;
    }
    q->is_secret = q->is_secret && q->len != 0;
}

/* Puts bytes in front of a chunk's. False: the only room left is for
 * framing. */
static bool
chunk_put_front(struct chunk *c, const char *p, size_t n)
{
    if (c->off < n + FRAMING) {
        return false;
    }
    c->off -= n;
    memcpy(c->data + c->off, p, n);
    return true;
}

/* Cuts the head chunk after `n` bytes. The rest goes to the next chunk if that
 * has room in front, else to a chunk of its own. */
static void
bufq_cut(struct bufq *q, size_t n)
{
    struct chunk *c = q->head;
    size_t rest = chunk_len(c) - n;
    c->end -= rest;
    if (c->next == NULL || !chunk_put_front(c->next, c->data + c->end, rest)) {
        struct chunk *own = chunk_new();
        memcpy(own->data + own->end, c->data + c->end, rest);
        own->end += rest;
        own->next = c->next;
        c->next = own;
        q->tail = q->tail == c ? own : q->tail;
    }
    if (q->is_secret) {
        mem_wipe(c->data + c->end, rest);
    }
}

/* Appends a chunk. If the queue holds only a few bytes, they go into that
 * chunk, so that all is written from one place. */
static void
bufq_join(struct bufq *q, struct chunk *c)
{
    struct chunk *few = q->head;
    if (few != NULL && few == q->tail &&
        chunk_put_front(c, few->data + few->off, chunk_len(few))) {
        chunk_free(bufq_pop(q), q->is_secret);
    }
    bufq_push(q, c);
}

/* Moves one piece from the front. The head chunk moves by pointer if it is
 * large and fits, wholly or all but a small rest. Otherwise bytes are copied to
 * the tail. */
static size_t
bufq_move_piece(struct bufq *to, struct bufq *from, size_t max)
{
    size_t n = chunk_len(from->head);
    size_t tail_room = to->tail != NULL ? chunk_room(to->tail) : 0;
    if (n > max && max > SMALL_COPY && n - max <= SMALL_COPY) {
        bufq_cut(from, max);
        n = max;
    }
    if (n <= max && (n > SMALL_COPY || tail_room < n)) {
        bufq_join(to, bufq_pop(from));
        from->len -= n;
        to->len += n;
        return n;
    }
    n = n < max ? n : max;
    bufq_append(to, str_n(from->head->data + from->head->off, n));
    bufq_consume(from, n);
    return n;
}

size_t
bufq_move(struct bufq *to, struct bufq *from, size_t max)
{
    size_t done = 0;
    to->is_secret = to->is_secret || from->is_secret;
    while (done < max && from->len != 0 && !bufq_is_full(to)) {
        size_t room = bufq_room(to);
        size_t want = max - done < room ? max - done : room;
        done += bufq_move_piece(to, from, want);
    }
    if (from->len == 0) {
        bufq_fini(from); /* a chunk that was reserved and never written */
    }
    return done;
}

/* Frames the head chunk in place: its size line in front, CRLF behind. */
static void
bufq_move_framed(struct bufq *to, struct bufq *from, struct str size_line)
{
    struct chunk *c = bufq_pop(from);
    from->len -= chunk_len(c);
    c->off -= size_line.n;
    memcpy(c->data + c->off, size_line.p, size_line.n);
    memcpy(c->data + c->end, "\r\n", 2);
    c->end += 2;
    to->len += chunk_len(c);
    bufq_push(to, c);
}

size_t
bufq_move_chunked(struct bufq *to, struct bufq *from, size_t max)
{
    size_t done = 0;
    to->is_secret = to->is_secret || from->is_secret;
    while (done < max && from->len != 0 && !bufq_is_full(to)) {
        struct chunk *c = from->head;
        size_t n = chunk_len(c) < max - done ? chunk_len(c) : max - done;
        char line[HEADROOM];
        struct str size_line =
            str_n(line, (size_t)snprintf(line, sizeof line, "%zx\r\n", n));
        bool fits = c->off >= size_line.n && c->end + 2 <= sizeof c->data;
        if (n == chunk_len(c) && n > SMALL_COPY && fits) {
            bufq_move_framed(to, from, size_line);
        } else if (n != 0) {
            bufq_append(to, size_line);
            bufq_append(to, str_n(c->data + c->off, n));
            bufq_append(to, STR("\r\n"));
            bufq_consume(from, n);
        } else {
            chunk_free(bufq_pop(from), from->is_secret);
        }
        done += n;
    }
    if (from->len == 0) {
        bufq_fini(from);
    }
    return done;
}
