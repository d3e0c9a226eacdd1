/*
 * Secrets on their way into a request: the one place where a module gets a
 * value, and where it is judged whether it may go. What the module does with
 * it, and that it goes over TLS, others see to.
 */

#include "proxy/tx_secret.h"

#include "proxy/conn.h"
#include "proxy/finding.h"
#include "proxy/worker.h"
#include "sandbox/sandbox.h"

static void
wipe(void *arg)
{
    struct str *s = arg;
    mem_wipe((void *)s->p, s->n);
}

struct str
tx_wipe_later(struct tx *tx, struct str s)
{
    struct str *kept = arena_alloc(tx->xfer.arena, sizeof *kept);
    *kept = s;
    arena_on_free(tx->xfer.arena, wipe, kept);
    return s;
}

bool
tx_secret_held(struct tx *tx, const struct policy_secret *d, struct str value,
    struct str *out)
{
    CHECK(tx, TX_MAGIC);
    const struct addr *literal =
        tx->authority.kind == HOST_NAME ? NULL : &tx->authority.ip;
    if (!policy_secret_may_go(
            d, tx->decision.block, tx->authority.host, literal)) {
        tx_fail(tx, FAULT_OWN, "secret \"%.*s\" is not bound to this host",
            STR_ARG(d->spec.name));
        finding(tx->conn, FINDING_CREDENTIAL, tx->authority.host, "secret");
        return false;
    }
    if (value.p == NULL) {
        tx_fail(
            tx, FAULT_OWN, "secret \"%.*s\" is missing", STR_ARG(d->spec.name));
        finding(tx->conn, FINDING_CREDENTIAL, tx->authority.host, "secret");
        return false;
    }
    tx->needs_tls = true;
    *out = tx_wipe_later(tx, arena_dup(tx->xfer.arena, value));
    return true;
}

bool
tx_secret(struct tx *tx, const struct policy_secret *d, struct str *out)
{
    return tx_secret_held(tx, d,
        secret_get(tx->conn->worker->secrets, d->spec.index, tx->sandbox->id),
        out);
}
