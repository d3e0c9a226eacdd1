/*
 * Lets filters look through bodies in gzip and deflate: brings the two
 * transcoders, which core puts around the filters. Where all of them only look,
 * its stages are the two ends of one gzip_mask, so that what holds nothing to
 * mask leaves as it came. Else the body is decompressed before the first of
 * them and compressed behind the last, flushed when the input is dry.
 *
 * The codecs are http/gzip.h and http/gzip_mask.h; which body needs them is
 * proxy/coding.c's to say.
 */

#include "module.h"

extern const unsigned gzip_stream_module_index;

static const char *const gzip_names[] = { "gzip", "x-gzip", NULL };
static const char *const deflate_names[] = { "deflate", NULL };

struct gzip_stream {
    unsigned ratio; /* bytes out of each in; 0: no limit */
    unsigned level; /* 1 to 9 */
};

/* Of an exchange. */
struct state {
    struct gzip_mask *mask; /* of the two ends, or NULL */
};

static struct state *
state_of(const struct tx *tx)
{
    return module_state(tx, gzip_stream_module_index);
}

static const struct gzip_stream *
conf_of(const struct tx *tx)
{
    return module_where(tx, gzip_stream_module_index);
}

/* The response body's, which one of these transcoders was chosen for. */
static enum coding
coding_of_body(const struct tx *tx)
{
    const char *const *names = tx->transcoder->names;
    AN(names == gzip_names || names == deflate_names);
    return names == gzip_names ? CODING_GZIP : CODING_DEFLATE;
}

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
    st->gunzip = gunzip_new(coding_of_body(tx), conf_of(tx)->ratio);
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
    st->coding = coding_of_body(tx);
    st->level = (int)conf_of(tx)->level;
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

static const struct filter gunzip_filter = { .name = "gunzip",
    .state_size = sizeof(struct gunzip_state),
    .init = gunzip_init,
    .run = gunzip_filter_run,
    .fini = gunzip_fini,
    .why = gunzip_cause };

static const struct filter gzip_filter = { .name = "gzip",
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
    const struct gzip_stream *gs = conf_of(tx);
    AZ(state_of(tx)->mask);
    st->tx = tx;
    state_of(tx)->mask = gzip_mask_new(
        coding_of_body(tx), (int)gs->level, gs->ratio, on_look, tx);
}

static enum flow
read_run(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    struct mask_state *st = state;
    struct gzip_mask *g = state_of(st->tx)->mask;
    return flow_of(gzip_mask_read(g, in, out, need == END));
}

static void
read_fini(void *state)
{
    struct mask_state *st = state;
    gzip_mask_free(state_of(st->tx)->mask);
    state_of(st->tx)->mask = NULL;
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
    struct gzip_mask *g = state_of(st->tx)->mask;
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
    return gzip_mask_why(state_of(st->tx)->mask);
}

static const struct filter mask_read_filter = { .name = "gunzip",
    .state_size = sizeof(struct mask_state),
    .init = read_init,
    .run = read_run,
    .fini = read_fini };

/* What it gives up on is what the other one read. */
static const struct filter mask_write_filter = { .name = "gunzip",
    .state_size = sizeof(struct mask_state),
    .init = write_init,
    .run = write_run,
    .why = write_cause };

static const struct transcoder transcoders[] = {
    { .names = gzip_names,
        .decode = &gunzip_filter,
        .encode = &gzip_filter,
        .look = &mask_read_filter,
        .leave = &mask_write_filter },
    { .names = deflate_names,
        .decode = &gunzip_filter,
        .encode = &gzip_filter,
        .look = &mask_read_filter,
        .leave = &mask_write_filter },
    { 0 },
};

static bool
set_level(struct bind *b, const struct directive *d, void *field)
{
    unsigned *n = field;
    if (!set_uint(b, d, n)) {
        return false;
    }
    return (*n >= 1 && *n <= 9) ||
           conf_error(b, &d->args[0], "\"%.*s\" must be 1 to 9",
               STR_ARG(d->name.text));
}

static const struct cmd cmds[] = {
    CMD_UINT("gunzip_ratio", CONF_WHERE, struct gzip_stream, ratio),
    CMD("gzip_comp_level", CONF_WHERE, 1, 1, struct gzip_stream, level,
        unsigned, set_level),
    { 0 },
};

static const struct gzip_stream defaults = { .ratio = 1000, .level = 1 };

const struct module gzip_stream_module = {
    .conf = { .name = "gzip_stream",
        .cmds = cmds,
        .defaults = &defaults,
        .size = sizeof(struct gzip_stream) },
    .tx_size = sizeof(struct state),
    .transcoders = transcoders,
};
