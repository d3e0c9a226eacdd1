/*
 * Looks at what passes, to the first placeholder or to a limit.
 */

#include "proxy/tx_look.h"

#include "base/log.h"
#include "policy/policy_secret.h"
#include "proxy/conn.h"
#include "proxy/tx.h"

void
tx_look_begin(struct tx_look *l, struct tx *tx, const char *why)
{
    CHECK(tx, TX_MAGIC);
    *l = (struct tx_look){ .tx = tx, .why = why };
}

void
tx_look_add(struct tx_look *l, const struct policy_secret *d)
{
    for (unsigned i = 0; i < l->needles.n; i++) {
        if (l->secrets[i] == d) {
            return;
        }
    }
    if (needles_add(&l->needles, d->placeholder)) {
        l->secrets[l->needles.n - 1] = d;
    }
}

static void
say(const struct tx_look *l, const struct policy_secret *d)
{
    const struct tx *tx = l->tx;
    struct str path = log_quoted(tx->xfer.arena, tx->path);
    conn_log(tx->conn, LOG_WARN,
        "the placeholder of secret \"%.*s\" passes in a body that is not "
        "read: it %s, request: \"%.*s %.*s\", host: \"%.*s\"",
        STR_ARG(d->spec.name), l->why, STR_ARG(tx->xfer.request.method),
        STR_ARG(path), STR_ARG(tx->authority.host));
}

void
tx_look_at(struct tx_look *l, struct str bytes)
{
    CHECK(l->tx, TX_MAGIC);
    size_t room = TX_LOOK_MAX - l->seen;
    if (l->is_over) {
        return;
    }
    bytes.n = bytes.n < room ? bytes.n : room;
    l->seen += bytes.n;
    unsigned found = needles_find(&l->needles, l->tx->xfer.arena, bytes);
    if (found < l->needles.n) {
        say(l, l->secrets[found]);
    }
    l->is_over = found < l->needles.n || l->seen == TX_LOOK_MAX;
}

static enum flow
run_look(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    struct tx_look *l = state;
    while (!l->is_over && !bufq_is_empty(in) && !bufq_is_full(out)) {
        struct str run = bufq_peek_for(in, out);
        tx_look_at(l, run);
        size_t moved = bufq_move(out, in, run.n);
        AN(moved == run.n);
    }
    bufq_move(out, in, SIZE_MAX);
    if (!bufq_is_empty(in)) {
        return F_FULL;
    }
    return need == END ? F_DONE : F_NEED;
}

static void
init_look(void *owner, void *state)
{
    tx_look_begin(state, owner, NULL);
}

static const struct filter look_filter = { .name = "look",
    .state_size = sizeof(struct tx_look),
    .flags = FILTER_KEEPS_LENGTH,
    .init = init_look,
    .run = run_look };

struct tx_look *
tx_look_at_body(struct tx *tx, const char *why)
{
    CHECK(tx, TX_MAGIC);
    pump_add(&tx->xfer.up, tx, tx->xfer.arena, &look_filter);
    struct tx_look *l = tx->xfer.up.stages[tx->xfer.up.n_stages - 1].state;
    l->why = why;
    return l;
}
