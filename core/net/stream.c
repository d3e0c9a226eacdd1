/*
 * What all layers share: the stack and its calls.
 */

#include "net/stream.h"

void
stream_init(struct stream *s, const struct stream_ops *ops,
    struct stream *below, struct task *task)
{
    *s = (struct stream){ STREAM_MAGIC, ops, below, task };
}

void
stream_set_task(struct stream *s, struct task *t)
{
    for (; s != NULL; s = s->below) {
        CHECK(s, STREAM_MAGIC);
        s->task = t;
    }
}

enum io
stream_handshake(struct stream *s)
{
    CHECK(s, STREAM_MAGIC);
    return s->ops->handshake != NULL ? s->ops->handshake(s) : IO_OK;
}

enum io
stream_read(struct stream *s, char *p, size_t n, size_t *got)
{
    CHECK(s, STREAM_MAGIC);
    AN(n > 0);
    return s->ops->read(s, p, n, got);
}

enum io
stream_write(struct stream *s, const char *p, size_t n, size_t *put)
{
    CHECK(s, STREAM_MAGIC);
    AN(n > 0);
    return s->ops->write(s, p, n, put);
}

enum io
stream_shutdown(struct stream *s)
{
    CHECK(s, STREAM_MAGIC);
    return s->ops->shutdown(s);
}

void
stream_park(struct stream *s)
{
    for (; s != NULL; s = s->below) {
        CHECK(s, STREAM_MAGIC);
        if (s->ops->park != NULL) {
            s->ops->park(s);
        }
    }
}

void
stream_close(struct stream *s)
{
    while (s != NULL) {
        CHECK(s, STREAM_MAGIC);
        struct stream *below = s->below;
        s->magic = 0;
        s->ops->close(s);
        s = below;
    }
}
