#pragma once

/*
 * The decision (policy/decide.h) with what it needs of the proxy's own
 * configuration: `ports`, of the scope that the decision names; and what a
 * sandbox is told of the addresses behind the decision. For the host_match
 * module and the exchange, and for weir -E, which tells of it.
 */

#include "http/url.h"
#include "policy/decide.h"

struct route;

/* `q` without host and literal, which are those of `au`; its host must outlive
 * the decision. `egress` rules where the decision names no scope of its own. */
void judge(const struct decide_query *q, const struct authority *au,
    const struct scope *egress, struct decision *d);

/* Whether the sandbox may know if the host's name is there: not where no entry
 * of the policy is that name, and `internet` or a pattern let it through. A
 * name that does not exist is then answered as one that leads to no address
 * that may be dialled. */
bool judge_is_discreet(const struct decision *d, const struct route *r);

/* Of a host that leads to no address that may be dialled: the rule, and a
 * sentence in `a`. `why` is the guard's, NULL where there is no address. */
const char *judge_nowhere(const struct decision *d, const struct route *r,
    const char *why, struct arena *a, struct str *sentence);
