/*
 * See judge.h. Called by modules/policy.c and proc/explain_cmd.c.
 */

#include "proxy/judge.h"

#include "conf/bind.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"

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
