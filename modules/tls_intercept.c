/*
 * Decides whether the TLS in a tunnel is opened, with a certificate of the
 * sandbox's own CA, or passed through as it is (`intercept off`).
 * proxy/intercept.c and proxy/passthrough.c do it. A build without this module
 * opens no tunnel: it judges them by SNI, and passes through those that
 * proxy/tunnel.c allows.
 */

#include "module.h"

extern const unsigned tls_intercept_module_index;

struct tls_intercept {
    unsigned leaf_cache; /* leaves that a worker keeps */
    unsigned mint_rate;  /* new leaves that a sandbox may ask for a second */
    bool deny_inside;    /* a denial is shown inside TLS */
    bool intercept;      /* of a host block; false passes tunnels through */
};

/* The values of the scope that decided, or of egress. */
static const struct tls_intercept *
conf_of(const struct worker *w, const struct scope *where)
{
    return scope_part(where != NULL ? where : w->egress,
        module_part(tls_intercept_module_index));
}

static int
worker_init(struct worker *w)
{
    const struct tls_intercept *ti = conf_of(w, NULL);
    return worker_make_leaves(w, ti->leaf_cache, ti->mint_rate);
}

/* What becomes of a tunnel. It is passed through only if its requests may
 * leave, as none of them is judged again. */
static enum tunnel
tunnel(const struct conn *c, const struct decision *d)
{
    if (d->outcome != DECIDE_ALLOW) {
        return conf_of(c->worker, NULL)->deny_inside ? TUNNEL_OPEN
                                                     : TUNNEL_REFUSE;
    }
    bool is_passed = !conf_of(c->worker, d->where)->intercept && d->may_leave;
    return is_passed ? TUNNEL_PASS : TUNNEL_OPEN;
}

/* weir sees nothing inside a passthrough tunnel: so the block may have no rule
 * and no secret that needs to. */
static int
check(struct conf *c, struct scope *s, void *part)
{
    const struct tls_intercept *ti = part;
    if (s->context != CONF_HOST || ti->intercept) {
        return 0;
    }
    const char *what = block_needs_requests(block_of(s));
    return what == NULL ? 0
                        : conf_fail(c, &s->directive->name,
                              "%s cannot be used with \"intercept off\"", what);
}

static const struct cmd cmds[] = {
    CMD("leaf_cache", CONF_EGRESS, 1, 1, struct tls_intercept, leaf_cache,
        unsigned, set_count),
    CMD("mint_rate", CONF_EGRESS, 1, 1, struct tls_intercept, mint_rate,
        unsigned, set_count),
    CMD_FLAG("deny_inside", CONF_EGRESS, struct tls_intercept, deny_inside),
    CMD_FLAG("intercept", CONF_HOST, struct tls_intercept, intercept),
    { 0 },
};

static const struct tls_intercept defaults = {
    .leaf_cache = 10000,
    .mint_rate = 1000,
    .intercept = true,
};

const struct module tls_intercept_module = {
    .conf = { .name = "tls_intercept",
        .cmds = cmds,
        .defaults = &defaults,
        .size = sizeof(struct tls_intercept),
        .check = check },
    .worker_init = worker_init,
    .tunnel = tunnel,
};
