#pragma once

/*
 * A byte stream on the loop, made of layers: tcp at the bottom, tls above it. A
 * layer owns the one below it. All layers wake the same task.
 *
 * Reads and writes never block. After IO_AGAIN the stream wakes its task once
 * trying again may help; nobody has to ask for that. But bytes that a layer
 * holds inside cause no event: a task that stops reading before it got IO_AGAIN
 * must come back by itself.
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
    enum io (*shutdown)(
        struct stream *);           /* writes are over: FIN, close_notify */
    void (*park)(struct stream *);  /* the stream is idle: give buffers back */
    void (*close)(struct stream *); /* frees this layer alone */
};

struct stream {
    unsigned magic;
    const struct stream_ops *ops;
    struct stream *below;
    struct task *task;
    size_t offered; /* for stream.c: bytes of the write that gave IO_AGAIN */
    bool has_more;  /* another write follows at once: the layer may gather */
    bool is_over;   /* a TLS peer has closed, with or without close_notify */
};

#define STREAM_MAGIC 0x57e4a317u

/* For layers: fills in the common part. */
void stream_init(struct stream *s, const struct stream_ops *ops,
    struct stream *below, struct task *task);

/* Sets the task that this layer and all below it wake. */
void stream_set_task(struct stream *s, struct task *t);

/* IO_OK: done; at once in a layer that has no handshake. */
must_check enum io stream_handshake(struct stream *s);

/* IO_OK: *got is 1 to n. IO_EOF: an orderly end. A TLS peer that closes without
 * close_notify gives IO_ERR. */
must_check enum io stream_read(
    struct stream *s, char *p, size_t n, size_t *got);

/* Whether a read would certainly give IO_AGAIN. If so, the stream wakes its
 * task as it does after IO_AGAIN. Costs less than to try. */
bool stream_is_dry(struct stream *s);

/* In seconds. While the kernel holds nearly all that it may hold for a peer, no
 * event tells that the peer took some of it. Who counts that as progress tries
 * to write so often. */
#define STREAM_TRY_EVERY 0.5

/* IO_OK: *put is 1 to n. After IO_AGAIN the next write must begin with the same
 * bytes and offer at least as many. */
must_check enum io stream_write(
    struct stream *s, const char *p, size_t n, size_t *put);

/* Writes what `q` holds. Small runs are gathered, so that they leave in one TLS
 * record. A run is never cut for that: large chunks of a body are written from
 * where they lie. IO_OK: the queue is empty. */
must_check enum io stream_flush(struct stream *s, struct bufq *q);

/* Half-close. IO_AGAIN: call again when woken. */
enum io stream_shutdown(struct stream *s);

void stream_park(struct stream *s);

/* Closes and frees the top layer alone. Returns the layer below, or NULL. */
must_check struct stream *stream_pop(struct stream *s);

/* Closes and frees all layers and the socket. Does nothing with NULL. */
void stream_close(struct stream *s);
