#pragma once

/*
 * The decision (sandbox/decide.h) with what it needs of the proxy's own
 * configuration: `ports`, of the scope that the decision names. For the policy
 * module, and for weir -E, which tells of it.
 */

#include "http/url.h"
#include "sandbox/decide.h"

/* `q` without host and literal, which are those of `au`; its host must outlive
 * the decision. `egress` rules where the decision names no scope of its own. */
void judge(const struct decide_query *q, const struct authority *au,
    const struct scope *egress, struct decision *d);
