/*
 * The proxy's own directives. Trust stores are built here, at check, in the
 * master: one for all scopes that say the same of it, inherited by every
 * worker.
 */

#include "proxy/proxy_conf.h"

#include "conf/type.h"
#include "http/url.h"
#include "net/tls_ctx.h"
#include "policy/block.h"
#include "proxy/deny_message.h"
#include "proxy/hook.h"
#include "proxy/page.h"
#include "proxy/parts.h"
#include "proxy/upstream_proxy.h"
#include "proxy/var.h"

/* Bounds of a request head, in bytes. */
#define HEAD_SIZE_MIN 1024
#define HEAD_SIZE_MAX (1024 * 1024)

static bool
set_resolver(struct bind *b, const struct directive *d, void *field)
{
    struct addr_list *l = field;
    struct arena *a = bind_conf(b)->arena;
    if (d->n_args == 1 && str_eq(d->args[0].text, STR("system"))) {
        return true;
    }
    l->items = arena_calloc(a, d->n_args * sizeof *l->items);
    for (unsigned i = 0; i < d->n_args; i++) {
        if (!addr_parse_port(d->args[i].text, 53, &l->items[i])) {
            return conf_error(b, &d->args[i], "invalid resolver \"%.*s\"",
                STR_ARG(d->args[i].text));
        }
    }
    l->n = d->n_args;
    return true;
}

/* A list of the conf's arena that a CMD_LIST adds one element to. It has room
 * for a power of two: thousands of names copied for each would be seconds. */
static void *
list_grow(struct bind *b, void *items, unsigned n, size_t size)
{
    if ((n & (n - 1)) != 0) {
        return items;
    }
    char *grown =
        arena_calloc(bind_conf(b)->arena, (n != 0 ? 2 * n : 1) * size);
    if (n != 0) {
        memcpy(grown, items, n * size);
    }
    return grown;
}

static bool
set_resolve(struct bind *b, const struct directive *d, void *field)
{
    struct static_names *l = field;
    struct arena *a = bind_conf(b)->arena;
    struct authority au;
    const char *why;
    if (!authority_parse(a, d->args[0].text, 80, &au, &why) ||
        au.kind != HOST_NAME) {
        return conf_error(
            b, &d->args[0], "invalid name \"%.*s\"", STR_ARG(d->args[0].text));
    }
    l->items = list_grow(b, l->items, l->n, sizeof *l->items);
    struct static_name *s = &l->items[l->n++];
    s->name = au.host;
    s->addrs.n = d->n_args - 1;
    s->addrs.items = arena_calloc(a, s->addrs.n * sizeof(struct addr));
    for (unsigned i = 0; i < s->addrs.n; i++) {
        const struct token *t = &d->args[i + 1];
        if (!addr_parse(t->text, &s->addrs.items[i])) {
            return conf_error(
                b, t, "invalid address \"%.*s\"", STR_ARG(t->text));
        }
    }
    return true;
}

static bool
set_ports(struct bind *b, const struct directive *d, void *field)
{
    struct port_list *l = field;
    l->items = arena_calloc(bind_conf(b)->arena, d->n_args * sizeof(uint16_t));
    l->n = d->n_args;
    for (unsigned i = 0; i < d->n_args; i++) {
        uint64_t port;
        if (!str_u64(d->args[i].text, &port) || port == 0 || port > 65535) {
            return conf_error(b, &d->args[i], "invalid port \"%.*s\"",
                STR_ARG(d->args[i].text));
        }
        l->items[i] = (uint16_t)port;
    }
    return true;
}

static bool
set_cidrs(struct bind *b, const struct directive *d, void *field)
{
    char why[CIDR_REFUSAL_MAX];
    struct cidr_list *l = field;
    for (unsigned i = 0; i < d->n_args; i++) {
        l->items = list_grow(b, l->items, l->n, sizeof *l->items);
        if (!cidr_parse(d->args[i].text, &l->items[l->n++])) {
            return conf_error(b, &d->args[i], "invalid address \"%.*s\"%s",
                STR_ARG(d->args[i].text), cidr_refusal(d->args[i].text, why));
        }
    }
    return true;
}

static bool
set_time_or_off(struct bind *b, const struct directive *d, void *field)
{
    if (!str_eq(d->args[0].text, STR("off"))) {
        return set_time(b, d, field);
    }
    *(double *)field = TASK_NEVER;
    return true;
}

static bool
set_head_size(struct bind *b, const struct directive *d, void *field)
{
    uint64_t *n = field;
    if (!set_size(b, d, n)) {
        return false;
    }
    return (*n >= HEAD_SIZE_MIN && *n <= HEAD_SIZE_MAX) ||
           conf_error(b, &d->args[0], "\"%.*s\" must be 1k to 1m",
               STR_ARG(d->name.text));
}

/* The peer that died is found in two minutes. */
#define KEEPALIVE_DEFAULT                                                      \
    {                                                                          \
        .idle = 60, .interval = 15, .count = 4                                 \
    }

/* A time of whole seconds that TCP can take; an empty one leaves *out. */
static bool
parse_keepalive_time(struct str s, unsigned *out)
{
    double seconds;
    if (s.n == 0) {
        return true;
    }
    if (!time_parse(s, &seconds) || seconds < 1 ||
        seconds > TCP_KEEPALIVE_SECONDS_MAX) {
        return false;
    }
    *out = (unsigned)seconds;
    return *out == seconds;
}

static bool
parse_keepalive_count(struct str s, unsigned *out)
{
    uint64_t n;
    if (s.n == 0) {
        return true;
    }
    if (!str_u64(s, &n) || n < 1 || n > TCP_KEEPALIVE_COUNT_MAX) {
        return false;
    }
    *out = (unsigned)n;
    return true;
}

/* on, off or [IDLE]:[INTERVAL]:[COUNT], as the parameter of nginx's listen. */
static bool
set_keepalive(struct bind *b, const struct directive *d, void *field)
{
    struct tcp_keepalive *k = field;
    struct str s = d->args[0].text, idle, interval;
    *k = (struct tcp_keepalive)KEEPALIVE_DEFAULT;
    if (str_eq(s, STR("on"))) {
        return true;
    }
    if (str_eq(s, STR("off"))) {
        k->idle = 0;
        return true;
    }
    bool ok = str_cut(&s, ':', &idle) && str_cut(&s, ':', &interval) &&
              s.p != NULL && parse_keepalive_time(idle, &k->idle) &&
              parse_keepalive_time(interval, &k->interval) &&
              parse_keepalive_count(s, &k->count);
    return ok || conf_error(b, &d->args[0], "invalid so_keepalive \"%.*s\"",
                     STR_ARG(d->args[0].text));
}

static bool
set_ssl_protocols(struct bind *b, const struct directive *d, void *field)
{
    unsigned *versions = field;
    *versions = 0;
    for (unsigned i = 0; i < d->n_args; i++) {
        struct str s = d->args[i].text;
        if (str_eq(s, STR("TLSv1.2"))) {
            *versions |= TLS_1_2;
        } else if (str_eq(s, STR("TLSv1.3"))) {
            *versions |= TLS_1_3;
        } else {
            return conf_error(b, &d->args[i],
                "\"%.*s\" is not spoken with origins: \"TLSv1.2\" and "
                "\"TLSv1.3\" are",
                STR_ARG(s));
        }
    }
    return true;
}

static bool
set_ssl_ciphers(struct bind *b, const struct directive *d, void *field)
{
    struct str *list = field;
    *list = arena_dup(bind_conf(b)->arena, d->args[0].text);
    const char *why = list->n != 0 ? tls_ciphers_refusal(list->p) : "is empty";
    return why == NULL ||
           conf_error(b, &d->args[0], "\"%.*s\" %s", STR_ARG(*list), why);
}

static bool
set_ssl_depth(struct bind *b, const struct directive *d, void *field)
{
    unsigned *n = field;
    if (!set_uint(b, d, n)) {
        return false;
    }
    return *n <= TLS_DEPTH_MAX ||
           conf_error(b, &d->args[0], "\"%.*s\" must be 0 to %d",
               STR_ARG(d->name.text), TLS_DEPTH_MAX);
}

#define P struct proxy_conf

static const struct cmd proxy_cmds[] = {
    CMD_SECONDS("keepalive_timeout", CONF_EGRESS, P, keepalive_timeout),
    CMD_SECONDS("client_header_timeout", CONF_EGRESS, P, client_header_timeout),
    CMD_SECONDS("lingering_time", CONF_EGRESS, P, lingering_time),
    CMD_UINT("keepalive_requests", CONF_EGRESS, P, keepalive_requests),
    CMD("client_header_buffer_size", CONF_EGRESS, 1, 1, P,
        client_header_buffer_size, uint64_t, set_head_size),
    CMD("resolver", CONF_EGRESS, 1, 8, P, resolver, struct addr_list,
        set_resolver),
    CMD_LISTED("resolve", CONF_EGRESS, 2, 33, P, names, struct static_names,
        set_resolve),
    CMD("deny_message", CONF_WHO | CONF_WHERE, 1, 1, P, deny_message,
        struct value *, deny_message_set),
    CMD("so_keepalive", CONF_EGRESS, 1, 1, P, so_keepalive,
        struct tcp_keepalive, set_keepalive),
    CMD_SECONDS("client_body_timeout", CONF_WHERE, P, client_body_timeout),
    CMD_SECONDS("send_timeout", CONF_WHERE, P, send_timeout),
    CMD_BYTES("client_max_body_size", CONF_WHERE, P, client_max_body_size),
    CMD_SECONDS("proxy_connect_timeout", CONF_WHERE, P, proxy_connect_timeout),
    CMD_SECONDS("proxy_send_timeout", CONF_WHERE, P, proxy_send_timeout),
    CMD_SECONDS("proxy_header_timeout", CONF_WHERE, P, proxy_header_timeout),
    CMD("proxy_read_timeout", CONF_WHERE, 1, 1, P, proxy_read_timeout, double,
        set_time_or_off),
    CMD_SECONDS(
        "proxy_keepalive_timeout", CONF_WHERE, P, proxy_keepalive_timeout),
    CMD_FLAG("via", CONF_WHERE, P, via),
    CMD("ports", CONF_EGRESS | CONF_HOST, 1, 255, P, ports, struct port_list,
        set_ports),
    CMD_LISTED("allow_address", CONF_EGRESS | CONF_HOST, 1, 255, P,
        allow_address, struct cidr_list, set_cidrs),
    CMD_PATH("proxy_ssl_trusted_certificate", CONF_WHERE, P, proxy_ssl.ca_file),
    CMD("proxy_ssl_protocols", CONF_WHERE, 1, 2, P, proxy_ssl.versions,
        unsigned, set_ssl_protocols),
    CMD("proxy_ssl_ciphers", CONF_WHERE, 1, 1, P, proxy_ssl.ciphers, struct str,
        set_ssl_ciphers),
    CMD("proxy_ssl_verify_depth", CONF_WHERE, 1, 1, P, proxy_ssl.depth,
        unsigned, set_ssl_depth),
    CMD("upstream_proxy", CONF_WHERE, 1, 4, P, upstream_proxy,
        const struct upstream_proxy *, set_upstream_proxy),
    { 0 },
};

#undef P

static uint16_t default_ports[] = { 80, 443 };

static const struct proxy_conf proxy_defaults = {
    .keepalive_timeout = 75,
    .client_header_timeout = 60,
    .lingering_time = 5,
    .keepalive_requests = 1000,
    .client_header_buffer_size = 32 * 1024,
    .so_keepalive = KEEPALIVE_DEFAULT,
    .client_body_timeout = 60,
    .send_timeout = 60,
    .proxy_connect_timeout = 60,
    .proxy_send_timeout = 60,
    .proxy_header_timeout = -1,
    .proxy_read_timeout = 60,
    .proxy_keepalive_timeout = 60,
    .ports = { default_ports, LEN(default_ports) },
    .proxy_ssl = { .versions = TLS_ANY, .depth = TLS_DEPTH_MAX },
};

/* The client that another scope of this conf already built from the same. */
static struct tls_client *
proxy_find_tls(const struct scope *s, const struct tls_client_args *args)
{
    const struct proxy_conf *p = scope_part(s, PART_PROXY);
    if (p->tls != NULL && tls_client_args_eq(&p->proxy_ssl, args)) {
        return p->tls;
    }
    struct tls_client *found = NULL;
    for (const struct scope *k = s->children; k != NULL && found == NULL;
         k = k->next) {
        found = proxy_find_tls(k, args);
    }
    return found;
}

static void
proxy_free_tls(void *tls)
{
    tls_client_free(tls);
}

static bool
make_tls(struct conf *c, struct proxy_conf *p, char *err, size_t err_size)
{
    p->tls = proxy_find_tls(c->main, &p->proxy_ssl);
    if (p->tls == NULL) {
        p->tls = tls_client_new(&p->proxy_ssl, err, err_size);
        if (p->tls == NULL) {
            return false;
        }
        arena_on_free(c->arena, proxy_free_tls, p->tls);
    }
    return true;
}

/* What is wrong is said with the place of the block. */
static int
proxy_check(struct conf *c, struct scope *s, void *part)
{
    struct proxy_conf *p = part;
    char err[1024] = "";
    bool ok = true;
    if (!(s->context & CONF_WHERE)) {
        return 0;
    }
    if (s->context == CONF_EGRESS && !hooks_identify()) {
        return conf_fail(c, &s->directive->name,
            "no module of this build identifies sandboxes: it needs "
            "identify_module, or another that does");
    }
    if (s->context == CONF_EGRESS && !c->is_look) {
        struct str dir = conf_path(c, STR("html"));
        p->pages = pages_read(c->arena, dir, err, sizeof err);
        ok = p->pages != NULL;
    }
    ok = ok && (c->is_look || make_tls(c, p, err, sizeof err));
    return ok ? upstream_proxy_check(c, s, p->upstream_proxy)
              : conf_fail(c, &s->directive->name, "%s", err);
}

const struct conf_part proxy_part = {
    .name = "proxy",
    .cmds = proxy_cmds,
    .vars = proxy_vars,
    .defaults = &proxy_defaults,
    .size = sizeof(struct proxy_conf),
    .check = proxy_check,
};

bool
port_list_has(const struct port_list *l, uint16_t port)
{
    for (unsigned i = 0; i < l->n; i++) {
        if (l->items[i] == port) {
            return true;
        }
    }
    return false;
}
