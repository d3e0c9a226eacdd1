/*
 * Between a body's placeholders and the secrets that they stand for. Values
 * are wiped with the exchange; what goes into a queue the queue wipes.
 */

#include "proxy/tx_fill.h"

#include "proxy/conn.h"
#include "proxy/reply.h"
#include "proxy/worker.h"
#include "sandbox/secret_store.h"

void
tx_fill_add(struct tx_fill *f, const struct secret_def *d,
    const struct json_pointer *pointer, struct str name)
{
    AN(f->tx == NULL && f->n < SCAN_FIELDS_MAX);
    f->secrets[f->n] = d;
    f->rules[f->n++] = (struct fill_rule){ d->placeholder, pointer, name };
}

static bool
on_value(void *arg, unsigned rule, struct str *value)
{
    struct tx_fill *f = arg;
    const struct secret_def *d = f->secrets[rule];
    struct str *kept = &f->values[rule], plain;
    AN(rule < f->n);
    AN(f->tx->needs_tls);
    if (kept->p == NULL) {
        struct str held = secret_value_str(&f->held[rule]);
        if (!tx_secret_held(f->tx, d, held, &plain)) {
            return false;
        }
        *kept = fill_escape(f->fill.kind, f->tx->arena, plain);
        if (kept->p == NULL) {
            tx_fail(f->tx, FAULT_OWN,
                "secret \"%.*s\" is not UTF-8 and cannot stand in JSON",
                STR_ARG(d->name));
            return false;
        }
        tx_wipe_later(f->tx, *kept);
    }
    *value = *kept;
    return true;
}

static void
on_raw(void *arg, struct str bytes)
{
    struct tx_fill *f = arg;
    tx_look_at(&f->look, bytes);
}

void
tx_fill_begin(struct tx_fill *f, struct tx *tx, enum fill_kind kind)
{
    CHECK(tx, TX_MAGIC);
    AN(tx->needs_tls);
    f->tx = tx;
    fill_init(&f->fill, kind, tx->arena, f->rules, f->n);
    fill_on_value(&f->fill, on_value, f);
    fill_on_raw(&f->fill, on_raw);
    tx_look_begin(&f->look, tx, "is malformed");
    for (unsigned i = 0; i < f->n; i++) {
        tx_look_add(&f->look, f->secrets[i]);
        f->held[i] = secret_hold(
            tx->conn->worker->secrets, f->secrets[i]->index, tx->sandbox);
    }
}

void
tx_fill_fini(void *tx_fill)
{
    struct tx_fill *f = tx_fill;
    CHECK(f->tx, TX_MAGIC);
    for (unsigned i = 0; i < f->n; i++) {
        secret_value_free(&f->held[i]);
    }
}

static enum flow
give_up(struct tx *tx, const struct reply *why)
{
    tx_fail(tx, why->status < 500 ? FAULT_CLIENT : FAULT_OWN, "%.*s",
        STR_ARG(why->detail));
    tx->body_reply = why;
    return F_ERROR;
}

enum flow
tx_fill_run(void *tx_fill, struct bufq *in, struct bufq *out, enum need need)
{
    static const struct reply malformed = { .status = 400,
        .error = "http_request_error",
        .rule = "substitute",
        .detail = STR_INIT("a placeholder stands in a malformed body") };
    static const struct reply too_long = { .status = 400,
        .error = "http_request_error",
        .rule = "substitute",
        .detail = STR_INIT("too many placeholders stand in the body") };
    static const struct reply missing = { .status = 502,
        .error = "proxy_configuration_error",
        .rule = "substitute",
        .detail = STR_INIT("the credential for this host is missing") };
    struct tx_fill *f = tx_fill;
    switch (fill_run(&f->fill, in, out, need == END)) {
    case FILL_MORE:
        return F_NEED;
    case FILL_FULL:
        return F_FULL;
    case FILL_DONE:
        return F_DONE;
    case FILL_MALFORMED:
        return give_up(f->tx, &malformed);
    case FILL_REFUSED:
        return give_up(f->tx, &missing);
    case FILL_TOO_LONG:
        break;
    }
    return give_up(f->tx, &too_long);
}
