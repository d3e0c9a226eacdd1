/*
 * Secrets as configured: the `secret` directive, who may use which, and where
 * each may go. Nothing here sees a value, and no message shows a source: it
 * may be a secret that was put inline.
 */

#include "sandbox/secret.h"

#include "base/list.h"
#include "sandbox/block.h"
#include "sandbox/overlap.h"
#include "sandbox/secret_priv.h"
#include "sandbox/stranger.h"

#define PLACEHOLDER_MIN 8

struct secret_conf *
secret_conf_of(const struct conf *c)
{
    return scope_part(c->main, conf_part_index(c, &secret_part));
}

const struct secret_def *
secret_defs(const struct conf *c)
{
    return secret_conf_of(c)->defs;
}

static const struct secret_def *
find_in(const struct conf *c, const struct scope *s, struct str name)
{
    const struct secret_def *d = secret_defs(c);
    while (d != NULL && (d->scope != s || !str_eq(d->name, name))) {
        d = d->next;
    }
    return d;
}

const struct secret_def *
secret_find(const struct conf *c, const struct scope *s, struct str name)
{
    const struct secret_def *d = NULL;
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

/* An absolute path without a slash at its end; n 0 when there is none. */
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

/* Fills d->source and d->from. */
static bool
set_source(struct bind *b, const struct token *t, struct secret_def *d)
{
    const struct conf *c = bind_conf(b);
    struct str rest = t->text, kind = STR_NONE;
    bool is_whole = !str_cut(&rest, ':', &kind) || rest.p == NULL;
    if (is_whole && str_eq(kind, STR("api"))) {
        return conf_error(b, t,
            "secret \"%.*s\" needs the control API, which is not in this "
            "version",
            STR_ARG(d->name));
    }
    if (!is_whole && str_eq(kind, STR("env"))) {
        d->source = SECRET_ENV;
        d->from = is_word(rest) ? rest : STR_NONE;
    } else if (!is_whole && str_eq(kind, STR("file"))) {
        bool is_file = !str_ends(rest, STR("/"));
        d->source = SECRET_FILE;
        d->from = is_file ? path_of(c, rest) : STR_NONE;
    } else if (!is_whole && str_eq(kind, STR("dir"))) {
        d->source = SECRET_DIR;
        d->from = path_of(c, rest);
        d->per_sandbox = true;
    }
    if (d->from.n == 0) {
        return conf_error(b, t,
            "the source of secret \"%.*s\" must be env:VAR, file:PATH or "
            "dir:PATH",
            STR_ARG(d->name));
    }
    return true;
}

/* Names, addresses, and `*.SUFFIX`: what a secret is bound to is read by
 * people, so no other star. */
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
    pattern_set_free(arg);
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
    struct secret_def *d)
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
                STR_ARG(host), STR_ARG(d->name), why);
        }
        if (stranger_owns_below(host)) {
            conf_warn(bind_conf(b), t,
                "secret \"%.*s\" may go to hosts of strangers, for \"%.*s\" "
                "is all that anyone registers there: name its hosts",
                STR_ARG(d->name), STR_ARG(host));
        }
    }
    if (pattern_set_count(d->hosts) == 0) {
        return conf_error(b, t, "\"hosts=\" names no host");
    }
    pattern_set_compile(d->hosts);
    return true;
}

/* It is looked for in headers and queries as it stands: whole, and long enough
 * that chance does not write it. */
static bool
set_placeholder(
    struct bind *b, const struct token *t, struct str s, struct secret_def *d)
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
               STR_ARG(d->name), PLACEHOLDER_MIN);
}

static bool
set_parameter(struct bind *b, const struct token *t, struct secret_def *d)
{
    struct str s = t->text;
    if (str_eq(s, STR("per_sandbox"))) {
        return d->source == SECRET_DIR ||
               conf_error(b, t, "\"per_sandbox\" needs a dir: source");
    }
    if (str_starts(s, STR("hosts="))) {
        return set_hosts(b, t, str_skip(s, 6), d);
    }
    if (str_starts(s, STR("placeholder="))) {
        return set_placeholder(b, t, str_skip(s, 12), d);
    }
    return conf_error(
        b, t, "invalid parameter of secret \"%.*s\"", STR_ARG(d->name));
}

static bool
set_secret(struct bind *b, const struct directive *d, void *field)
{
    struct conf *c = bind_conf(b);
    struct secret_conf *sc = secret_conf_of(c);
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
    struct secret_def *def = arena_calloc(c->arena, sizeof *def);
    *def = (struct secret_def){
        .name = name, .index = sc->n, .scope = bind_scope(b), .at = &d->args[0]
    };
    if (!set_source(b, &d->args[1], def)) {
        return false;
    }
    for (unsigned i = 2; i < d->n_args; i++) {
        if (!set_parameter(b, &d->args[i], def)) {
            return false;
        }
    }
    struct secret_def **end = &sc->defs;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = def;
    sc->n++;
    return true;
}

bool
secret_mark_use(
    struct bind *b, const struct secret_def *d, const struct token *at)
{
    struct conf *c = bind_conf(b);
    struct secret_conf *sc = secret_conf_of(c);
    struct block *block = block_outermost(bind_scope(b));
    if (block == NULL) {
        return conf_error(b, at,
            "secret \"%.*s\" may stand in a host block, a handler or a "
            "location only",
            STR_ARG(d->name));
    }
    block->uses_secret = true;
    struct secret_use *use = arena_alloc(c->arena, sizeof *use);
    *use =
        (struct secret_use){ (struct secret_def *)d, bind_scope(b), at, NULL };
    *(sc->last_use != NULL ? &sc->last_use->next : &sc->uses) = use;
    sc->last_use = use;
    return true;
}

/* Where the block's names alone would not say where the secret goes. */
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

/* A use that can only fail. */
static void
warn_use(struct conf *c, const struct secret_use *use, unsigned *budget)
{
    const struct pattern_set *names = block_outermost(use->scope)->names;
    const struct secret_def *d = use->def;
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
        STR_ARG(d->name), d->at->file, d->at->line);
}

static int
judge_use(struct conf *c, const struct secret_use *use, unsigned n_classes)
{
    const struct block *b = block_outermost(use->scope);
    const struct secret_def *d = use->def;
    const char *where = needs_hosts(b);
    if (d->hosts == NULL && where != NULL) {
        return conf_fail(c, use->at,
            "secret \"%.*s\" needs \"hosts=\" to be used in %s",
            STR_ARG(d->name), where);
    }
    if (b->class == NULL && b->conf->classes.n == 0 && n_classes > 1) {
        return conf_fail(c, use->at,
            "a shared block with secret \"%.*s\" must say \"classes\" when "
            "there are two classes or more",
            STR_ARG(d->name));
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
    const struct secret_use *use = secret_conf_of(c)->uses;
    for (; use != NULL; use = use->next) {
        if (judge_use(c, use, n_classes) != 0) {
            return -1;
        }
        warn_use(c, use, &budget);
    }
    secret_list_carried(c);
    return 0;
}

bool
secret_may_go(const struct secret_def *d, const struct block *block,
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
secret_look_for(struct conf *c, bool (*is_for)(const struct scope *s))
{
    const struct secret_use *u = secret_conf_of(c)->uses;
    for (; u != NULL; u = u->next) {
        const struct block *b = block_outermost(u->scope);
        u->def->is_looked_for =
            u->def->is_looked_for || is_for_any(b->scope, is_for);
    }
}

int
secret_forbid(
    struct conf *c, const char *why, bool (*is_for)(const struct scope *s))
{
    const struct secret_use *u = secret_conf_of(c)->uses;
    for (; u != NULL; u = u->next) {
        if (is_for_any(u->scope, is_for)) {
            return conf_fail(
                c, u->at, "secret \"%.*s\" %s", STR_ARG(u->def->name), why);
        }
    }
    return 0;
}

static const struct cmd secret_cmds[] = {
    CMD_LISTED("secret", CONF_EGRESS | CONF_CLASS, 2, 5, struct secret_conf,
        defs, struct secret_def *, set_secret),
    { 0 },
};

const struct conf_part secret_part = { .name = "secret",
    .cmds = secret_cmds,
    .size = sizeof(struct secret_conf),
    .check = secret_check };
