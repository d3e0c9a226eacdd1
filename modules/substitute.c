/*
 * Replaces the placeholder that a sandbox has by the real value (SPEC 7): in
 * the headers, query parameters and body fields that the block names, or in the
 * path, and nowhere else. A request without a placeholder gets no secret. But
 * if its body is read, it must go over TLS all the same: its head leaves before
 * it is known what the body has.
 *
 * Runs after `credential`: what that attached from the client's values is in
 * the head by now, and `credential` never sees a value that is put in here.
 */

#include "module.h"

/* The most bytes of values in one request: a placeholder may come often. */
#define VALUES_MAX 131072

extern const unsigned substitute_module_index;

enum place { IN_HEADER, IN_QUERY, IN_PATH, IN_BODY };

static const char *const places[] = { "header", "query", "path", "body" };

struct rule {
    const struct policy_secret *secret;
    enum place place;
    struct str name;
    const struct json_pointer *pointer; /* of a field of JSON, which begins with
                                           "/"; NULL: it is of a form */
    unsigned index;
    struct rule *next;
};

struct substitute {
    struct rule *rules;
};

/* The value of a header before and after. */
struct change {
    struct str before, after;
    struct change *next;
};

struct state {
    struct change *changes;
    enum media media; /* of the body, if it is read */
};

enum outcome { DONE, MISSING, INVALID };

/* The work on one request. */
struct work {
    struct tx *tx;
    const struct rule *rules;
    struct str *values; /* for each rule; p NULL: not needed yet */
    size_t total;
    enum outcome outcome;
};

/* The work on one value. */
struct text {
    enum place place;
    struct str name, value;
};

static enum placeholder_form
form_of(const struct text *t)
{
    return t->place == IN_HEADER  ? PLACEHOLDER_PLAIN
           : t->place == IN_QUERY ? PLACEHOLDER_QUERY
                                  : PLACEHOLDER_PATH;
}

static bool
is_for(const struct rule *k, const struct text *t)
{
    if (k->place != t->place) {
        return false;
    }
    return k->place == IN_PATH ||
           (k->place == IN_HEADER ? field_name_eq(k->name, t->name)
                                  : query_name_is(t->name, k->name));
}

/* The rule whose placeholder stands at `at`; of several the longest. */
static const struct rule *
find_at(const struct work *w, const struct text *t, size_t at, size_t *n)
{
    const struct rule *best = NULL;
    for (const struct rule *k = w->rules; k != NULL; k = k->next) {
        size_t found =
            placeholder_match(form_of(t), t->value, at, k->secret->placeholder);
        bool is_longer = found != 0 && (best == NULL || found > *n);
        if (is_longer && is_for(k, t)) {
            best = k;
            *n = found;
        }
    }
    return best;
}

static bool
fetch(struct work *w, const struct rule *k)
{
    struct str *value = &w->values[k->index];
    bool ok = value->p != NULL || tx_secret(w->tx, k->secret, value);
    w->outcome = ok ? w->outcome : MISSING;
    return ok;
}

/* Writes the value with its placeholders replaced, or only measures it. Returns
 * how many it has. What is put in is not searched again. */
static unsigned
rewrite(struct work *w, const struct text *t, struct placeholder_sink *to)
{
    unsigned n_found = 0;
    for (size_t at = 0; at < t->value.n && w->outcome == DONE;) {
        size_t n = 0;
        unsigned char c;
        const struct rule *k = find_at(w, t, at, &n);
        if (k == NULL) {
            n = placeholder_byte(form_of(t), t->value, at, &c);
            placeholder_put(to, str_n(t->value.p + at, n));
        } else if (fetch(w, k)) {
            n_found++;
            placeholder_put_value(to, form_of(t), w->values[k->index]);
        }
        if (to->n > VALUES_MAX) {
            w->outcome = INVALID;
        }
        at += n;
    }
    return n_found;
}

/* False: there is nothing to replace, or it failed. */
static bool
replace(struct work *w, const struct text *t, struct str *out)
{
    struct placeholder_sink size = { NULL, 0 };
    if (rewrite(w, t, &size) == 0 || w->outcome != DONE) {
        return false;
    }
    w->total += size.n;
    if (w->total > VALUES_MAX) {
        w->outcome = INVALID;
        return false;
    }
    struct placeholder_sink to = { arena_alloc(w->tx->xfer.arena, size.n + 1),
        0 };
    rewrite(w, t, &to);
    *out = tx_wipe_later(w->tx, str_n(to.p, to.n));
    return true;
}

/* Basic credentials (RFC 7617) are decoded, replaced and encoded again. */
static bool
replace_basic(struct work *w, const struct text *t, struct str *out)
{
    size_t prefix = auth_basic_prefix(t->value);
    struct str code = str_skip(t->value, prefix), pair;
    struct text inner = *t;
    size_t n;
    if (prefix == 0) {
        return false;
    }
    uint8_t *plain = arena_alloc(w->tx->xfer.arena, (code.n + 3) / 4 * 3 + 1);
    if (!base64_decode(code, plain, &n)) {
        return false;
    }
    inner.value = str_n((const char *)plain, n);
    if (!replace(w, &inner, &pair)) {
        return false;
    }
    char *text =
        arena_alloc(w->tx->xfer.arena, prefix + base64_len(pair.n) + 1);
    memcpy(text, t->value.p, prefix);
    n = base64_encode(pair, text + prefix);
    *out = tx_wipe_later(w->tx, str_n(text, prefix + n));
    return true;
}

static void
replace_header(struct work *w, struct field *f, struct state *st)
{
    struct text t = { IN_HEADER, f->name, f->value };
    struct str value;
    if (!replace_basic(w, &t, &value) &&
        (w->outcome != DONE || !replace(w, &t, &value))) {
        return;
    }
    if (!field_value_is_valid(value)) {
        w->outcome = INVALID;
        return;
    }
    struct change *change = arena_alloc(w->tx->xfer.arena, sizeof *change);
    *change = (struct change){ f->value, value, st->changes };
    st->changes = change;
    f->value = value;
}

static bool
has_rule(const struct work *w, enum place place, struct str name)
{
    struct text t = { place, name, STR_NONE };
    const struct rule *k = w->rules;
    while (k != NULL && !is_for(k, &t)) {
        k = k->next;
    }
    return k != NULL;
}

static void
replace_headers(struct work *w, struct head *h, struct state *st)
{
    for (unsigned i = 0; i < h->n && w->outcome == DONE; i++) {
        if (has_rule(w, IN_HEADER, h->fields[i].name)) {
            replace_header(w, &h->fields[i], st);
        }
    }
}

/* Replaces in the values of the query's parameters; all other bytes stay.
 * False: it has not changed. */
static bool
rewrite_query(struct work *w, struct str query, struct placeholder_sink *to)
{
    bool has_changed = false, is_first = true;
    struct str part;
    while (str_cut(&query, '&', &part) && w->outcome == DONE) {
        size_t eq = str_find(part, '=');
        struct text t = { IN_QUERY, str_n(part.p, eq), STR_NONE };
        if (!is_first) {
            placeholder_put(to, STR("&"));
        }
        is_first = false;
        if (eq == part.n || !has_rule(w, IN_QUERY, t.name)) {
            placeholder_put(to, part);
            continue;
        }
        placeholder_put(to, str_n(part.p, eq + 1));
        t.value = str_skip(part, eq + 1);
        has_changed = rewrite(w, &t, to) != 0 || has_changed;
    }
    return has_changed && w->outcome == DONE;
}

/* Replaces in "PATH?QUERY". False: it has not changed. */
static bool
rewrite_target(struct work *w, struct str path, struct str query,
    struct placeholder_sink *to)
{
    struct text t = { IN_PATH, STR_NONE, path };
    bool has_changed = false;
    if (has_rule(w, IN_PATH, STR_NONE)) {
        has_changed = rewrite(w, &t, to) != 0;
    } else {
        placeholder_put(to, path);
    }
    if (query.p != NULL) {
        placeholder_put(to, STR("?"));
        has_changed = rewrite_query(w, query, to) || has_changed;
    }
    return has_changed && w->outcome == DONE;
}

/* Replaces in the target as `credential` left it, or as it came. */
static void
replace_target(struct work *w)
{
    struct tx *tx = w->tx;
    struct str path = tx->route.path, query = tx->query;
    if (tx->xfer.target.p != NULL) {
        size_t at = str_find(tx->xfer.target, '?');
        path = str_n(tx->xfer.target.p, at);
        query = at < tx->xfer.target.n ? str_skip(tx->xfer.target, at + 1)
                                       : STR_NONE;
    }
    struct placeholder_sink to = { NULL, 0 };
    if (!rewrite_target(w, path, query, &to)) {
        return;
    }
    char *text = arena_alloc(tx->xfer.arena, to.n + 1);
    to = (struct placeholder_sink){ text, 0 };
    rewrite_target(w, path, query, &to);
    tx->xfer.target = tx_wipe_later(tx, str_n(text, to.n));
}

static enum verdict
refuse(struct tx *tx, enum outcome why)
{
    bool is_own = why == MISSING;
    struct reply r = { .status = is_own ? 502 : 400,
        .error = is_own ? "proxy_configuration_error" : "http_request_error",
        .rule = "substitute",
        .detail = is_own ? STR("the credential for this host is missing")
                         : STR("with its placeholders replaced a value of this "
                               "request has a control byte or is too long") };
    tx_fail(tx, is_own ? FAULT_OWN : FAULT_CLIENT, "%.*s", STR_ARG(r.detail));
    tx_reply(tx, &r);
    return V_REPLY;
}

static bool
is_for_body(const struct rule *k, enum media media)
{
    return k->place == IN_BODY && media != MEDIA_OTHER &&
           (k->pointer != NULL) == (media == MEDIA_JSON);
}

/* The body is sent as it is, though the block may name fields of bodies. */
static void
look_at_body(struct tx *tx, const struct rule *k)
{
    struct tx_look *look = NULL;
    for (; k != NULL; k = k->next) {
        if (k->place == IN_BODY) {
            look = look != NULL
                       ? look
                       : tx_look_at_body(tx, media_says(&tx->xfer.request));
            tx_look_add(look, k->secret);
        }
    }
}

/* A body that is read may change: so its digests are removed, and it needs TLS,
 * before it is known whether it has a placeholder. */
static void
begin_body(struct tx *tx, struct head *h, const struct rule *rules)
{
    struct state *st = module_state(tx, substitute_module_index);
    const struct rule *k = rules;
    if (h->body == BODY_NONE) {
        return;
    }
    enum media media = media_of(h);
    while (k != NULL && !is_for_body(k, media)) {
        k = k->next;
    }
    if (k == NULL) {
        look_at_body(tx, rules);
        return;
    }
    st->media = media;
    tx->needs_tls = true;
    head_remove_digests(h);
}

static bool
want(const void *owner)
{
    const struct tx *tx = owner;
    const struct state *st = module_state(tx, substitute_module_index);
    return st->media != MEDIA_OTHER;
}

static void
body_init(void *owner, void *state)
{
    struct tx *tx = owner;
    const struct substitute *sc = module_where(tx, substitute_module_index);
    const struct state *st = module_state(tx, substitute_module_index);
    for (const struct rule *k = sc->rules; k != NULL; k = k->next) {
        if (is_for_body(k, st->media)) {
            tx_substitute_add(state, k->secret, k->pointer, k->name);
        }
    }
    tx_substitute_begin(
        state, tx, st->media == MEDIA_JSON ? SUBSTITUTE_JSON : SUBSTITUTE_FORM);
}

static const struct filter body_filter = { .name = "substitute",
    .state_size = sizeof(struct tx_substitute),
    .want = want,
    .init = body_init,
    .run = tx_substitute_run,
    .fini = tx_substitute_fini };

static enum verdict
on_request(struct tx *tx, struct head *h)
{
    const struct substitute *sc = module_where(tx, substitute_module_index);
    struct state *st = module_state(tx, substitute_module_index);
    struct work w = { .tx = tx, .rules = sc->rules, .outcome = DONE };
    unsigned n = 0;
    if (sc->rules == NULL) {
        return V_NEXT;
    }
    for (const struct rule *k = sc->rules; k != NULL; k = k->next) {
        n++;
    }
    w.values = arena_calloc(tx->xfer.arena, n * sizeof *w.values);
    replace_headers(&w, h, st);
    if (w.outcome == DONE) {
        replace_target(&w);
        begin_body(tx, h, sc->rules);
    }
    return w.outcome == DONE ? V_NEXT : refuse(tx, w.outcome);
}

/* Puts the client's values back before anything is logged: `$http_NAME` is what
 * the client sent. */
static void
on_log(const struct tx *tx)
{
    const struct state *st = module_state(tx, substitute_module_index);
    const struct head *h = &tx->xfer.request;
    for (const struct change *k = st->changes; k != NULL; k = k->next) {
        for (unsigned i = 0; i < h->n; i++) {
            if (h->fields[i].value.p == k->after.p) {
                h->fields[i].value = k->before;
            }
        }
    }
}

/* A secret that is not bound to the host is no error: its placeholder may never
 * come. */
static void
explain(struct explanation *e)
{
    const struct substitute *sc =
        scope_part(e->where, module_part(substitute_module_index));
    const struct addr *literal =
        e->authority->kind == HOST_NAME ? NULL : &e->authority->ip;
    for (const struct rule *k = sc->rules; k != NULL; k = k->next) {
        bool is_bound = policy_secret_may_go(
            k->secret, e->decision->block, e->authority->host, literal);
        e->say("substitute in %s%s%.*s, secret \"%.*s\"%s", places[k->place],
            k->name.n != 0 ? " " : "", STR_ARG(k->name),
            STR_ARG(k->secret->spec.name),
            is_bound ? " for its placeholder" : ", not bound to this host");
    }
}

static bool
is_same_name(enum place place, struct str a, struct str b)
{
    return place == IN_HEADER ? field_name_eq(a, b) : str_eq(a, b);
}

/* A placeholder stands for one secret. */
static bool
check_other(struct bind *b, const struct token *t, const struct rule *rule,
    const struct rule *other)
{
    bool is_ambiguous =
        other->place == rule->place && other->secret != rule->secret &&
        str_eq(other->secret->placeholder, rule->secret->placeholder) &&
        is_same_name(rule->place, other->name, rule->name);
    return !is_ambiguous ||
           conf_error(b, t,
               "secrets \"%.*s\" and \"%.*s\" have the same placeholder in "
               "\"%.*s\"",
               STR_ARG(other->secret->spec.name),
               STR_ARG(rule->secret->spec.name), STR_ARG(t->text));
}

/* False: nothing can be replaced there. */
static bool
take_name(struct bind *b, struct rule *rule)
{
    struct str name = rule->name;
    if (rule->place == IN_PATH) {
        return true;
    }
    if (str_find(name, '$') != name.n || name.n == 0) {
        return false;
    }
    if (rule->place == IN_HEADER) {
        return field_name_is_valid(name) && !field_name_is_reserved(name);
    }
    if (rule->place == IN_BODY && name.p[0] == '/') {
        struct arena *a = bind_conf(b)->arena;
        struct json_pointer *pointer = arena_calloc(a, sizeof *pointer);
        rule->pointer = pointer;
        return json_pointer_parse(name, a, pointer);
    }
    return true;
}

/* Checks the limits of the filter of bodies. */
static bool
check_body(struct bind *b, const struct token *t, const struct rule *rule,
    const struct rule *list)
{
    enum media media = rule->pointer != NULL ? MEDIA_JSON : MEDIA_FORM;
    unsigned n = 0;
    for (; list != NULL; list = list->next) {
        n += is_for_body(list, media);
    }
    if (n == SCAN_FIELDS_MAX) {
        return conf_error(
            b, t, "more than %d fields of bodies", SCAN_FIELDS_MAX);
    }
    return rule->secret->placeholder.n <= SUBSTITUTE_PLACEHOLDER_MAX ||
           conf_error(b, t,
               "\"placeholder=\" of secret \"%.*s\" must be %d bytes at most "
               "for a body",
               STR_ARG(rule->secret->spec.name), SUBSTITUTE_PLACEHOLDER_MAX);
}

static bool
add_rule(struct bind *b, const struct token *t, const struct policy_secret *d,
    enum place place, struct rule **list)
{
    struct rule *rule = arena_calloc(bind_conf(b)->arena, sizeof *rule);
    *rule = (struct rule){ .secret = d,
        .place = place,
        .name = place != IN_PATH ? t->text : STR_NONE };
    if (!take_name(b, rule)) {
        return conf_error(b, t, "nothing can be substituted in %s \"%.*s\"",
            places[place], STR_ARG(t->text));
    }
    if (place == IN_BODY && !check_body(b, t, rule, *list)) {
        return false;
    }
    while (*list != NULL) {
        if (!check_other(b, t, rule, *list)) {
            return false;
        }
        list = &(*list)->next;
        rule->index++;
    }
    *list = rule;
    return true;
}

static bool
parse_place(struct bind *b, const struct token *t, enum place *place)
{
    for (unsigned i = 0; i < LEN(places); i++) {
        if (str_eq(t->text, str_of(places[i]))) {
            *place = (enum place)i;
            return true;
        }
    }
    return conf_error(b, t,
        "\"%.*s\" is not a place, it must be \"header\", \"query\", \"path\" "
        "or "
        "\"body\"",
        STR_ARG(t->text));
}

/* `path` has no names; the other places have one or more. */
static bool
check_names(struct bind *b, const struct directive *d, enum place place)
{
    if (place == IN_PATH ? d->n_args == 3 : d->n_args > 3) {
        return true;
    }
    return conf_error(b, &d->args[2],
        "invalid number of arguments in \"substitute\" directive");
}

/* substitute SECRET in header NAME…|query NAME…|path|body FIELD…; */
static bool
set_substitute(struct bind *b, const struct directive *d, void *field)
{
    const struct token *t = d->args;
    const struct policy_secret *s =
        policy_secret_find(bind_conf(b), bind_scope(b), t[0].text);
    enum place place = IN_HEADER;
    if (s == NULL) {
        return conf_error(
            b, &t[0], "unknown secret \"%.*s\"", STR_ARG(t[0].text));
    }
    if (s->placeholder.n == 0) {
        return conf_error(b, &t[0], "secret \"%.*s\" has no \"placeholder=\"",
            STR_ARG(s->spec.name));
    }
    if (!str_eq(t[1].text, STR("in"))) {
        return conf_error(b, &t[1], "\"in\" is missing");
    }
    bool ok = parse_place(b, &t[2], &place) && check_names(b, d, place) &&
              policy_secret_mark_use(b, s, &t[0]);
    if (ok && place == IN_PATH) {
        return add_rule(b, &t[2], s, place, field);
    }
    for (unsigned i = 3; i < d->n_args && ok; i++) {
        ok = add_rule(b, &t[i], s, place, field);
    }
    return ok;
}

static const struct cmd cmds[] = {
    CMD_LISTED_FREE("substitute", CONF_HOST | CONF_HANDLER | CONF_LOCATION, 3,
        255, struct substitute, rules, struct rule *, set_substitute),
    { 0 },
};

const struct module substitute_module = {
    .conf = { .name = "substitute",
        .cmds = cmds,
        .size = sizeof(struct substitute) },
    .tx_size = sizeof(struct state),
    .on_request = on_request,
    .on_log = on_log,
    .explain = explain,
    .request_body = &body_filter,
};
