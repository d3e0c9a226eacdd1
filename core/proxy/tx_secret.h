#pragma once

/*
 * A secret for an exchange: for modules that put one into a request. What is
 * copied from it is wiped when the exchange ends.
 */

#include "policy/policy_secret.h"
#include "proxy/tx.h"

/* The value, a copy that is wiped with the exchange, which needs TLS from then
 * on (SPEC 7). False after tx_fail(): it is missing, or not bound to this
 * host; the request must not leave. */
must_check bool tx_secret(
    struct tx *tx, const struct policy_secret *d, struct str *out);

/* The same of a `value` that was held before (secret_hold()); p NULL: it was
 * missing then. */
must_check bool tx_secret_held(struct tx *tx, const struct policy_secret *d,
    struct str value, struct str *out);

/* `s`, in the exchange's arena, will be wiped when that goes: for all that is
 * made of a secret. Returns it. */
struct str tx_wipe_later(struct tx *tx, struct str s);
