/*
 * `proxy_pass URL;`: the block's requests go to a service of the operator
 * (SPEC 9). The URL is read with the configuration; nothing in it comes from a
 * request. If it has a path, that replaces what was matched: the prefix of a
 * location, or "/" for a host block or handler.
 */

#include "module.h"

extern const unsigned proxy_pass_module_index;

struct pass {
    struct route route;    /* without its path, which each request makes */
    struct str host_field; /* the value of Host */
    struct str from, to;   /* prefixes; `to` empty: the path is sent as it is */
    const struct token *at;
};

struct proxy_pass {
    const struct pass *pass; /* NULL: none */
};

/* The path of a request, with the location's prefix replaced. */
static struct str
path_of(const struct pass *p, struct arena *a, struct str path)
{
    if (p->to.n == 0 || !str_starts(path, p->from)) {
        return path; /* "*", of OPTIONS */
    }
    struct str rest = str_skip(path, p->from.n);
    return arena_printf(a, "%.*s%.*s", STR_ARG(p->to), STR_ARG(rest));
}

static void
apply(const struct pass *p, struct arena *a, struct route *r)
{
    struct str path = path_of(p, a, r->path);
    AN(p->route.is_own_service);
    *r = p->route;
    r->path = path;
}

/* Routes the request, and removes the fields by which the service could take
 * another path than the one that is sent. */
static enum verdict
on_request(struct tx *tx, struct head *h)
{
    const struct proxy_pass *pp = module_where(tx, proxy_pass_module_index);
    if (pp->pass == NULL) {
        return V_NEXT;
    }
    apply(pp->pass, tx->xfer.arena, &tx->route);
    head_remove(h, STR("Host"));
    head_add_first(h, STR("Host"), pp->pass->host_field);
    if (pp->pass->to.n != 0) {
        head_remove(h, STR("X-Original-URL"));
        head_remove(h, STR("X-Rewrite-URL"));
    }
    return V_NEXT;
}

static void
explain(struct explanation *e)
{
    const struct proxy_pass *pp =
        scope_part(e->where, module_part(proxy_pass_module_index));
    if (pp->pass != NULL) {
        apply(pp->pass, e->arena, e->route);
    }
}

static bool
invalid(struct bind *b, const struct token *t, const char *why)
{
    return conf_error(b, t, "invalid URL \"%.*s\" in \"proxy_pass\": %s",
        STR_ARG(t->text), why);
}

/* Reads http://unix:PATH or http://unix:PATH:/path. */
static bool
read_unix(struct bind *b, struct pass *p, struct str rest, struct str *path)
{
    size_t n = str_find(rest, ':');
    struct str file = str_n(rest.p, n);
    *path = n < rest.n ? str_skip(rest, n + 1) : STR("");
    if (p->route.is_tls) {
        return invalid(b, p->at, "a unix socket has no name to verify");
    }
    if (file.n == 0) {
        return invalid(b, p->at, "it names no socket");
    }
    if (n < rest.n && path->n == 0) {
        return invalid(b, p->at, "no path follows the socket's");
    }
    p->route.host = conf_path(bind_conf(b), file);
    p->route.addr.family = ADDR_UNIX;
    p->host_field = STR("localhost"); /* as nginx's $proxy_host */
    return p->route.host.n <= ROUTE_UNIX_MAX ||
           invalid(b, p->at, "the path of the socket is too long");
}

static bool
read_host(struct bind *b, struct pass *p, struct str rest, struct str *path)
{
    struct arena *a = bind_conf(b)->arena;
    uint16_t port = p->route.is_tls ? 443 : 80;
    size_t n = str_find(rest, '/');
    struct authority au;
    const char *why;
    if (!authority_parse(a, str_n(rest.p, n), port, &au, &why)) {
        return invalid(b, p->at, why);
    }
    *path = str_skip(rest, n);
    bool is_tls = p->route.is_tls;
    route_init(&p->route, &au, is_tls, STR_NONE);
    p->host_field = authority_format(a, &au, port);
    return true;
}

/* A prefix and what replaces it must both end with a slash, or neither: "/api"
 * replaced by "/v1/" would make "/v1/../x" of "/api../x". */
static bool
read_path(struct bind *b, struct pass *p, struct str path)
{
    const struct block *k = block_of(bind_scope(b));
    bool is_location = k->scope->context == CONF_LOCATION;
    const char *why;
    struct str canonical;
    if (path.n == 0) {
        return true;
    }
    if (!path_canonical(bind_conf(b)->arena, path, &canonical, &why)) {
        return invalid(b, p->at, why);
    }
    if (path.p[0] != '/' || !str_eq(path, canonical)) {
        return invalid(b, p->at, "its path is not in canonical form");
    }
    if (is_location && k->kind == LOCATION_REGEX) {
        return invalid(b, p->at,
            "a path needs a prefix to replace, and a "
            "regular expression is none");
    }
    p->to = path;
    p->from = is_location ? k->name : STR("/");
    block_mark_path(bind_scope(b));
    bool is_exact = is_location && k->kind == LOCATION_EXACT;
    bool is_alike = str_ends(p->from, STR("/")) == str_ends(path, STR("/"));
    return is_exact || is_alike ||
           invalid(b, p->at,
               "its path and the prefix that it replaces must both end in a "
               "slash, or neither");
}

/* Why a URL is refused: it has a variable, a query or a fragment; NULL: it has
 * none. */
static const char *
stray_byte(struct str url)
{
    for (size_t i = 0; i < url.n; i++) {
        switch (url.p[i]) {
        case '$':
            return "a variable has no place in it";
        case '?':
        case '#':
            return "it has a query or a fragment";
        default:
            break;
        }
    }
    return NULL;
}

static bool
set_pass(struct bind *b, const struct directive *d, void *field)
{
    struct pass *p = arena_calloc(bind_conf(b)->arena, sizeof *p);
    struct str url = d->args[0].text, path = STR("");
    const char *stray = stray_byte(url);
    p->at = &d->args[0];
    if (stray != NULL) {
        return invalid(b, p->at, stray);
    }
    p->route.is_tls = str_starts(url, STR("https://"));
    if (!p->route.is_tls && !str_starts(url, STR("http://"))) {
        return invalid(b, p->at, "it must begin with http:// or https://");
    }
    struct str rest = str_skip(url, p->route.is_tls ? 8 : 7);
    bool is_unix = str_starts(rest, STR("unix:"));
    if (is_unix ? !read_unix(b, p, str_skip(rest, 5), &path)
                : !read_host(b, p, rest, &path)) {
        return false;
    }
    p->route.is_own_service = true;
    block_mark_proxy_pass(bind_scope(b));
    *(const struct pass **)field = p;
    return read_path(b, p, path);
}

static const struct pass *
pass_in(const struct scope *s)
{
    const struct proxy_pass *pp =
        scope_part(s, module_part(proxy_pass_module_index));
    return pp->pass;
}

/* Whether requests surely leave this host without TLS. Where a name leads is
 * only known when it is resolved. */
static bool
is_in_the_clear(const struct scope *s)
{
    const struct pass *p = pass_in(s);
    return p != NULL && !p->route.is_tls && p->route.addr.family > ADDR_UNIX &&
           !guard_is_loopback(&p->route.addr);
}

/* Refuses a unix socket that weir listens on: requests would come back for
 * ever. The guard refuses the addresses that weir listens on. */
static int
check_loop(struct conf *c, const struct pass *p)
{
    const struct listen *l;
    for (unsigned i = 0; (l = listen_get(c, i)) != NULL; i++) {
        if (l->path.n != 0 && str_eq(l->path, p->route.host)) {
            return conf_fail(
                c, p->at, "\"proxy_pass\" leads to a listener of weir's own");
        }
    }
    return 0;
}

static int
check(struct conf *c, struct scope *s, void *part)
{
    const struct proxy_pass *pp = part;
    if (s->context == CONF_EGRESS) {
        return policy_secret_forbid(c,
            "would leave this host without TLS by \"proxy_pass\"",
            is_in_the_clear);
    }
    return pp->pass != NULL ? check_loop(c, pp->pass) : 0;
}

static const struct cmd cmds[] = {
    CMD("proxy_pass", CONF_HOST | CONF_HANDLER | CONF_LOCATION, 1, 1,
        struct proxy_pass, pass, const struct pass *, set_pass),
    { 0 },
};

const struct module proxy_pass_module = {
    .conf = { .name = "proxy_pass",
        .cmds = cmds,
        .size = sizeof(struct proxy_pass),
        .check = check },
    .on_request = on_request,
    .explain = explain,
};
