/*
 * Attaches credentials that the sandbox never sees (SPEC 7): headers, bearer
 * and basic credentials, query parameters. A secret leaves only to a host that
 * it is bound to, and only over TLS. What the client sent under the same name
 * is removed.
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
    struct value *basic; /* the password */
    struct value *basic_user;
};

/* A header that is sent upstream. */
struct attached {
    struct str name, value; /* value.n 0: only removes the client's */
    bool is_secret;
};

struct state {
    struct head *head; /* NULL: nothing was attached */
    struct attached *items;
    unsigned n;
};

/* The result of a rendering; each failure has its answer. */
enum render { RENDER_OK, RENDER_MISSING, RENDER_INVALID, RENDER_NO_QUERY };

static bool
secret_prepare(
    struct bind *b, const struct token *at, struct str name, void **arg)
{
    const struct policy_secret *d =
        policy_secret_find(bind_conf(b), bind_scope(b), name);
    if (d == NULL) {
        return conf_error(b, at, "unknown secret \"%.*s\"", STR_ARG(name));
    }
    *arg = (void *)d;
    return policy_secret_mark_use(b, d, at);
}

static bool
secret_value(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    struct tx *tx = ctx;
    AN(a == tx->xfer.arena);
    (void)name;
    return tx_secret(tx, arg, out);
}

static enum render
render(struct tx *tx, const struct value *v, struct str *out)
{
    if (!value_eval(v, tx, tx->xfer.arena, out)) {
        return RENDER_MISSING;
    }
    if (value_has_secret(v)) {
        tx_wipe_later(tx, *out);
    }
    bool is_valid = out->n <= VALUE_MAX && field_value_is_valid(*out);
    return is_valid ? RENDER_OK : RENDER_INVALID;
}

static enum verdict
refuse(struct tx *tx, enum render why)
{
    static const char *const details[] = {
        [RENDER_MISSING] = "the credential for this host is missing",
        [RENDER_INVALID] = "a value for this request has a control byte or a "
                           "\":\" in its user, or is too long",
        [RENDER_NO_QUERY] = "a credential of this host goes into the query, "
                            "and this target has none",
    };
    bool is_own = why == RENDER_MISSING;
    struct reply r = { .status = is_own ? 502 : 400,
        .error = is_own ? "proxy_configuration_error" : "http_request_error",
        .rule = "credential",
        .detail = str_of(details[why]) };
    tx_fail(tx, is_own ? FAULT_OWN : FAULT_CLIENT, "%s", details[why]);
    tx_reply(tx, &r);
    return V_REPLY;
}

static struct attached *
attach(struct state *st, struct str name, bool is_secret)
{
    struct attached *at = &st->items[st->n++];
    *at = (struct attached){ name, STR_NONE, is_secret };
    return at;
}

static enum render
render_bearer(struct tx *tx, const struct value *v, struct attached *at)
{
    struct str s;
    enum render r = render(tx, v, &s);
    if (r == RENDER_OK) {
        at->value = tx_wipe_later(
            tx, arena_printf(tx->xfer.arena, "Bearer %.*s", STR_ARG(s)));
    }
    return r;
}

static enum render
render_basic(struct tx *tx, const struct credential *cc, struct attached *at)
{
    struct str user, s;
    enum render r = render(tx, cc->basic_user, &user);
    if (r == RENDER_OK) {
        r = render(tx, cc->basic, &s);
    }
    if (r == RENDER_OK && str_find(user, ':') != user.n) {
        r = RENDER_INVALID; /* ":" ends the user (RFC 7617) */
    }
    if (r != RENDER_OK) {
        return r;
    }
    struct str pair = tx_wipe_later(tx,
        arena_printf(tx->xfer.arena, "%.*s:%.*s", STR_ARG(user), STR_ARG(s)));
    char *text = arena_alloc(tx->xfer.arena, base64_len(pair.n) + 7);
    memcpy(text, "Basic ", 6);
    size_t n = base64_encode(pair, text + 6);
    at->value = tx_wipe_later(tx, str_n(text, 6 + n));
    return RENDER_OK;
}

/* Renders all values from the request as the client sent it: no rule sees what
 * another one attaches. */
static enum render
render_headers(struct tx *tx, const struct credential *cc, struct state *st)
{
    unsigned n = 2; /* bearer, basic */
    enum render r = RENDER_OK;
    for (const struct rule *k = cc->headers; k != NULL; k = k->next) {
        n++;
    }
    st->items = arena_calloc(tx->xfer.arena, n * sizeof *st->items);
    for (const struct rule *k = cc->headers; k != NULL && r == RENDER_OK;
         k = k->next) {
        bool is_secret = value_has_secret(k->value);
        r = render(tx, k->value, &attach(st, k->name, is_secret)->value);
    }
    struct str authorization = STR("Authorization");
    if (cc->bearer != NULL && r == RENDER_OK) {
        bool is_secret = value_has_secret(cc->bearer);
        r = render_bearer(tx, cc->bearer, attach(st, authorization, is_secret));
    }
    if (cc->basic != NULL && r == RENDER_OK) {
        bool is_secret =
            value_has_secret(cc->basic) || value_has_secret(cc->basic_user);
        r = render_basic(tx, cc, attach(st, authorization, is_secret));
    }
    return r;
}

static void
apply_headers(struct state *st, struct head *h)
{
    for (unsigned i = 0; i < st->n; i++) {
        head_remove(h, st->items[i].name);
        if (st->items[i].value.n != 0) {
            head_add(h, st->items[i].name, st->items[i].value);
        }
    }
    st->head = h;
}

/* The query without the parameters of that name. */
static struct str
query_without(struct tx *tx, struct str query, struct str name)
{
    char *to = arena_alloc(tx->xfer.arena, query.n + 1);
    size_t n = 0;
    struct str part;
    while (str_cut(&query, '&', &part)) {
        if (query_name_is(str_n(part.p, str_find(part, '=')), name)) {
            continue;
        }
        if (n != 0) {
            to[n++] = '&';
        }
        memcpy(to + n, part.p, part.n);
        n += part.n;
    }
    /* another rule's secret may be in it */
    return tx_wipe_later(tx, str_n(to, n));
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
    char *to =
        arena_alloc(tx->xfer.arena, rest.n + (rule->name.n + s.n) * 3 + 3);
    size_t n = 0;
    if (rest.n != 0) {
        memcpy(to, rest.p, rest.n);
        to[rest.n] = '&';
        n = rest.n + 1;
    }
    n += query_encode(rule->name, to + n);
    to[n++] = '=';
    n += query_encode(s, to + n);
    *query = tx_wipe_later(tx, str_n(to, n));
    return RENDER_OK;
}

static enum render
set_queries(struct tx *tx, const struct rule *rules)
{
    struct str query = tx->query;
    enum render r =
        str_eq(tx->route.path, STR("*")) ? RENDER_NO_QUERY : RENDER_OK;
    for (; rules != NULL && r == RENDER_OK; rules = rules->next) {
        r = set_query(tx, &query, rules);
    }
    if (r == RENDER_OK) {
        tx->xfer.target =
            tx_wipe_later(tx, arena_printf(tx->xfer.arena, "%.*s?%.*s",
                                  STR_ARG(tx->route.path), STR_ARG(query)));
    }
    return r;
}

static enum verdict
on_request(struct tx *tx, struct head *h)
{
    const struct credential *cc = module_where(tx, credential_module_index);
    struct state *st = module_state(tx, credential_module_index);
    enum render r = render_headers(tx, cc, st);
    if (cc->queries != NULL && r == RENDER_OK) {
        r = set_queries(tx, cc->queries);
    }
    if (r != RENDER_OK) {
        return refuse(tx, r);
    }
    apply_headers(st, h);
    return V_NEXT;
}

/* Puts the client's headers back before anything is logged:
 * `$http_authorization` must not be what was attached. */
static void
on_log(const struct tx *tx)
{
    const struct state *st = module_state(tx, credential_module_index);
    for (unsigned i = 0; i < st->n && st->head != NULL; i++) {
        if (st->items[i].is_secret) {
            head_remove(st->head, st->items[i].name);
        }
    }
}

/* Notes the names of the secrets in a value, and whether each may go there. */
static void
explain_value(struct explanation *e, const char *directive, struct str name,
    const struct value *v)
{
    const struct addr *literal =
        e->authority->kind == HOST_NAME ? NULL : &e->authority->ip;
    const char *blank = name.n != 0 ? " " : "";
    const struct var_def *def;
    struct str text;
    void *arg;
    if (!value_has_secret(v)) {
        bool is_removed = value_is_literal(v, &text) && text.n == 0;
        e->say("%s%s%.*s, %s", directive, blank, STR_ARG(name),
            is_removed ? "which only removes the client's" : "no secret");
        return;
    }
    e->needs_tls = true;
    for (unsigned i = 0; value_var(v, i, &def, &text, &arg); i++) {
        if (!(def->flags & VAR_SECRET)) {
            continue;
        }
        const struct policy_secret *d = arg;
        bool is_bound = policy_secret_may_go(
            d, e->decision->block, e->authority->host, literal);
        e->say("%s%s%.*s, secret \"%.*s\"%s", directive, blank, STR_ARG(name),
            STR_ARG(d->spec.name), is_bound ? "" : ", not bound to this host");
        if (!is_bound) {
            e->fault = "a secret is not bound to this host";
        }
    }
}

static void
explain(struct explanation *e)
{
    const struct credential *cc =
        scope_part(e->where, module_part(credential_module_index));
    const struct rule *k;
    for (k = cc->headers; k != NULL; k = k->next) {
        explain_value(e, "proxy_set_header", k->name, k->value);
    }
    if (cc->bearer != NULL) {
        explain_value(e, "bearer", STR_NONE, cc->bearer);
    }
    if (cc->basic != NULL) {
        if (value_has_secret(cc->basic_user)) {
            explain_value(e, "basic_auth", STR_NONE, cc->basic_user);
        }
        if (value_has_secret(cc->basic) || !value_has_secret(cc->basic_user)) {
            explain_value(e, "basic_auth", STR_NONE, cc->basic);
        }
    }
    for (k = cc->queries; k != NULL; k = k->next) {
        explain_value(e, "proxy_set_query", k->name, k->value);
    }
}

/* SPEC 7: what looks like a credential is one, and must come from a `secret`.
 * The message shows nothing of the value. */
static bool
is_written_out(struct bind *b, const struct directive *d)
{
    return conf_error(b, &d->name,
        "a credential is written out in \"%.*s\", where it is bound to no "
        "host and hidden from no one: put it into a file, write \"secret NAME "
        "file:PATH hosts=HOST;\", and \"$secret_NAME\" in its place",
        STR_ARG(d->name.text));
}

static bool
is_constant(const struct value *v)
{
    struct str text;
    return value_is_literal(v, &text);
}

static bool
is_empty(const struct value *v)
{
    struct str text;
    return value_is_literal(v, &text) && text.n == 0;
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
    if (rule->value == NULL) {
        return false;
    }
    bool is_by_name = credential_text_is_name(rule->name) &&
                      is_constant(rule->value) && !is_empty(rule->value);
    return (!is_by_name && !credential_text_is_value(d->args[1].text)) ||
           is_written_out(b, d);
}

/* Names have no variables: "$secret_x" would be sent as it is written. */
static bool
has_variable(struct str s)
{
    return str_find(s, '$') != s.n;
}

/* Fails if the block has the other directive, too: both set Authorization. */
static bool
excludes(struct bind *b, const struct directive *d, const char *other)
{
    if (!scope_has(bind_conf(b), bind_scope(b), other)) {
        return true;
    }
    return conf_error(b, &d->name,
        "\"%.*s\" and \"%s\" in one block both set Authorization",
        STR_ARG(d->name.text), other);
}

static bool
sets_authorization(const struct credential *cc)
{
    const struct rule *k = cc->headers;
    while (k != NULL && !field_name_eq(k->name, STR("Authorization"))) {
        k = k->next;
    }
    return k != NULL;
}

/* Of bearer, basic_auth and a header Authorization the nearest holds: the
 * others, if inherited, are dropped. In one block they exclude each other. */
static bool
set_headers(struct bind *b, const struct directive *d, void *field)
{
    struct credential *cc = bind_part(b);
    struct str name = d->args[0].text;
    if (!field_name_is_valid(name) || has_variable(name) ||
        field_name_is_reserved(name)) {
        return conf_error(b, &d->args[0], "header \"%.*s\" cannot be set here",
            STR_ARG(name));
    }
    if (field_name_eq(name, STR("Authorization"))) {
        if (!excludes(b, d, "bearer") || !excludes(b, d, "basic_auth")) {
            return false;
        }
        cc->bearer = NULL;
        cc->basic = NULL;
    }
    return add_rule(b, d, field);
}

static bool
begin_authorization(
    struct bind *b, const struct directive *d, const char *other)
{
    struct credential *cc = bind_part(b);
    if (!excludes(b, d, other)) {
        return false;
    }
    if (scope_has(bind_conf(b), bind_scope(b), "proxy_set_header") &&
        sets_authorization(cc)) {
        return excludes(b, d, "proxy_set_header");
    }
    cc->bearer = NULL;
    cc->basic = NULL;
    return true;
}

static bool
set_bearer(struct bind *b, const struct directive *d, void *field)
{
    struct value **v = field;
    if (!begin_authorization(b, d, "basic_auth") ||
        !set_secret_value(b, d, field)) {
        return false;
    }
    return (!is_constant(*v) && !credential_text_is_value(d->args[0].text)) ||
           is_written_out(b, d);
}

static bool
set_query_rule(struct bind *b, const struct directive *d, void *field)
{
    if (d->args[0].text.n == 0 || has_variable(d->args[0].text)) {
        return conf_error(b, &d->args[0], "invalid parameter name \"%.*s\"",
            STR_ARG(d->args[0].text));
    }
    return add_rule(b, d, field);
}

/* The user may be the secret: some services take a key as the user, with no
 * password or with a constant one. */
static bool
is_basic_written_out(const struct credential *cc, const struct directive *d)
{
    bool is_key_alone = is_empty(cc->basic) ? !is_constant(cc->basic_user)
                                            : value_has_secret(cc->basic_user);
    return (is_constant(cc->basic) && !is_key_alone) ||
           credential_text_is_value(d->args[0].text) ||
           credential_text_is_value(d->args[1].text);
}

static bool
set_basic_auth(struct bind *b, const struct directive *d, void *field)
{
    struct credential *cc = bind_part(b);
    struct str user = d->args[0].text;
    (void)field;
    if (str_find(user, ':') != user.n || !field_value_is_valid(user)) {
        return conf_error(
            b, &d->args[0], "invalid user \"%.*s\"", STR_ARG(user));
    }
    if (!begin_authorization(b, d, "bearer")) {
        return false;
    }
    cc->basic_user = value_compile(b, &d->args[0], true);
    cc->basic =
        cc->basic_user != NULL ? value_compile(b, &d->args[1], true) : NULL;
    if (cc->basic == NULL) {
        return false;
    }
    return !is_basic_written_out(cc, d) || is_written_out(b, d);
}

#define C struct credential

static const struct cmd cmds[] = {
    CMD_LISTED("proxy_set_header", CONF_WHERE, 2, 2, C, headers, struct rule *,
        set_headers),
    CMD_LISTED("proxy_set_query", CONF_WHERE, 2, 2, C, queries, struct rule *,
        set_query_rule),
    CMD("bearer", CONF_WHERE, 1, 1, C, bearer, struct value *, set_bearer),
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
    .tx_size = sizeof(struct state),
    .on_request = on_request,
    .on_log = on_log,
    .explain = explain,
};
