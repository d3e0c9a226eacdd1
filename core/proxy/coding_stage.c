/*
 * The stages that stand around the filters of a compressed body. Where all of
 * them only look: the two ends of one gzip_mask, so that what holds nothing to
 * mask leaves as it came. Else it is decompressed before the first of them and
 * compressed behind the last.
 */

#include "proxy/coding.h"

#include "base/log.h"
#include "http/gzip_mask.h"
#include "proxy/conn.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"
#include "proxy/tx.h"

static enum flow
flow_of(enum gzip_io r)
{
    static const enum flow flows[] = { [GZIP_NEED] = F_NEED,
        [GZIP_FULL] = F_FULL,
        [GZIP_DONE] = F_DONE,
        [GZIP_BUSY] = F_BUSY,
        [GZIP_BAD] = F_ERROR };
    return flows[r];
}

struct gunzip_state {
    struct gunzip *gunzip;
};

static void
gunzip_init(void *owner, void *state)
{
    struct tx *tx = owner;
    struct gunzip_state *st = state;
    const struct proxy_conf *pc = tx_where(tx, PART_PROXY);
    st->gunzip = gunzip_new(tx->coding, pc->gunzip_ratio);
}

static enum flow
gunzip_filter_run(
    void *state, struct bufq *in, struct bufq *out, enum need need)
{
    struct gunzip_state *st = state;
    return flow_of(gunzip_run(st->gunzip, in, out, need == END));
}

static void
gunzip_fini(void *state)
{
    struct gunzip_state *st = state;
    gunzip_free(st->gunzip);
}

static const char *
gunzip_cause(const void *state)
{
    const struct gunzip_state *st = state;
    return gunzip_why(st->gunzip);
}

/* The codec is made when there is something for it: a stream that is silent
 * for hours costs nothing. */
struct gzip_state {
    struct gzip *gzip;
    enum coding coding;
    int level;
};

static void
gzip_init(void *owner, void *state)
{
    struct tx *tx = owner;
    struct gzip_state *st = state;
    const struct proxy_conf *pc = tx_where(tx, PART_PROXY);
    st->coding = tx->coding;
    st->level = (int)pc->gzip_comp_level;
}

static enum flow
gzip_filter_run(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    struct gzip_state *st = state;
    if (bufq_is_empty(in) && need != END && st->gzip == NULL) {
        return F_NEED;
    }
    if (st->gzip == NULL) {
        st->gzip = gzip_new(st->coding, st->level);
    }
    return flow_of(gzip_run(st->gzip, in, out, need == FLUSH, need == END));
}

static void
gzip_fini(void *state)
{
    struct gzip_state *st = state;
    gzip_free(st->gzip);
}

const struct filter gunzip_filter = { .name = "gunzip",
    .state_size = sizeof(struct gunzip_state),
    .init = gunzip_init,
    .run = gunzip_filter_run,
    .fini = gunzip_fini,
    .why = gunzip_cause };

const struct filter gzip_filter = { .name = "gzip",
    .state_size = sizeof(struct gzip_state),
    .init = gzip_init,
    .run = gzip_filter_run,
    .fini = gzip_fini };

/* Both ends are the exchange's; the first stage makes it and frees it. */
struct mask_state {
    struct tx *tx;
    bool has_told; /* that it is compressed anew for no mask */
};

/* A text of its own through one filter. */
static void
mask_text(struct tx *tx, const struct filter *f, char *text, size_t n)
{
    void *state = xcalloc(f->state_size);
    struct bufq in, out;
    enum flow flow;
    bufq_init(&in, SIZE_MAX);
    bufq_init(&out, SIZE_MAX);
    bufq_append(&in, str_n(text, n));
    if (f->init != NULL) {
        f->init(tx, state);
    }
    do {
        flow = f->run(state, &in, &out, END);
    } while (flow == F_BUSY || flow == F_FULL);
    AN(flow == F_DONE && out.len == n);
    AN(bufq_copy(&out, text, n) == n);
    if (f->fini != NULL) {
        f->fini(state);
    }
    bufq_fini(&in);
    bufq_fini(&out);
    xfree(state);
}

/* What stands in plain text in a gzip member's header. */
static void
on_look(void *arg, char *text, size_t n)
{
    struct tx *tx = arg;
    for (unsigned i = 0; i < tx->xfer.down.n_stages; i++) {
        const struct filter *f = tx->xfer.down.stages[i].filter;
        if (f->flags & FILTER_LOOKS) {
            mask_text(tx, f, text, n);
        }
    }
}

static void
read_init(void *owner, void *state)
{
    struct tx *tx = owner;
    struct mask_state *st = state;
    const struct proxy_conf *pc = tx_where(tx, PART_PROXY);
    AZ(tx->gzip_mask);
    st->tx = tx;
    tx->gzip_mask = gzip_mask_new(
        tx->coding, (int)pc->gzip_comp_level, pc->gunzip_ratio, on_look, tx);
}

static enum flow
read_run(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    struct mask_state *st = state;
    return flow_of(gzip_mask_read(st->tx->gzip_mask, in, out, need == END));
}

static void
read_fini(void *state)
{
    struct mask_state *st = state;
    gzip_mask_free(st->tx->gzip_mask);
    st->tx->gzip_mask = NULL;
}

static void
write_init(void *owner, void *state)
{
    struct tx *tx = owner;
    struct mask_state *st = state;
    st->tx = tx;
}

static enum flow
write_run(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    struct mask_state *st = state;
    struct gzip_mask *g = st->tx->gzip_mask;
    enum flow flow =
        flow_of(gzip_mask_write(g, in, out, need == FLUSH, need == END));
    const char *why = gzip_mask_anew(g);
    if (why != NULL && !st->has_told) {
        st->has_told = true;
        conn_log(st->tx->conn, LOG_INFO,
            "the response's body is compressed anew from a block on: %s, "
            "host: \"%.*s\"",
            why, STR_ARG(st->tx->authority.host));
    }
    return flow;
}

static const char *
write_cause(const void *state)
{
    const struct mask_state *st = state;
    return gzip_mask_why(st->tx->gzip_mask);
}

const struct filter mask_read_filter = { .name = "gunzip",
    .state_size = sizeof(struct mask_state),
    .init = read_init,
    .run = read_run,
    .fini = read_fini };

/* What it gives up on is what the other one read. */
const struct filter mask_write_filter = { .name = "gunzip",
    .state_size = sizeof(struct mask_state),
    .init = write_init,
    .run = write_run,
    .why = write_cause };
