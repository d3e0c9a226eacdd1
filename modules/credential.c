/*
 * Attaches what the sandbox never sees (SPEC 7): headers, bearer and basic
 * credentials, query parameters. A secret leaves only to a host that it is
 * bound to, and only over TLS; what the client sent of that name goes first.
 */

#include "module.h"

#define VALUE_MAX 65536

extern const unsigned credential_module_index;

struct rule {
    struct str name;
    struct value *value;
    struct rule *next;
};

struct credential {
    struct rule *headers; /* proxy_set_header */
    struct rule *queries; /* proxy_set_query */
    struct value *bearer;
    struct value *basic;
    struct str basic_user;
};

/* What a rendering that failed is answered with. */
enum render { RENDER_OK, RENDER_MISSING, RENDER_INVALID };

static bool
secret_prepare(struct bind *b, const struct token *at, struct str name,
    void **arg)
{
    const struct secret_def *d =
        secret_find(bind_conf(b), bind_scope(b), name);
    if (d == NULL) {
        return conf_error(b, at, "unknown secret \"%.*s\"", STR_ARG(name));
    }
    *arg = (void *)d;
    return secret_mark_use(b, d, at);
}

static bool
secret_value(void *ctx, struct arena *a, struct str name, void *arg,
    struct str *out)
{
    const struct tx *tx = ctx;
    const struct secret_def *d = arg;
    const struct addr *literal =
        tx->authority.kind == HOST_NAME ? NULL : &tx->authority.ip;
    (void)a, (void)name;
    if (!secret_may_go(d, tx->decision.block, tx->authority.host, literal)) {
        return false;
    }
    *out = secret_get(tx->conn->worker->secrets, d->index, tx->sandbox);
    return out->p != NULL;
}

static void
wipe(void *arg)
{
    struct str *s = arg;
    mem_wipe((void *)s->p, s->n);
}

/* A copy of the exchange's own, which is wiped with it. */
static struct str
keep_secret(struct tx *tx, struct str s)
{
    struct str *kept = arena_alloc(tx->arena, sizeof *kept);
    *kept = arena_dup(tx->arena, s);
    arena_on_free(tx->arena, wipe, kept);
    return *kept;
}

static enum render
render(struct tx *tx, const struct value *v, struct str *out)
{
    if (!value_eval(v, tx, tx->arena, out)) {
        return RENDER_MISSING;
    }
    if (value_has_secret(v)) {
        tx->needs_tls = true;
        *out = keep_secret(tx, *out);
    }
    bool is_valid = out->n <= VALUE_MAX && field_value_is_valid(*out);
    return is_valid ? RENDER_OK : RENDER_INVALID;
}

static enum verdict
refuse(struct tx *tx, enum render why)
{
    struct reply r = { .status = why == RENDER_MISSING ? 502 : 400,
        .error = why == RENDER_MISSING ? "proxy_configuration_error"
                                       : "http_request_error",
        .rule = "credential",
        .detail = why == RENDER_MISSING
                      ? STR("the credential for this host is missing")
                      : STR("a value for this request has a control byte") };
    tx_fail(tx, why == RENDER_MISSING ? FAULT_OWN : FAULT_CLIENT, "%.*s",
        STR_ARG(r.detail));
    tx_reply(tx, &r);
    return V_REPLY;
}

static enum render
set_header(struct tx *tx, struct head *h, struct str name,
    const struct value *v)
{
    struct str s;
    enum render r = render(tx, v, &s);
    if (r != RENDER_OK) {
        return r;
    }
    head_remove(h, name);
    if (s.n != 0) {
        head_add(h, name, s);
    }
    return RENDER_OK;
}

static enum render
set_bearer(struct tx *tx, struct head *h, const struct value *v)
{
    struct str s;
    enum render r = render(tx, v, &s);
    if (r == RENDER_OK) {
        head_set(h, STR("Authorization"),
            keep_secret(tx,
                arena_printf(tx->arena, "Bearer %.*s", STR_ARG(s))));
    }
    return r;
}

static enum render
set_basic(struct tx *tx, struct head *h, const struct credential *cc)
{
    struct str s;
    enum render r = render(tx, cc->basic, &s);
    if (r != RENDER_OK) {
        return r;
    }
    struct str pair = keep_secret(tx, arena_printf(tx->arena, "%.*s:%.*s",
                                          STR_ARG(cc->basic_user),
                                          STR_ARG(s)));
    char *text = arena_alloc(tx->arena, base64_len(pair.n) + 7);
    memcpy(text, "Basic ", 6);
    size_t n = base64_encode(pair, text + 6);
    head_set(h, STR("Authorization"), keep_secret(tx, str_n(text, 6 + n)));
    return RENDER_OK;
}

static bool
is_unreserved(unsigned char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

static size_t
percent_encode(struct str s, char *to)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (is_unreserved(c)) {
            to[n++] = (char)c;
        } else {
            to[n++] = '%';
            to[n++] = hex[c >> 4];
            to[n++] = hex[c & 15];
        }
    }
    return n;
}

/* Whether a raw parameter name means `name`, as a lenient server reads it. */
static bool
is_parameter(struct str raw, struct str name)
{
    size_t k = 0;
    for (size_t i = 0; i < raw.n; i++, k++) {
        int c = (unsigned char)raw.p[i];
        bool is_escape = c == '%' && i + 2 < raw.n &&
                         ascii_hex((unsigned char)raw.p[i + 1]) >= 0 &&
                         ascii_hex((unsigned char)raw.p[i + 2]) >= 0;
        if (is_escape) {
            c = ascii_hex((unsigned char)raw.p[i + 1]) * 16 +
                ascii_hex((unsigned char)raw.p[i + 2]);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        if (k >= name.n || c != (unsigned char)name.p[k]) {
            return false;
        }
    }
    return k == name.n;
}

/* The query without the client's parameters of that name. */
static struct str
query_without(struct tx *tx, struct str query, struct str name)
{
    char *to = arena_alloc(tx->arena, query.n + 1);
    size_t n = 0;
    struct str part;
    while (str_cut(&query, '&', &part)) {
        if (is_parameter(str_n(part.p, str_find(part, '=')), name)) {
            continue;
        }
        if (n != 0) {
            to[n++] = '&';
        }
        memcpy(to + n, part.p, part.n);
        n += part.n;
    }
    return str_n(to, n);
}

static enum render
set_query(struct tx *tx, struct str *query, const struct rule *rule)
{
    struct str s;
    enum render r = render(tx, rule->value, &s);
    if (r != RENDER_OK) {
        return r;
    }
    struct str rest = query_without(tx, *query, rule->name);
    char *to = arena_alloc(tx->arena, rest.n + (rule->name.n + s.n) * 3 + 3);
    size_t n = 0;
    if (rest.n != 0) {
        memcpy(to, rest.p, rest.n);
        to[rest.n] = '&';
        n = rest.n + 1;
    }
    n += percent_encode(rule->name, to + n);
    to[n++] = '=';
    n += percent_encode(s, to + n);
    *query = keep_secret(tx, str_n(to, n));
    return RENDER_OK;
}

static enum render
set_queries(struct tx *tx, const struct rule *rules)
{
    struct str query = tx->query;
    enum render r = RENDER_OK;
    for (; rules != NULL && r == RENDER_OK; rules = rules->next) {
        r = set_query(tx, &query, rules);
    }
    if (r == RENDER_OK) {
        tx->up_target = keep_secret(tx, arena_printf(tx->arena, "%.*s?%.*s",
                                            STR_ARG(tx->path),
                                            STR_ARG(query)));
    }
    return r;
}

static enum verdict
on_request(struct tx *tx, struct head *h)
{
    const struct credential *cc = module_where(tx, credential_module_index);
    enum render r = RENDER_OK;
    const struct rule *rule = cc->headers;
    for (; rule != NULL && r == RENDER_OK; rule = rule->next) {
        r = set_header(tx, h, rule->name, rule->value);
    }
    if (cc->bearer != NULL && r == RENDER_OK) {
        r = set_bearer(tx, h, cc->bearer);
    }
    if (cc->basic != NULL && r == RENDER_OK) {
        r = set_basic(tx, h, cc);
    }
    if (cc->queries != NULL && r == RENDER_OK) {
        r = set_queries(tx, cc->queries);
    }
    return r == RENDER_OK ? V_NEXT : refuse(tx, r);
}

static bool
add_rule(struct bind *b, const struct directive *d, struct rule **list)
{
    struct rule *rule = arena_calloc(bind_conf(b)->arena, sizeof *rule);
    rule->name = d->args[0].text;
    rule->value = value_compile(b, &d->args[1], true);
    while (*list != NULL) {
        list = &(*list)->next;
    }
    *list = rule;
    return rule->value != NULL;
}

/* What weir itself decides on, or what ends a message. */
static bool
is_weirs_own(struct str name)
{
    static const char *const own[] = { "host", "connection",
        "content-length", "transfer-encoding", "te", "trailer", "upgrade",
        "expect", "proxy-authorization", "proxy-connection" };
    for (size_t i = 0; i < LEN(own); i++) {
        if (field_name_eq(name, str_of(own[i]))) {
            return true;
        }
    }
    return false;
}

static bool
set_headers(struct bind *b, const struct directive *d, void *field)
{
    struct str name = d->args[0].text;
    if (!field_name_is_valid(name) || is_weirs_own(name)) {
        return conf_error(b, &d->args[0],
            "header \"%.*s\" cannot be set here", STR_ARG(name));
    }
    return add_rule(b, d, field);
}

static bool
set_query_rule(struct bind *b, const struct directive *d, void *field)
{
    if (d->args[0].text.n == 0) {
        return conf_error(b, &d->args[0], "empty parameter name");
    }
    return add_rule(b, d, field);
}

static bool
set_basic_auth(struct bind *b, const struct directive *d, void *field)
{
    struct credential *cc = bind_part(b);
    struct str user = d->args[0].text;
    if (str_find(user, ':') != user.n || !field_value_is_valid(user)) {
        return conf_error(b, &d->args[0], "invalid user \"%.*s\"",
            STR_ARG(user));
    }
    cc->basic_user = user;
    cc->basic = value_compile(b, &d->args[1], true);
    (void)field;
    return cc->basic != NULL;
}

#define C struct credential

static const struct cmd cmds[] = {
    CMD_LISTED("proxy_set_header", CONF_WHERE, 2, 2, C, headers,
        struct rule *, set_headers),
    CMD_LISTED("proxy_set_query", CONF_WHERE, 2, 2, C, queries, struct rule *,
        set_query_rule),
    CMD("bearer", CONF_WHERE, 1, 1, C, bearer, struct value *,
        set_secret_value),
    CMD("basic_auth", CONF_WHERE, 2, 2, C, basic, struct value *,
        set_basic_auth),
    { 0 },
};

#undef C

static const struct var_def vars[] = {
    { .name = "secret_",
        .flags = VAR_PREFIX | VAR_SECRET,
        .get = secret_value,
        .prepare = secret_prepare },
    { 0 },
};

const struct module credential_module = {
    .conf = { .name = "credential",
        .cmds = cmds,
        .vars = vars,
        .size = sizeof(struct credential) },
    .on_request = on_request,
};
