/*
 * The stack of layers and the calls that all layers share.
 */

#include "net/stream.h"

#include "base/mem.h"

void
stream_init(struct stream *s, const struct stream_ops *ops,
    struct stream *below, struct task *task)
{
    *s = (struct stream){
        .magic = STREAM_MAGIC, .ops = ops, .below = below, .task = task
    };
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

bool
stream_is_dry(struct stream *s)
{
    CHECK(s, STREAM_MAGIC);
    return s->ops->is_dry(s);
}

enum io
stream_write(struct stream *s, const char *p, size_t n, size_t *put)
{
    CHECK(s, STREAM_MAGIC);
    AN(n > 0);
    return s->ops->write(s, p, n, put);
}

/* The most of one TLS record. */
#define WRITE_MAX 16384

/* The first run, where it lies; or several whole runs, copied to `scratch`, as
 * far as they fit. After IO_AGAIN at least `offered` bytes. */
static struct str
flush_gather(const struct bufq *q, size_t offered, char scratch[WRITE_MAX])
{
    struct str run = bufq_peek(q);
    size_t n = bufq_batch(q, WRITE_MAX);
    n = n < offered ? offered : n;
    if (n <= run.n) {
        return str_n(run.p, run.n < WRITE_MAX ? run.n : WRITE_MAX);
    }
    return str_n(scratch, bufq_copy(q, scratch, n));
}

enum io
stream_flush(struct stream *s, struct bufq *q)
{
    char scratch[WRITE_MAX];
    while (!bufq_is_empty(q)) {
        struct str piece = flush_gather(q, s->offered, scratch);
        size_t put = 0;
        s->has_more = piece.n < q->len;
        enum io r = stream_write(s, piece.p, piece.n, &put);
        s->has_more = false;
        s->offered = r == IO_AGAIN ? piece.n : 0;
        if (q->is_secret && piece.p == scratch) {
            mem_wipe(scratch, piece.n);
        }
        if (r != IO_OK) {
            return r;
        }
        bufq_consume(q, put);
    }
    return IO_OK;
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

struct stream *
stream_pop(struct stream *s)
{
    CHECK(s, STREAM_MAGIC);
    struct stream *below = s->below;
    s->magic = 0;
    s->ops->close(s);
    return below;
}

void
stream_close(struct stream *s)
{
    while (s != NULL) {
        s = stream_pop(s);
    }
}
