/*
 * listen ADDRESS:PORT|unix:PATH proxy [ssl] [proxy_protocol] [sandbox=ID]
 * [backlog=N] [mode=OCTAL]; parsed here, opened by proc/, served by accept.c.
 * The certificate of those with ssl is read here, at check, in the master.
 */

#include "proxy/listen.h"

#include "conf/type.h"
#include "net/guard.h"
#include "net/tls_ctx.h"
#include "proxy/parts.h"
#include "sandbox/sandbox_conf.h"

#define BACKLOG 511

static bool
parse_mode(struct str s, unsigned *mode)
{
    *mode = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '7') {
            return false;
        }
        *mode = *mode * 8 + (unsigned)(s.p[i] - '0');
    }
    return s.n >= 3 && s.n <= 4 && *mode <= 0777;
}

static bool
parse_option(struct bind *b, const struct token *t, struct listen *l)
{
    struct str s = t->text;
    uint64_t n;
    if (str_eq(s, STR("proxy"))) {
        return true;
    }
    if (str_eq(s, STR("proxy_protocol"))) {
        l->proxy_protocol = true;
        return true;
    }
    if (str_eq(s, STR("ssl"))) {
        l->ssl = true;
        return true;
    }
    if (str_starts(s, STR("sandbox="))) {
        l->sandbox = str_skip(s, 8);
        return l->sandbox.n != 0 || conf_error(b, t, "empty sandbox id");
    }
    if (str_starts(s, STR("backlog=")) && str_u64(str_skip(s, 8), &n) &&
        n != 0 && n < 65536) {
        l->backlog = (int)n;
        return true;
    }
    if (str_starts(s, STR("mode=")) && l->path.n != 0 &&
        parse_mode(str_skip(s, 5), &l->mode)) {
        l->has_mode = true;
        return true;
    }
    return conf_error(b, t, "invalid parameter \"%.*s\"", STR_ARG(s));
}

static bool
parse_address(struct bind *b, const struct token *t, struct listen *l)
{
    struct str s = t->text;
    if (str_starts(s, STR("unix:"))) {
        struct str path = str_skip(s, 5);
        if (path.n == 0) {
            return conf_error(b, t, "empty path in \"%.*s\"", STR_ARG(s));
        }
        l->path = conf_path(bind_conf(b), path);
        return true;
    }
    if (str_starts(s, STR("*:"))) {
        s = arena_printf(
            bind_conf(b)->arena, "0.0.0.0%.*s", STR_ARG(str_skip(s, 1)));
    }
    return addr_parse_port(s, 0, &l->addr) ||
           conf_error(b, t, "invalid address \"%.*s\": ADDRESS:PORT is wanted",
               STR_ARG(t->text));
}

static bool
listen_is_same(const struct listen *a, const struct listen *b)
{
    if (a->path.n != 0 || b->path.n != 0) {
        return str_eq(a->path, b->path);
    }
    return addr_eq(&a->addr, &b->addr);
}

/* Who may connect is a sandbox, or says which he is: that is not for every
 * user of the host, unless the operator says so. Others show a token. */
static unsigned
mode_of(const struct listen *l)
{
    return l->sandbox.n != 0 || l->proxy_protocol ? 0600 : 0666;
}

static bool
set_listen(struct bind *b, const struct directive *d, void *field)
{
    struct listen_conf *lc = field;
    struct listen **at = &lc->first;
    struct listen *l = arena_calloc(bind_conf(b)->arena, sizeof *l);
    bool is_proxy = false;
    l->text = d->args[0].text;
    l->at = &d->args[0];
    l->backlog = BACKLOG;
    if (!parse_address(b, &d->args[0], l)) {
        return false;
    }
    for (unsigned i = 1; i < d->n_args; i++) {
        is_proxy = is_proxy || str_eq(d->args[i].text, STR("proxy"));
        if (!parse_option(b, &d->args[i], l)) {
            return false;
        }
    }
    if (!is_proxy) {
        return conf_error(
            b, &d->args[0], "\"listen\" needs to say what for: proxy");
    }
    if (!l->has_mode) {
        l->mode = mode_of(l);
    }
    for (; *at != NULL; at = &(*at)->next) {
        if (listen_is_same(*at, l)) {
            return conf_error(
                b, &d->args[0], "duplicate listen \"%.*s\"", STR_ARG(l->text));
        }
        l->number++;
    }
    if (l->number >= LISTENS_MAX) {
        return conf_error(b, &d->args[0], "more than %d listens", LISTENS_MAX);
    }
    *at = l;
    return true;
}

static bool
set_front_ends(struct bind *b, const struct directive *d, void *field)
{
    char why[CIDR_REFUSAL_MAX];
    struct front_ends *f = field;
    struct arena *a = bind_conf(b)->arena;
    struct cidr *items = arena_calloc(a, (f->n + d->n_args) * sizeof *items);
    if (f->n != 0) {
        memcpy(items, f->items, f->n * sizeof *items);
    }
    f->items = items;
    for (unsigned i = 0; i < d->n_args; i++) {
        struct str s = d->args[i].text;
        if (str_eq(s, STR("unix:"))) {
            f->has_unix = true;
        } else if (!cidr_parse(s, &items[f->n++])) {
            return conf_error(b, &d->args[i], "invalid address \"%.*s\"%s",
                STR_ARG(s), cidr_refusal(s, why));
        }
    }
    return true;
}

static bool
set_file(struct bind *b, const struct directive *d, void *field)
{
    struct listen_file *f = field;
    f->at = &d->args[0];
    return set_path(b, d, &f->path);
}

static void
free_tls(void *tls)
{
    tls_server_free(tls);
}

/* Both or none; they are read where no listener has a use for them, too. */
static int
make_tls(struct conf *c, struct listen_conf *lc)
{
    const struct listen_file *cert = &lc->certificate;
    const struct listen_file *key = &lc->certificate_key;
    char err[1024];
    if (cert->at == NULL && key->at == NULL) {
        return 0;
    }
    if (cert->at == NULL || key->at == NULL) {
        return cert->at != NULL
                   ? conf_fail(c, cert->at,
                         "\"ssl_certificate\" needs \"ssl_certificate_key\"")
                   : conf_fail(c, key->at,
                         "\"ssl_certificate_key\" needs \"ssl_certificate\"");
    }
    lc->tls = tls_server_own(cert->path.p, key->path.p, err, sizeof err);
    if (lc->tls == NULL) {
        return conf_fail(c, cert->at, "%s", err);
    }
    arena_on_free(c->arena, free_tls, lc->tls);
    return 0;
}

static int
check_ssl(struct conf *c, struct listen_conf *lc)
{
    bool is_used = false;
    for (const struct listen *l = lc->first; l != NULL; l = l->next) {
        is_used = is_used || l->ssl;
        if (l->ssl && lc->certificate.at == NULL) {
            return conf_fail(c, l->at,
                "\"ssl\" needs \"ssl_certificate\" and "
                "\"ssl_certificate_key\"");
        }
    }
    if (lc->certificate.at != NULL && !is_used) {
        conf_warn(c, lc->certificate.at,
            "no \"listen\" uses \"ssl_certificate\"; write \"listen ADDRESS "
            "proxy ssl;\"");
    }
    return c->is_look ? 0 : make_tls(c, lc);
}

/* A listener that believes nobody would serve nobody. */
static int
check(struct conf *c, struct scope *s, void *part)
{
    struct listen_conf *lc = part;
    if (s->context != CONF_EGRESS) {
        return 0;
    }
    if (lc->first == NULL) {
        conf_warn(c, &s->directive->name,
            "no \"listen\" in \"egress\": no sandbox can reach weir; write "
            "\"listen 127.0.0.1:3128 proxy;\"");
    }
    for (const struct listen *l = lc->first; l != NULL; l = l->next) {
        bool is_trusting =
            l->path.n != 0 ? lc->front_ends.has_unix : lc->front_ends.n != 0;
        if (l->proxy_protocol && !is_trusting) {
            return conf_fail(c, l->at,
                "\"proxy_protocol\" needs \"set_real_ip_from %s\"",
                l->path.n != 0 ? "unix:" : "ADDRESS");
        }
    }
    return check_ssl(c, lc);
}

static const struct cmd cmds[] = {
    CMD_LISTED("listen", CONF_EGRESS, 2, 8, struct listen_conf, first,
        struct listen *, set_listen),
    CMD_LISTED("set_real_ip_from", CONF_EGRESS, 1, 255, struct listen_conf,
        front_ends, struct front_ends, set_front_ends),
    CMD("ssl_certificate", CONF_EGRESS, 1, 1, struct listen_conf, certificate,
        struct listen_file, set_file),
    CMD("ssl_certificate_key", CONF_EGRESS, 1, 1, struct listen_conf,
        certificate_key, struct listen_file, set_file),
    { 0 },
};

const struct conf_part listen_part = { .name = "listen",
    .cmds = cmds,
    .size = sizeof(struct listen_conf),
    .check = check };

/* NULL: there is no egress block. */
static const struct listen_conf *
listen_conf_of(const struct conf *c)
{
    const struct scope *egress = conf_scope(c, CONF_EGRESS);
    return egress != NULL ? scope_part(egress, PART_LISTEN) : NULL;
}

static const struct listen *
listen_first(const struct conf *c)
{
    const struct listen_conf *lc = listen_conf_of(c);
    return lc != NULL ? lc->first : NULL;
}

bool
listen_trusts(const struct conf *c, const struct addr *front)
{
    const struct listen_conf *lc = listen_conf_of(c);
    AN(lc != NULL);
    if (front->family == ADDR_UNIX) {
        return lc->front_ends.has_unix;
    }
    for (unsigned i = 0; i < lc->front_ends.n; i++) {
        if (cidr_contains(&lc->front_ends.items[i], front)) {
            return true;
        }
    }
    return false;
}

struct tls_server *
listen_tls(const struct conf *c)
{
    const struct listen_conf *lc = listen_conf_of(c);
    return lc != NULL ? lc->tls : NULL;
}

struct str
listen_certificate(const struct conf *c)
{
    const struct listen_conf *lc = listen_conf_of(c);
    return lc != NULL ? lc->certificate.path : STR_NONE;
}

struct str
listen_certificate_key(const struct conf *c)
{
    const struct listen_conf *lc = listen_conf_of(c);
    return lc != NULL ? lc->certificate_key.path : STR_NONE;
}

const struct listen *
listen_get(const struct conf *c, unsigned n)
{
    const struct listen *l = listen_first(c);
    while (l != NULL && l->number != n) {
        l = l->next;
    }
    return l;
}

unsigned
listen_count(const struct conf *c)
{
    unsigned n = 0;
    for (const struct listen *l = listen_first(c); l != NULL; l = l->next) {
        n++;
    }
    return n;
}

static bool
on_is_sandbox(const void *arg, const struct addr *a)
{
    return sandbox_is_at(arg, a);
}

struct guard *
listen_guard(const struct conf *c, struct loop *loop)
{
    struct guard *g = guard_new(loop);
    const struct listen *l = g != NULL ? listen_first(c) : NULL;
    struct guard_sandboxes s = { on_is_sandbox, sandbox_set_of(c) };
    if (g != NULL) {
        guard_set_sandboxes(g, &s);
    }
    for (; l != NULL; l = l->next) {
        if (l->addr.family != 0) {
            guard_add_listener(g, &l->addr);
        }
    }
    return g;
}
