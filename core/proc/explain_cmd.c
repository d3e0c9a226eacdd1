/*
 * Takes a request the usual way (DESIGN 3) without sending it: through the same
 * parser, the same decision and the same guard; modules say what they would do.
 * Called by weir.c.
 */

#include "proc/explain_cmd.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "http/h1_parse.h"
#include "net/guard.h"
#include "policy/block.h"
#include "policy/decide.h"
#include "proc/explain_sandbox.h"
#include "proxy/hook.h"
#include "proxy/judge.h"
#include "proxy/listen.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"
#include "proxy/route.h"
#include "proxy/tunnel.h"
#include "proxy/upstream_proxy.h"
#include "sandbox/sandbox_conf.h"

struct request {
    const struct conf *conf;
    const struct scope *egress;
    const struct explain_args *args;
    struct arena *arena;
    const struct sandbox *sandbox;
    bool is_tls;
    struct str target; /* path and query */
    struct authority authority;
    struct head head;
    unsigned status; /* of a head that cannot be read; else 0 */
    struct decision decision;
    struct route route;
};

static void
say(const char *label, const char *fmt, va_list ap)
{
    printf("%-11s", label);
    vprintf(fmt, ap);
    putchar('\n');
}

static void tell(const char *label, const char *fmt, ...) printf_like(2, 3);

static void
tell(const char *label, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(label, fmt, ap);
    va_end(ap);
}

static void say_attached(const char *fmt, ...) printf_like(1, 2);

static void
say_attached(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say("attaches", fmt, ap);
    va_end(ap);
}

static void say_limit(const char *fmt, ...) printf_like(1, 2);

static void
say_limit(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say("limits", fmt, ap);
    va_end(ap);
}

/* The scope that holds: the location's or block's, else egress's. */
static const struct scope *
where_of(const struct request *r)
{
    return r->decision.where != NULL ? r->decision.where : r->egress;
}

/* `malformed`: why rule 1 holds, as the parser found; NULL: it does not. */
static void
judge_request(struct request *r, bool is_request, const char *malformed)
{
    struct decide_query q = { .policy = r->sandbox->policy,
        .is_request = is_request,
        .method = r->args->method,
        .path = str_n(r->target.p, str_find(r->target, '?')),
        .arena = r->arena,
        .malformed = malformed };
    judge(&q, &r->authority, r->egress, &r->decision);
}

/* Takes the URL apart; false if it is neither http nor https. */
static bool
read_url(struct request *r, struct str *host)
{
    struct str url = r->args->url;
    size_t n = 0;
    r->is_tls = url.n >= 8 && str_ieq(str_n(url.p, 8), STR("https://"));
    if (!r->is_tls &&
        (url.n < 7 || !str_ieq(str_n(url.p, 7), STR("http://")))) {
        return false;
    }
    url = str_skip(url, r->is_tls ? 8 : 7);
    url.n = str_find(url, '#');
    while (n < url.n && url.p[n] != '/' && url.p[n] != '?') {
        n++;
    }
    *host = str_n(url.p, n);
    url = str_skip(url, n);
    r->target = arena_printf(r->arena, "%s%.*s",
        url.n != 0 && url.p[0] == '/' ? "" : "/", STR_ARG(url));
    return true;
}

/* Writes the head as a client would, and reads it by the parser for clients. */
static const char *
read_head(struct request *r, bool is_connect)
{
    struct h1_error err = { .status = 0 };
    size_t scanned = 0, n;
    struct str host = authority_format(r->arena, &r->authority, 0);
    struct str scheme = r->is_tls ? STR("") : STR("http://");
    struct str text =
        is_connect ? arena_printf(r->arena,
                         "CONNECT %.*s HTTP/1.1\r\nHost: %.*s\r\n\r\n",
                         STR_ARG(host), STR_ARG(host))
                   : arena_printf(r->arena,
                         "%.*s %.*s%.*s%.*s HTTP/1.1\r\nHost: %.*s\r\n\r\n",
                         STR_ARG(r->args->method), STR_ARG(scheme),
                         STR_ARG(r->is_tls ? STR("") : host),
                         STR_ARG(r->target), STR_ARG(host));
    head_init(&r->head, r->arena);
    if (h1_head_end(text, &scanned, &n, &err) != H1_OK || n != text.n ||
        h1_parse_request(text, r->authority.port, &r->head, &err) != 0) {
        r->status = err.status != 0 ? err.status : 400;
        return err.text != NULL ? err.text : "it is more than one request";
    }
    return NULL;
}

/* Fills authority and head. Returns why rule 1 holds; NULL: it does not. */
static const char *
read_request(struct request *r, struct str host)
{
    const char *why = NULL;
    if (!authority_parse(
            r->arena, host, r->is_tls ? 443 : 80, &r->authority, &why)) {
        r->authority = (struct authority){ .host = host, .kind = HOST_NAME };
        return why;
    }
    return read_head(r, str_eq(r->args->method, STR("CONNECT")));
}

static void
tell_block(const char *label, const struct block *b)
{
    const struct token *at = &b->scope->directive->name;
    tell(label, "%s\"%.*s\" in %s:%u",
        b->scope->context == CONF_HANDLER ? "handler " : "", STR_ARG(b->name),
        at->file, at->line);
}

/* Tells by which rule it was decided, and how. */
static void
tell_decision(const struct request *r, const char *stage)
{
    const struct decision *d = &r->decision;
    const struct proxy_conf *pc = scope_part(where_of(r), PART_PROXY);
    tell("sandbox", "%.*s, class %.*s", STR_ARG(r->sandbox->id),
        STR_ARG(r->sandbox->policy->class->name));
    tell("judged", "%s", stage);
    tell("rule", "%u %s", d->rule, decision_rule_name(d));
    if (d->pattern.n != 0 && d->at == NULL) {
        tell("pattern", "%.*s", STR_ARG(d->pattern));
    } else if (d->pattern.n != 0) {
        tell("pattern", "%.*s in %s:%u", STR_ARG(d->pattern), d->at->file,
            d->at->line);
    } else if (d->at != NULL) {
        tell("list", "%.*s in %s:%u", STR_ARG(d->at->text), d->at->file,
            d->at->line);
    }
    if (d->block != NULL) {
        tell_block("block", d->block);
    }
    if (d->location != NULL) {
        tell_block("location", d->location);
    }
    if (d->reason != REASON_MALFORMED) {
        tell("port", "%u, %s", r->authority.port,
            port_list_has(&pc->ports, r->authority.port) ? "in ports"
                                                         : "not in ports");
    }
}

static enum explain_code
refused(unsigned status, struct str why)
{
    tell("outcome", "%u", status);
    tell("because", "%.*s", STR_ARG(why));
    return EXPLAIN_REFUSED;
}

/* Tells of a request that is not forwarded with which status it is answered: if
 * the head cannot be read, with the parser's. */
static enum explain_code
tell_refusal(const struct request *r)
{
    const struct decision *d = &r->decision;
    unsigned status = r->status != 0 ? r->status : decision_status(d);
    return refused(status, decision_explain(d, r->arena));
}

/* The addresses that are known without a resolver; 0: it must be asked. */
static unsigned
known_addresses(const struct request *r, const struct addr **out)
{
    const struct proxy_conf *pc = scope_part(r->egress, PART_PROXY);
    *out = &r->route.addr;
    if (r->route.addr.family != 0) {
        return 1;
    }
    for (unsigned i = 0; i < pc->names.n; i++) {
        const struct static_name *s = &pc->names.items[i];
        if (str_eq(s->name, r->route.host)) {
            *out = s->addrs.items;
            return s->addrs.n;
        }
    }
    return 0;
}

/* False: the guard refuses all of them; *last is the reason. */
static bool
tell_addresses(const struct request *r, bool has_secret, const char **last)
{
    const struct addr *addrs;
    unsigned n = known_addresses(r, &addrs), n_allowed = 0;
    struct guard_policy p = route_guard(&r->route, has_secret,
        scope_part(where_of(r), PART_PROXY), &r->decision);
    char text[ADDR_TEXT_MAX];
    if (n == 0) {
        tell("address",
            "of a resolver, if the address guard allows it; else 403, %s",
            judge_is_discreet(&r->decision, &r->route)
                ? "as if there is none"
                : "and 502 if there is none");
        return true;
    }
    struct loop *loop = loop_new();
    struct guard *g = listen_guard(r->conf, loop);
    for (unsigned i = 0; i < n && g != NULL; i++) {
        struct addr a = addrs[i];
        const char *why = NULL;
        a.port = r->route.port;
        bool is_allowed = guard_allows(g, &a, &p, &why);
        n_allowed += is_allowed;
        *last = is_allowed ? *last : why;
        struct str shown = addr_format(&a, true, text);
        struct str path = a.family == ADDR_UNIX ? r->route.host : STR("");
        tell("address", "%.*s%.*s, %s%s", STR_ARG(shown), STR_ARG(path),
            is_allowed ? "allowed" : "refused: ", is_allowed ? "" : why);
    }
    if (g != NULL) {
        guard_free(g);
    }
    loop_free(loop);
    return n_allowed != 0;
}

/* Tells of the upstream proxy, if there is one; false: it resolves the name. */
static bool
tell_proxy(const struct request *r)
{
    const struct proxy_conf *pc = scope_part(where_of(r), PART_PROXY);
    const struct upstream_proxy *up =
        upstream_proxy_for(pc->upstream_proxy, &r->route);
    if (up == NULL) {
        return true;
    }
    bool is_by_name = upstream_proxy_takes_name(up, &r->route);
    tell("proxy", "%s://%.*s, by %s", up->is_tls ? "https" : "http",
        STR_ARG(up->at.text), is_by_name ? "name" : "address");
    return !is_by_name;
}

/* Tells of a request that may leave what goes with it, and where to. */
static enum explain_code
tell_forward(struct request *r)
{
    struct explanation e = { .where = where_of(r),
        .decision = &r->decision,
        .authority = &r->authority,
        .sandbox = r->sandbox,
        .arena = r->arena,
        .route = &r->route,
        .say = say_attached,
        .limit = say_limit };
    route_init(&r->route, &r->authority, r->is_tls, r->decision.path);
    hooks_explain(&e);
    if (e.fault != NULL) {
        return refused(502, str_of(e.fault));
    }
    if (e.needs_tls &&
        !route_secure(&r->route, scope_part(e.where, PART_PROXY))) {
        return refused(403,
            STR("a credential is bound to this host, and it is sent over TLS "
                "only"));
    }
    struct str to = route_format(&r->route, r->arena);
    tell("upstream", "%.*s", STR_ARG(to));
    tell("path", "%.*s", STR_ARG(r->route.path));
    struct str why;
    const char *guards = NULL;
    bool is_any = !tell_proxy(r) || tell_addresses(r, e.needs_tls, &guards);
    if (!is_any) {
        (void)judge_nowhere(&r->decision, &r->route, guards, r->arena, &why);
        return refused(403, why);
    }
    why = decision_explain(&r->decision, r->arena);
    tell("outcome", "forwarded");
    tell("because", "%.*s", STR_ARG(why));
    return EXPLAIN_FORWARDED;
}

/* Tells, in a build that opens no TLS, that what is inside is not judged. */
static enum explain_code
tell_unopened(const struct request *r)
{
    if (!tunnel_may_pass(&r->decision)) {
        return refused(403, tunnel_refusal(&r->decision, r->arena));
    }
    struct str why = decision_explain(&r->decision, r->arena);
    tell("outcome", "passed through, since this build opens no TLS");
    tell("because", "%.*s", STR_ARG(why));
    return EXPLAIN_FORWARDED;
}

/* False: the tunnel is refused, or there is nothing but a tunnel. */
static bool
passes_connect(struct request *r, enum explain_code *code)
{
    bool is_alone = r->head.method_id == METHOD_CONNECT;
    if (!r->is_tls && !is_alone) {
        return true;
    }
    judge_request(r, false, NULL);
    bool is_open = r->decision.outcome == DECIDE_ALLOW;
    if (is_open && !is_alone && hooks_open_tunnels()) {
        return true;
    }
    tell_decision(r, "the CONNECT");
    if (!is_open) {
        *code = tell_refusal(r);
        return false;
    }
    if (!is_alone) {
        *code = tell_unopened(r);
        return false;
    }
    struct str why = decision_explain(&r->decision, r->arena);
    tell("outcome", "200, each request in the tunnel is judged by itself");
    tell("because", "%.*s", STR_ARG(why));
    *code = EXPLAIN_FORWARDED;
    return false;
}

/* The tunnel first, then the request in it. */
static enum explain_code
explain(struct request *r, const char *malformed)
{
    enum explain_code code;
    if (malformed != NULL) {
        judge_request(r, false, malformed);
        tell_decision(r, "the request");
        return tell_refusal(r);
    }
    if (!passes_connect(r, &code)) {
        return code;
    }
    if (r->head.method_id == METHOD_TRACE) {
        return refused(405, STR("TRACE is not forwarded"));
    }
    judge_request(r, true, NULL);
    tell_decision(r, "the request");
    return r->decision.outcome == DECIDE_ALLOW ? tell_forward(r)
                                               : tell_refusal(r);
}

enum explain_code
explain_cmd_run(const struct conf *c, const struct explain_args *args)
{
    struct str host;
    struct request r = {
        .conf = c, .egress = conf_scope(c, CONF_EGRESS), .args = args
    };
    r.sandbox = sandbox_by_id(sandbox_set_of(c), args->sandbox);
    if (r.sandbox == NULL) {
        fprintf(stderr, "weir: unknown sandbox \"%.*s\" in %.*s\n",
            STR_ARG(args->sandbox), STR_ARG(c->file));
        return EXPLAIN_USAGE;
    }
    if (args->url.p == NULL) {
        explain_sandbox(c, r.sandbox);
        return EXPLAIN_FORWARDED;
    }
    r.arena = arena_new(4096);
    enum explain_code code = EXPLAIN_USAGE;
    if (read_url(&r, &host)) {
        code = explain(&r, read_request(&r, host));
    } else {
        fprintf(stderr,
            "weir: \"%.*s\" is no URL that begins with http:// or https://\n",
            STR_ARG(args->url));
    }
    arena_free(r.arena);
    return code;
}
