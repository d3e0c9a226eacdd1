/*
 * A connection's bytes between its stream and a codec.
 */

#include "wire/wire.h"

#define READ_MIN 4096

void
wire_init(struct wire *w, struct stream *s, size_t in_max)
{
    AN(s != NULL);
    w->stream = s;
    buf_init(&w->in, in_max);
    bufq_init(&w->out, WIRE_OUT_LIMIT);
}

void
wire_fini(struct wire *w)
{
    stream_close(w->stream);
    w->stream = NULL;
    buf_fini(&w->in);
    bufq_fini(&w->out);
}

enum io
wire_fill(struct wire *w, size_t limit)
{
    size_t room = limit > w->in.n ? limit - w->in.n : 0;
    if (room == 0) {
        return IO_AGAIN;
    }
    size_t want = w->in.n == 0 ? READ_MIN : w->in.n;
    want = want < room ? want : room;
    char *to = buf_reserve(&w->in, want);
    AN(to != NULL);
    size_t got = 0;
    enum io r = stream_read(w->stream, to, want, &got);
    w->in.n += r == IO_OK ? got : 0;
    return r;
}

/* Reads what there is, of much a part in each turn: many clients send all of a
 * body before they look for an answer, however large it is. */
static enum io
waste_turn(struct wire *w, struct task *t, struct turn *turn)
{
    char waste[8192];
    enum io r;
    size_t got;
    do {
        got = 0;
        r = stream_read(w->stream, waste, sizeof waste, &got);
    } while (r == IO_OK && !turn_spend(turn, t, got, WIRE_DRAIN_BYTES));
    return r == IO_OK ? IO_AGAIN : r;
}

enum io
wire_linger(struct wire *w, struct task *t, struct turn *turn)
{
    enum io r = stream_flush(w->stream, &w->out);
    if (r == IO_OK) {
        stream_shutdown(w->stream);
        r = waste_turn(w, t, turn);
    }
    return r;
}

void
wire_park(struct wire *w)
{
    if (w->in.n == 0) {
        buf_fini(&w->in);
    }
    stream_park(w->stream);
}
