/*
 * Chunked bodies: cut anywhere, with a full queue at any time and with reads
 * that go around the decoder, they give what the whole gives; what they give,
 * chunked again, decodes to the same. A request's are read as a response's are.
 */

#include "fuzz.h"

#include "http/h1_body.h"
#include "http/h1_write.h"

struct run {
    struct h1_body body;
    struct bufq all; /* what came out */
    enum h1_result result;
    size_t used;
};

static void
run_begin(struct run *r, enum h1_from from)
{
    *r = (struct run){ .result = H1_MORE };
    h1_body_init(&r->body, from, BODY_CHUNKED, 0);
    bufq_init(&r->all, SIZE_MAX);
}

static void
run_end(struct run *r)
{
    h1_body_fini(&r->body);
    bufq_fini(&r->all);
}

static void
check_bounds(const struct run *r)
{
    const struct h1_body *b = &r->body;
    AN(b->trailers.n <= H1_TRAILERS_MAX);
    AN(b->excess <= H1_CHUNK_EXCESS_MAX || b->state == H1_BODY_FAILED);
    AN(b->total == r->all.len);
    AN((r->result == H1_BAD) == h1_body_is_bad(b));
    AN((r->result == H1_OK) == h1_body_is_done(b));
    AN(r->result != H1_BAD || b->why != NULL);
}

static void
run_whole(struct run *r, enum h1_from from, struct str in)
{
    run_begin(r, from);
    r->result = h1_body_decode(&r->body, in, &r->used, &r->all);
    AN(r->result != H1_FULL);
    AN(r->result != H1_MORE || r->used == in.n);
    check_bounds(r);
}

/* One piece through a small queue that is drained when it is full. */
static void
run_feed(struct run *r, struct str piece, size_t limit)
{
    struct bufq out;
    bufq_init(&out, limit);
    do {
        size_t used = 0;
        r->result = h1_body_decode(&r->body, piece, &used, &out);
        AN(out.len <= limit);
        AN(r->result != H1_FULL || bufq_is_full(&out));
        r->used += used;
        piece = str_skip(piece, used);
        bufq_move(&r->all, &out, SIZE_MAX);
    } while (r->result == H1_FULL);
    bufq_fini(&out);
}

static void
run_pieces(struct run *r, enum h1_from from, struct str in)
{
    uint64_t x = cuts_begin(in);
    run_begin(r, from);
    while (r->result == H1_MORE && in.n != 0) {
        size_t n = cuts_next(&x, in.n), direct = h1_body_direct(&r->body);
        if (direct != 0 && x % 2 == 0) {
            n = n < direct ? n : direct;
            bufq_append(&r->all, str_n(in.p, n));
            h1_body_took(&r->body, n);
            r->used += n;
        } else {
            run_feed(r, str_n(in.p, n), cuts_next(&x, 64));
        }
        in = str_skip(in, n);
    }
    check_bounds(r);
}

static void
check_same(struct arena *a, const struct run *x, const struct run *y)
{
    AN(x->result == y->result && x->used == y->used);
    AN(str_eq(queue_text(a, &x->all), queue_text(a, &y->all)));
    AN(x->body.trailers.n == y->body.trailers.n);
}

/* What came out, framed again by weir, is one body with the same bytes. */
static void
check_again(struct arena *a, struct run *first)
{
    struct head h, other;
    struct bufq q;
    struct run again;
    struct str want = queue_text(a, &first->all);
    size_t trailers = first->body.trailers.n;
    head_init(&h, a);
    head_init(&other, a);
    h1_body_trailers(&first->body, &h);
    bufq_init(&q, SIZE_MAX);
    AN(bufq_move_chunked(&q, &first->all, SIZE_MAX) == want.n);
    h1_write_last_chunk(&h, &q);
    struct str text = queue_text(a, &q);
    if (trailers + h.n_trailers > H1_TRAILERS_MAX) {
        bufq_fini(&q); /* with a blank behind each colon it may be too large */
        return;
    }
    run_whole(&again, H1_REQUEST, text);
    AN(again.result == H1_OK && again.used == text.n);
    AN(str_eq(queue_text(a, &again.all), want));
    h1_body_trailers(&again.body, &other);
    AN(other.n_trailers <= h.n_trailers);
    run_end(&again);
    bufq_fini(&q);
}

static bool
check(struct arena *a, enum h1_from from, struct str in)
{
    struct run whole, pieces;
    run_whole(&whole, from, in);
    run_pieces(&pieces, from, in);
    check_same(a, &whole, &pieces);
    bool is_good = whole.result == H1_OK;
    if (is_good) {
        check_again(a, &whole);
    }
    run_end(&whole);
    run_end(&pieces);
    return is_good;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_n((const char *)data, size);
    struct arena *a = arena_new(4096);
    if (check(a, H1_REQUEST, in)) {
        struct run strict, liberal;
        run_whole(&strict, H1_REQUEST, in);
        run_whole(&liberal, H1_RESPONSE, in);
        check_same(a, &strict, &liberal);
        run_end(&strict);
        run_end(&liberal);
    }
    check(a, H1_RESPONSE, in);
    arena_free(a);
    return 0;
}
