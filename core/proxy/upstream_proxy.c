/* See upstream_proxy.h. */

#include "proxy/upstream_proxy.h"

#include "base/digest.h"
#include "http/field.h"
#include "match/pattern.h"
#include "policy/policy_secret.h"
#include "proxy/conn.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"
#include "proxy/tx_secret.h"
#include "proxy/worker.h"
#include "sandbox/sandbox.h"

static bool
invalid(struct bind *b, const struct token *t, const char *why)
{
    return conf_error(
        b, t, "invalid \"upstream_proxy\" \"%.*s\": %s", STR_ARG(t->text), why);
}

/* http://HOST:PORT or https://HOST:PORT. A user in it would be a credential
 * that is written out. */
static bool
read_url(struct bind *b, const struct token *t, struct upstream_proxy *up)
{
    struct arena *a = bind_conf(b)->arena;
    struct str url = t->text;
    struct authority au;
    const char *why;
    up->is_tls = str_starts(url, STR("https://"));
    if (!up->is_tls && !str_starts(url, STR("http://"))) {
        return invalid(b, t, "it must begin with http:// or https://");
    }
    struct str rest = str_skip(url, up->is_tls ? 8 : 7);
    if (str_find(rest, '@') != rest.n) {
        return conf_error(b, t,
            "a credential stands in the URL of \"upstream_proxy\": put it "
            "into a secret, and write \"auth=SECRET\"");
    }
    if (rest.n != 0 && rest.p[rest.n - 1] == '/') {
        rest.n--;
    }
    if (!authority_parse(a, rest, 0, &au, &why)) {
        return invalid(b, t, why);
    }
    if (au.port == 0) {
        return invalid(b, t, "it has no port");
    }
    up->at.name = au.kind == HOST_NAME ? au.host : STR_NONE;
    up->at.addr = au.ip;
    up->at.port = au.port;
    up->at.text = authority_format(a, &au, 0);
    return true;
}

static void
free_bypass(void *arg)
{
    pattern_set_unref(arg);
}

static bool
read_bypass(struct bind *b, const struct token *t, struct str list,
    struct upstream_proxy *up)
{
    struct pattern_set *set = pattern_set_new(PATTERN_LIST);
    struct pattern_error err;
    struct str host;
    arena_on_free(bind_conf(b)->arena, free_bypass, set);
    while (str_cut(&list, ',', &host)) {
        if (!pattern_set_add(set, host, up, &err)) {
            return invalid(b, t, err.text);
        }
    }
    pattern_set_compile(set);
    up->bypass = set;
    return true;
}

static bool
read_by(struct bind *b, const struct token *t, struct str how,
    struct upstream_proxy *up)
{
    up->at.is_by_name = str_eq(how, STR("name"));
    return up->at.is_by_name || str_eq(how, STR("address")) ||
           invalid(b, t, "\"by\" must be name or address");
}

enum parameter { P_AUTH, P_BY, P_BYPASS, P_COUNT };

static bool
read_parameter(struct bind *b, const struct token *t, struct upstream_proxy *up,
    bool seen[P_COUNT])
{
    static const struct str names[] = { [P_AUTH] = STR("auth="),
        [P_BY] = STR("by="),
        [P_BYPASS] = STR("bypass=") };
    unsigned i = 0;
    while (i < P_COUNT && !str_starts(t->text, names[i])) {
        i++;
    }
    if (i == P_COUNT) {
        return invalid(b, t, "auth=, by= and bypass= may follow the URL");
    }
    if (seen[i]) {
        return invalid(b, t, "it stands twice");
    }
    seen[i] = true;
    struct str value = str_skip(t->text, names[i].n);
    switch (i) {
    case P_AUTH:
        up->auth = value;
        up->auth_at = t;
        return value.n != 0 || invalid(b, t, "no secret is named");
    case P_BY:
        return read_by(b, t, value, up);
    default:
        return read_bypass(b, t, value, up);
    }
}

bool
set_upstream_proxy(struct bind *b, const struct directive *d, void *field)
{
    const struct upstream_proxy **to = field;
    bool seen[P_COUNT] = { false };
    if (str_eq(d->args[0].text, STR("off"))) {
        *to = NULL;
        return d->n_args == 1 ||
               invalid(b, &d->args[1], "nothing may follow \"off\"");
    }
    struct upstream_proxy *up = arena_calloc(bind_conf(b)->arena, sizeof *up);
    up->scope = bind_scope(b);
    *to = up;
    if (!read_url(b, &d->args[0], up)) {
        return false;
    }
    for (unsigned i = 1; i < d->n_args; i++) {
        if (!read_parameter(b, &d->args[i], up, seen)) {
            return false;
        }
    }
    return true;
}

/* A secret that is bound to hosts goes to a proxy only if that is one. */
int
upstream_proxy_check(
    struct conf *c, const struct scope *s, const struct upstream_proxy *up)
{
    if (up == NULL || up->auth.n == 0 || up->scope != s) {
        return 0;
    }
    const struct policy_secret *d = policy_secret_find(c, s, up->auth);
    const struct addr *literal = up->at.name.n == 0 ? &up->at.addr : NULL;
    char text[ADDR_TEXT_MAX];
    struct str host = up->at.name;
    if (d == NULL) {
        return conf_fail(
            c, up->auth_at, "unknown secret \"%.*s\"", STR_ARG(up->auth));
    }
    if (literal != NULL) {
        host = addr_format(literal, false, text);
    }
    if (d->hosts != NULL &&
        pattern_match(d->hosts, host, literal, NULL) != PATTERN_MATCH) {
        return conf_fail(c, up->auth_at,
            "secret \"%.*s\" is not bound to the host of \"upstream_proxy\"",
            STR_ARG(up->auth));
    }
    ((struct upstream_proxy *)up)->secret = d;
    return 0;
}

const struct upstream_proxy *
upstream_proxy_for(const struct upstream_proxy *up, const struct route *r)
{
    bool is_literal = r->addr.family != 0;
    if (up == NULL || r->is_own_service ||
        pattern_match(up->bypass, r->host, is_literal ? &r->addr : NULL,
            NULL) == PATTERN_MATCH) {
        return NULL;
    }
    return up;
}

bool
upstream_proxy_takes_name(
    const struct upstream_proxy *up, const struct route *r)
{
    return up->at.is_by_name && r->addr.family == 0;
}

/* "Basic …" of "user:password"; n 0 after tx_fail(). */
static struct str
credential_of(const struct upstream_proxy *up, struct tx *tx)
{
    struct str pair = secret_get(
        tx->conn->worker->secrets, up->secret->spec.index, tx->sandbox->id);
    if (pair.p == NULL) {
        tx_fail(tx, FAULT_OWN,
            "secret \"%.*s\", for the upstream proxy, is missing",
            STR_ARG(up->auth));
        return STR_NONE;
    }
    if (str_find(pair, ':') == pair.n) {
        tx_fail(tx, FAULT_OWN,
            "secret \"%.*s\", for the upstream proxy, is no user:password",
            STR_ARG(up->auth));
        return STR_NONE;
    }
    char *text = arena_alloc(tx->xfer.arena, base64_len(pair.n) + 7);
    memcpy(text, "Basic ", 6);
    size_t n = base64_encode(pair, text + 6);
    return tx_wipe_later(tx, str_n(text, 6 + n));
}

const struct dial_proxy *
upstream_proxy_dial(const struct upstream_proxy *up, struct tx *tx)
{
    const struct proxy_conf *pc = tx_where(tx, PART_PROXY);
    struct dial_proxy *p = arena_alloc(tx->xfer.arena, sizeof *p);
    *p = up->at;
    p->tls = up->is_tls ? pc->tls : NULL;
    if (up->secret != NULL) {
        p->credential = credential_of(up, tx);
        return p->credential.n != 0 ? p : NULL;
    }
    return p;
}
