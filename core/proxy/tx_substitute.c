/*
 * Between a body's placeholders and the secrets that they stand for. Values
 * are wiped with the exchange; what goes into a queue the queue wipes.
 */

#include "proxy/tx_substitute.h"

#include "proxy/conn.h"
#include "proxy/reply.h"
#include "proxy/worker.h"
#include "sandbox/sandbox.h"
#include "secret/secret_store.h"

void
tx_substitute_add(struct tx_substitute *f, const struct policy_secret *d,
    const struct json_pointer *pointer, struct str name)
{
    AN(f->tx == NULL && f->n < SCAN_FIELDS_MAX);
    f->secrets[f->n] = d;
    f->rules[f->n++] =
        (struct substitute_rule){ d->placeholder, pointer, name };
}

static bool
on_value(void *arg, unsigned rule, struct str *value)
{
    struct tx_substitute *f = arg;
    const struct policy_secret *d = f->secrets[rule];
    struct str *kept = &f->values[rule], plain;
    AN(rule < f->n);
    AN(f->tx->needs_tls);
    if (kept->p == NULL) {
        struct str held = secret_value_str(&f->held[rule]);
        if (!tx_secret_held(f->tx, d, held, &plain)) {
            return false;
        }
        *kept =
            substitute_escape(f->substitution.kind, f->tx->xfer.arena, plain);
        if (kept->p == NULL) {
            tx_fail(f->tx, FAULT_OWN,
                "secret \"%.*s\" is not UTF-8 and cannot stand in JSON",
                STR_ARG(d->spec.name));
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
    struct tx_substitute *f = arg;
    tx_look_at(&f->look, bytes);
}

void
tx_substitute_begin(
    struct tx_substitute *f, struct tx *tx, enum substitute_kind kind)
{
    CHECK(tx, TX_MAGIC);
    AN(tx->needs_tls);
    f->tx = tx;
    substitute_init(&f->substitution, kind, tx->xfer.arena, f->rules, f->n);
    substitute_on_value(&f->substitution, on_value, f);
    substitute_on_raw(&f->substitution, on_raw);
    tx_look_begin(&f->look, tx, "is malformed");
    for (unsigned i = 0; i < f->n; i++) {
        tx_look_add(&f->look, f->secrets[i]);
        f->held[i] = secret_hold(tx->conn->worker->secrets,
            f->secrets[i]->spec.index, tx->sandbox->id);
    }
}

void
tx_substitute_fini(void *tx_substitute)
{
    struct tx_substitute *f = tx_substitute;
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
tx_substitute_run(
    void *tx_substitute, struct bufq *in, struct bufq *out, enum need need)
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
    struct tx_substitute *f = tx_substitute;
    switch (substitute_run(&f->substitution, in, out, need == END)) {
    case SUBSTITUTE_MORE:
        return F_NEED;
    case SUBSTITUTE_FULL:
        return F_FULL;
    case SUBSTITUTE_DONE:
        return F_DONE;
    case SUBSTITUTE_MALFORMED:
        return give_up(f->tx, &malformed);
    case SUBSTITUTE_REFUSED:
        return give_up(f->tx, &missing);
    case SUBSTITUTE_TOO_LONG:
        break;
    }
    return give_up(f->tx, &too_long);
}
