/*
 * See judge.h. Called by modules/host_match.c, upstream.c and
 * proc/explain_cmd.c.
 */

#include "proxy/judge.h"

#include "conf/bind.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"
#include "proxy/route.h"

void
judge(const struct decide_query *q, const struct authority *au,
    const struct scope *egress, struct decision *d)
{
    struct decide_query whole = *q;
    whole.host = au->host;
    whole.literal = au->kind == HOST_NAME ? NULL : &au->ip;
    decide(&whole, d);
    const struct scope *where = d->where != NULL ? d->where : egress;
    const struct proxy_conf *pc = scope_part(where, PART_PROXY);
    decide_port(d, au->port, port_list_has(&pc->ports, au->port));
}

bool
judge_is_discreet(const struct decision *d, const struct route *r)
{
    return !d->is_named && !r->is_own_service && r->addr.family == 0;
}

const char *
judge_nowhere(const struct decision *d, const struct route *r, const char *why,
    struct arena *a, struct str *sentence)
{
    const char *rule = "allow_address", *reason = "is not allowed";
    struct str blocked = decision_blocked(d, a);
    if (judge_is_discreet(d, r)) {
        *sentence = arena_printf(a,
            "%.*s: there is no address of it that may be reached; retrying "
            "will not help",
            STR_ARG(blocked));
        return rule;
    }
    if (why != NULL && str_eq(str_of(why), STR(GUARD_DENIED_HOSTS))) {
        rule = "denied_hosts";
        reason = "is in denied_hosts";
    } else if (why != NULL && str_eq(str_of(why), STR(GUARD_DENY))) {
        rule = decision_rule_name(d);
        reason = "is denied by the block that would serve it";
    }
    *sentence = arena_printf(a, "%.*s: its address %s; retrying will not help",
        STR_ARG(blocked), reason);
    return rule;
}
