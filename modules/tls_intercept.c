/*
 * Whether the TLS in a tunnel is opened with a certificate of the sandbox's own
 * CA, or passed through as it is (`intercept off`). How that is done is in
 * proxy/intercept.c and proxy/passthrough.c. A build without this module opens
 * none: it passes through what proxy/tunnel.c lets it, and judges that by SNI.
 */

#include "module.h"

extern const unsigned tls_intercept_module_index;

struct tls_intercept {
    unsigned leaf_cache; /* leaves that a worker keeps */
    unsigned mint_rate;  /* never-seen names a sandbox may ask for a second */
    bool deny_inside;    /* a denial is shown inside of TLS */
    bool intercept;      /* host: off passes tunnels through */
};

/* Of the scope that rules; egress has what stands nowhere else. */
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

/* One that lets all inside leave: nothing there is judged again. */
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

/* weir sees nothing inside a passthrough tunnel: no rule or secret can hold
 * there. */
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
