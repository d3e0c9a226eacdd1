/*
 * Secrets as the configuration has them: the `secret` directive, which block
 * may use which secret, and where each may go. No value is read here, and no
 * message shows a source: it may be a secret that was written inline.
 */

#include "policy/policy_secret.h"

#include "base/list.h"
#include "match/overlap.h"
#include "policy/block.h"
#include "policy/class.h"
#include "policy/policy_secret_priv.h"
#include "policy/stranger.h"

#define PLACEHOLDER_MIN 8

struct policy_secret_conf *
policy_secret_conf_of(const struct conf *c)
{
    return scope_part(c->main, conf_part_index(c, &policy_secret_part));
}

const struct policy_secret *
policy_secrets(const struct conf *c)
{
    return policy_secret_conf_of(c)->defs;
}

static void
free_store(void *arg)
{
    secret_store_free(arg);
}

int
policy_secrets_load(struct conf *c, char *err, size_t err_size)
{
    struct policy_secret_conf *sc = policy_secret_conf_of(c);
    AZ(sc->store != NULL);
    const struct secret_spec **specs =
        arena_alloc(c->arena, (sc->n + 1) * sizeof *specs);
    for (const struct policy_secret *d = sc->defs; d != NULL; d = d->next) {
        specs[d->spec.index] = &d->spec;
    }
    sc->store = secret_store_new(specs, sc->n);
    arena_on_free(c->arena, free_store, sc->store);
    return secret_store_load(sc->store, !c->is_test, err, err_size);
}

struct secret_store *
policy_secret_store(const struct conf *c)
{
    return policy_secret_conf_of(c)->store;
}

static const struct policy_secret *
find_in(const struct conf *c, const struct scope *s, struct str name)
{
    const struct policy_secret *d = policy_secrets(c);
    while (d != NULL && (d->scope != s || !str_eq(d->spec.name, name))) {
        d = d->next;
    }
    return d;
}

const struct policy_secret *
policy_secret_find(const struct conf *c, const struct scope *s, struct str name)
{
    const struct policy_secret *d = NULL;
    for (; s != NULL && d == NULL; s = s->parent) {
        d = find_in(c, s, name);
    }
    return d;
}

static bool
is_word(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '_') {
            return false;
        }
    }
    return s.n != 0;
}

/* An absolute path without a slash at its end; n 0: it is none. */
static struct str
path_of(const struct conf *c, struct str s)
{
    while (s.n > 1 && s.p[s.n - 1] == '/') {
        s.n--;
    }
    if (s.n == 0 || memchr(s.p, '\0', s.n) != NULL) {
        return STR_NONE;
    }
    return arena_printf(c->arena, "%.*s%.*s",
        STR_ARG(s.p[0] == '/' ? STR("") : c->prefix), STR_ARG(s));
}

/* Fills d->spec.source and d->spec.from. */
static bool
set_source(struct bind *b, const struct token *t, struct policy_secret *d)
{
    const struct conf *c = bind_conf(b);
    struct str rest = t->text, kind = STR_NONE;
    bool is_whole = !str_cut(&rest, ':', &kind) || rest.p == NULL;
    if (is_whole && str_eq(kind, STR("api"))) {
        return conf_error(b, t,
            "secret \"%.*s\" needs the control API, which is not in this "
            "version",
            STR_ARG(d->spec.name));
    }
    if (!is_whole && str_eq(kind, STR("env"))) {
        d->spec.source = SECRET_ENV;
        d->spec.from = is_word(rest) ? rest : STR_NONE;
    } else if (!is_whole && str_eq(kind, STR("file"))) {
        bool is_file = !str_ends(rest, STR("/"));
        d->spec.source = SECRET_FILE;
        d->spec.from = is_file ? path_of(c, rest) : STR_NONE;
    } else if (!is_whole && str_eq(kind, STR("dir"))) {
        d->spec.source = SECRET_DIR;
        d->spec.from = path_of(c, rest);
        d->spec.per_sandbox = true;
    }
    if (d->spec.from.n == 0) {
        return conf_error(b, t,
            "the source of secret \"%.*s\" must be env:VAR, file:PATH or "
            "dir:PATH",
            STR_ARG(d->spec.name));
    }
    return true;
}

/* A secret is bound to names, addresses and `*.SUFFIX`. No other star is taken,
 * so that people see where the secret goes. */
static const char *
host_refusal(struct str host)
{
    if (str_find(host, '/') != host.n) {
        return "a range of addresses";
    }
    struct str rest = str_skip(host, str_starts(host, STR("*.")) ? 2 : 0);
    bool is_all = rest.n == 0 && host.n != 0; /* "*." would be "*" */
    if (is_all || str_find(rest, '*') != rest.n) {
        return "\"*\" may stand as the whole first label only";
    }
    return NULL;
}

static void
free_hosts(void *arg)
{
    pattern_set_unref(arg);
}

static struct pattern_set *
hosts_of(struct conf *c)
{
    struct pattern_set *set = pattern_set_new(PATTERN_LIST);
    arena_on_free(c->arena, free_hosts, set);
    return set;
}

static bool
set_hosts(struct bind *b, const struct token *t, struct str list,
    struct policy_secret *d)
{
    struct str host;
    struct pattern_error err;
    if (d->hosts != NULL) {
        return conf_error(b, t, "duplicate \"hosts=\"");
    }
    d->hosts = hosts_of(bind_conf(b));
    while (str_cut(&list, ',', &host)) {
        const char *why = host_refusal(host);
        if (why == NULL && !pattern_set_add(d->hosts, host, d, &err)) {
            why = err.text;
        }
        if (why != NULL) {
            return conf_error(b, t,
                "invalid host \"%.*s\" in \"hosts=\" of secret \"%.*s\": %s",
                STR_ARG(host), STR_ARG(d->spec.name), why);
        }
        if (stranger_owns_below(host)) {
            conf_warn(bind_conf(b), t,
                "secret \"%.*s\" may go to hosts of strangers, for \"%.*s\" "
                "is all that anyone registers there: name its hosts",
                STR_ARG(d->spec.name), STR_ARG(host));
        }
    }
    if (pattern_set_count(d->hosts) == 0) {
        return conf_error(b, t, "\"hosts=\" names no host");
    }
    pattern_set_compile(d->hosts);
    return true;
}

/* A placeholder is searched for in headers and queries byte for byte; it must
 * be so long that no text has it by chance. */
static bool
set_placeholder(struct bind *b, const struct token *t, struct str s,
    struct policy_secret *d)
{
    if (d->placeholder.n != 0) {
        return conf_error(b, t, "duplicate \"placeholder=\"");
    }
    bool is_fine = s.n >= PLACEHOLDER_MIN;
    for (size_t i = 0; i < s.n; i++) {
        is_fine = is_fine && s.p[i] > ' ' && s.p[i] < 0x7f;
    }
    d->placeholder = s;
    return is_fine ||
           conf_error(b, t,
               "\"placeholder=\" of secret \"%.*s\" must be %d bytes of "
               "visible ASCII or more",
               STR_ARG(d->spec.name), PLACEHOLDER_MIN);
}

static bool
set_parameter(struct bind *b, const struct token *t, struct policy_secret *d)
{
    struct str s = t->text;
    if (str_eq(s, STR("per_sandbox"))) {
        return d->spec.source == SECRET_DIR ||
               conf_error(b, t, "\"per_sandbox\" needs a dir: source");
    }
    if (str_starts(s, STR("hosts="))) {
        return set_hosts(b, t, str_skip(s, 6), d);
    }
    if (str_starts(s, STR("placeholder="))) {
        return set_placeholder(b, t, str_skip(s, 12), d);
    }
    return conf_error(
        b, t, "invalid parameter of secret \"%.*s\"", STR_ARG(d->spec.name));
}

static bool
set_secret(struct bind *b, const struct directive *d, void *field)
{
    struct conf *c = bind_conf(b);
    struct policy_secret_conf *sc = policy_secret_conf_of(c);
    struct str name = d->args[0].text;
    (void)field;
    if (!is_word(name)) {
        return conf_error(b, &d->args[0],
            "invalid secret name \"%.*s\", it may have letters, digits and "
            "\"_\"",
            STR_ARG(name));
    }
    if (find_in(c, bind_scope(b), name) != NULL) {
        return conf_error(
            b, &d->args[0], "duplicate secret \"%.*s\"", STR_ARG(name));
    }
    struct policy_secret *def = arena_calloc(c->arena, sizeof *def);
    const struct scope *s = bind_scope(b);
    const struct class *k = s->context == CONF_CLASS ? s->owner : NULL;
    *def = (struct policy_secret){ .spec.name = name,
        .spec.scope = k != NULL ? k->name : STR_NONE,
        .spec.index = sc->n,
        .spec.place =
            arena_printf(c->arena, "%s:%u", d->args[0].file, d->args[0].line),
        .scope = bind_scope(b),
        .at = &d->args[0] };
    if (!set_source(b, &d->args[1], def)) {
        return false;
    }
    for (unsigned i = 2; i < d->n_args; i++) {
        if (!set_parameter(b, &d->args[i], def)) {
            return false;
        }
    }
    struct policy_secret **end = &sc->defs;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = def;
    sc->n++;
    return true;
}

bool
policy_secret_mark_use(
    struct bind *b, const struct policy_secret *d, const struct token *at)
{
    struct conf *c = bind_conf(b);
    struct policy_secret_conf *sc = policy_secret_conf_of(c);
    struct block *block = block_outermost(bind_scope(b));
    if (block == NULL) {
        return conf_error(b, at,
            "secret \"%.*s\" may stand in a host block, a handler or a "
            "location only",
            STR_ARG(d->spec.name));
    }
    block->uses_secret = true;
    struct policy_secret_use *use = arena_alloc(c->arena, sizeof *use);
    *use = (struct policy_secret_use){ (struct policy_secret *)d, bind_scope(b),
        at, NULL };
    *(sc->last_use != NULL ? &sc->last_use->next : &sc->uses) = use;
    sc->last_use = use;
    return true;
}

/* Why the block's names do not say where the secret goes, so that hosts= is
 * required; NULL: they do. */
static const char *
needs_hosts(const struct block *b)
{
    if (b->scope->context == CONF_HANDLER) {
        return "a handler";
    }
    if (!pattern_set_is_exact(b->names)) {
        return "a host block with a wildcard or a regex";
    }
    return b->has_proxy_pass ? "a block with proxy_pass" : NULL;
}

/* Warns of a use by a block none of whose names the secret is bound to. */
static void
warn_use(struct conf *c, const struct policy_secret_use *use, unsigned *budget)
{
    const struct pattern_set *names = block_outermost(use->scope)->names;
    const struct policy_secret *d = use->def;
    if (names == NULL || d->hosts == NULL) {
        return;
    }
    for (unsigned i = 0; i < pattern_set_count(names); i++) {
        if (overlap_meets(d->hosts, pattern_set_nth(names, i), budget)) {
            return;
        }
    }
    conf_warn(c, use->at,
        "secret \"%.*s\" is bound to none of the hosts of this block, so it is "
        "never sent: name them in its \"hosts=\", which is in %s:%u",
        STR_ARG(d->spec.name), d->at->file, d->at->line);
}

static int
judge_use(
    struct conf *c, const struct policy_secret_use *use, unsigned n_classes)
{
    const struct block *b = block_outermost(use->scope);
    const struct policy_secret *d = use->def;
    const char *where = needs_hosts(b);
    if (d->hosts == NULL && where != NULL) {
        return conf_fail(c, use->at,
            "secret \"%.*s\" needs \"hosts=\" to be used in %s",
            STR_ARG(d->spec.name), where);
    }
    if (b->class == NULL && b->conf->classes.n == 0 && n_classes > 1) {
        return conf_fail(c, use->at,
            "a shared block with secret \"%.*s\" must say \"classes\" when "
            "there are two classes or more",
            STR_ARG(d->spec.name));
    }
    return 0;
}

static int
secret_check(struct conf *c, struct scope *s, void *part)
{
    unsigned n_classes = 0, budget = OVERLAP_BUDGET;
    (void)part;
    if (s->context != CONF_EGRESS) {
        return 0;
    }
    for (const struct scope *k = s->children; k != NULL; k = k->next) {
        n_classes += k->context == CONF_CLASS;
    }
    const struct policy_secret_use *use = policy_secret_conf_of(c)->uses;
    for (; use != NULL; use = use->next) {
        if (judge_use(c, use, n_classes) != 0) {
            return -1;
        }
        warn_use(c, use, &budget);
    }
    policy_secret_list_all(c);
    return 0;
}

bool
policy_secret_may_go(const struct policy_secret *d, const struct block *block,
    struct str host, const struct addr *literal)
{
    const struct pattern_set *names = d->hosts;
    if (names == NULL && block != NULL && needs_hosts(block) == NULL) {
        names = block->names;
    }
    return pattern_match(names, host, literal, NULL) == PATTERN_MATCH;
}

static bool
is_for_any(const struct scope *s, bool (*is_for)(const struct scope *s))
{
    bool found = is_for(s);
    for (const struct scope *k = s->children; k != NULL && !found;
         k = k->next) {
        found = is_for_any(k, is_for);
    }
    return found;
}

void
policy_secret_look_for(struct conf *c, bool (*is_for)(const struct scope *s))
{
    const struct policy_secret_use *u = policy_secret_conf_of(c)->uses;
    for (; u != NULL; u = u->next) {
        const struct block *b = block_outermost(u->scope);
        u->def->spec.is_looked_for =
            u->def->spec.is_looked_for || is_for_any(b->scope, is_for);
    }
}

int
policy_secret_forbid(
    struct conf *c, const char *why, bool (*is_for)(const struct scope *s))
{
    const struct policy_secret_use *u = policy_secret_conf_of(c)->uses;
    for (; u != NULL; u = u->next) {
        if (is_for_any(u->scope, is_for)) {
            return conf_fail(c, u->at, "secret \"%.*s\" %s",
                STR_ARG(u->def->spec.name), why);
        }
    }
    return 0;
}

static const struct cmd secret_cmds[] = {
    CMD_LISTED("secret", CONF_EGRESS | CONF_CLASS, 2, 5,
        struct policy_secret_conf, defs, struct policy_secret *, set_secret),
    { 0 },
};

const struct conf_part policy_secret_part = { .name = "secret",
    .cmds = secret_cmds,
    .size = sizeof(struct policy_secret_conf),
    .check = secret_check };
