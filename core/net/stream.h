#pragma once

/*
 * A byte stream on the loop, made of layers: tcp at the bottom, tls above it.
 * The upper layer owns the one below. Each has the task that it wakes.
 *
 * Reads and writes never block. After IO_AGAIN the stream wakes its task when
 * trying again may help; nobody asks for readiness. Bytes that a layer holds
 * inside give no event: who stops reading before IO_AGAIN must come back by
 * itself.
 */

#include "base/bufq.h"
#include "net/task.h"

struct stream;

struct stream_ops {
    const char *name;
    enum io (*handshake)(struct stream *);
    enum io (*read)(struct stream *, char *p, size_t n, size_t *got);
    enum io (*write)(struct stream *, const char *p, size_t n, size_t *put);
    bool (*is_dry)(struct stream *);
    enum io (*shutdown)(struct stream *); /* no more writes: FIN, alert */
    void (*park)(struct stream *);        /* idle: give buffers back */
    void (*close)(struct stream *);       /* frees this layer alone */
};

struct stream {
    unsigned magic;
    const struct stream_ops *ops;
    struct stream *below;
    struct task *task;
    size_t offered; /* stream.c's: bytes of a write that gave IO_AGAIN */
    bool has_more;  /* another write follows: this one may wait for it */
    bool is_over;   /* a TLS peer has closed, be it without close_notify */
};

#define STREAM_MAGIC 0x57e4a317u

/* For layers: fills the common part. */
void stream_init(struct stream *s, const struct stream_ops *ops,
    struct stream *below, struct task *task);

/* Whom this layer and all below wake from now on. */
void stream_set_task(struct stream *s, struct task *t);

/* IO_OK when done; a layer that needs none is done at once. */
must_check enum io stream_handshake(struct stream *s);

/* IO_OK: *got is 1 to n. IO_EOF: orderly end; a TLS peer that closes without
 * close_notify gives IO_ERR. */
must_check enum io stream_read(
    struct stream *s, char *p, size_t n, size_t *got);

/* Whether a read gives IO_AGAIN for certain, and the stream waits as after
 * that: to say so costs less than to try. */
bool stream_is_dry(struct stream *s);

/* Seconds. While the system keeps much of what it may keep for the peer, sent
 * or not, no event tells of what the peer took: who counts that as progress
 * tries to write so often. */
#define STREAM_TRY_EVERY 0.5

/* IO_OK: *put is 1 to n. After IO_AGAIN the next write must begin with the
 * same bytes, and offer at least as many. */
must_check enum io stream_write(
    struct stream *s, const char *p, size_t n, size_t *put);

/* Writes what `q` holds, small runs gathered so that they leave in one TLS
 * record; a run is never cut for that, so a body's chunks leave from where
 * they lie. IO_OK: the queue is empty. */
must_check enum io stream_flush(struct stream *s, struct bufq *q);

/* Half-close. IO_AGAIN: call again when woken. */
enum io stream_shutdown(struct stream *s);

void stream_park(struct stream *s);

/* Closes and frees the top layer alone; the one below, or NULL. */
must_check struct stream *stream_pop(struct stream *s);

/* Closes and frees all layers; the socket's fd too. NULL is nothing. */
void stream_close(struct stream *s);
