/*
 * See route.h. Called by tx_request.c and upstream.c, by the proxy_pass
 * module, and by proc/explain_cmd.c.
 */

#include "proxy/route.h"

#include "policy/decide.h"
#include "proxy/proxy_conf.h"
#include "sandbox/sandbox.h"

void
route_init(
    struct route *r, const struct authority *au, bool is_tls, struct str path)
{
    AN(au->kind != HOST_NONE);
    *r = (struct route){ .host = au->host,
        .addr = au->kind == HOST_NAME ? (struct addr){ 0 } : au->ip,
        .port = au->port,
        .is_tls = is_tls,
        .path = path };
}

bool
route_is_safe(const struct route *r, const struct addr *peer)
{
    const struct addr *a = peer != NULL ? peer : &r->addr;
    bool is_ip = a->family == 4 || a->family == 6;
    return r->is_tls || (r->is_own_service && (!is_ip || guard_is_loopback(a)));
}

bool
route_secure(struct route *r, const struct proxy_conf *pc)
{
    if (r->is_tls || r->is_own_service) {
        /* of a service that has a name the guard passes loopback alone */
        return route_is_safe(r, NULL);
    }
    if (r->port != 80 || !port_list_has(&pc->ports, 443)) {
        return false;
    }
    r->port = 443;
    r->is_tls = true;
    return true;
}

struct guard_policy
route_guard(const struct route *r, bool has_secret, const struct proxy_conf *pc,
    const struct decision *d)
{
    const struct policy *own = d->policy;
    const struct pattern_set *denied[] = { own->denied, own->own_denied };
    struct guard_policy p = { .allow = pc->allow_address.items,
        .n_allow = pc->allow_address.n,
        .is_own_service = r->is_own_service,
        .is_loopback_only = has_secret && !r->is_tls,
        .rules = d->ranges,
        .n_rules = d->n_ranges };
    AN(!p.is_loopback_only || p.is_own_service);
    for (unsigned i = 0; i < LEN(denied); i++) {
        if (denied[i] != NULL) {
            p.deny[i].items = pattern_set_cidrs(denied[i], &p.deny[i].n);
        }
    }
    return p;
}

struct str
route_format(const struct route *r, struct arena *a)
{
    const char *scheme = r->is_tls ? "https" : "http";
    if (r->addr.family == ADDR_UNIX) {
        return arena_printf(a, "%s://unix:%.*s", scheme, STR_ARG(r->host));
    }
    bool is_v6 = r->addr.family == 6;
    return arena_printf(a, "%s://%s%.*s%s:%u", scheme, is_v6 ? "[" : "",
        STR_ARG(r->host), is_v6 ? "]" : "", r->port);
}
