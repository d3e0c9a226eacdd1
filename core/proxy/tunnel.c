/*
 * See tunnel.h. A configuration that has `intercept off` beside what needs
 * requests to be seen is refused when it is loaded. This here holds the same
 * of every tunnel, whichever module wants it passed through, and in a build
 * where none opens any.
 */

#include "proxy/tunnel.h"

#include "policy/block.h"
#include "policy/decide.h"
#include "proxy/reply.h"
#include "proxy/tx.h"

bool
tunnel_may_pass(const struct decision *d)
{
    return d->outcome == DECIDE_ALLOW && d->may_leave &&
           (d->block == NULL || block_needs_requests(d->block) == NULL);
}

struct str
tunnel_refusal(const struct decision *d, struct arena *a)
{
    struct str blocked = decision_blocked(d, a);
    const char *what = d->block != NULL ? block_needs_requests(d->block) : NULL;
    if (what == NULL) {
        return arena_printf(a,
            "%.*s: no tunnel to it is opened or passed through; retrying will "
            "not help",
            STR_ARG(blocked));
    }
    return arena_printf(a,
        "%.*s: the block that serves it has %s, and TLS is not opened here; "
        "retrying will not help",
        STR_ARG(blocked), what);
}

enum verdict
tunnel_refuse(struct tx *tx)
{
    CHECK(tx, TX_MAGIC);
    struct reply r = { .status = 403,
        .error = "http_request_denied",
        .rule = "tunnel",
        .is_denial = true,
        .reason = decision_blocked(&tx->decision, tx->xfer.arena),
        .detail = tunnel_refusal(&tx->decision, tx->xfer.arena) };
    tx_fail(tx, FAULT_POLICY, "%.*s", STR_ARG(r.detail));
    tx_reply(tx, &r);
    return V_REPLY;
}
