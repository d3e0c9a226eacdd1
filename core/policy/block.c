/*
 * Host blocks, handlers and locations as scopes of the configuration: made
 * when they open, so that modules find them while they bind; finished when
 * they are checked. What they say of a host or a path is in access.c, host.c
 * and location.c.
 */

#include "policy/block.h"

#include "base/id.h"
#include "http/field.h"
#include "http/method.h"
#include "policy/conf_priv.h"

#define BLOCK_CONTEXTS (CONF_HOST | CONF_HANDLER | CONF_LOCATION)

struct block *
block_of(const struct scope *s)
{
    return s->context & BLOCK_CONTEXTS ? s->owner : NULL;
}

struct block *
block_outermost(const struct scope *s)
{
    struct block *b = block_of(s);
    return b != NULL && b->outer != NULL ? b->outer : b;
}

void
block_mark_proxy_pass(const struct scope *s)
{
    struct block *b = block_outermost(s);
    CHECK(b, BLOCK_MAGIC);
    b->has_proxy_pass = true;
}

void
block_mark_path(const struct scope *s)
{
    struct block *b = block_outermost(s);
    CHECK(b, BLOCK_MAGIC);
    b->has_own_path = true;
}

bool
block_is_for(const struct block *b, const struct class *k)
{
    const struct str_list *l = &b->conf->classes;
    for (unsigned i = 0; i < l->n; i++) {
        if (str_eq(l->items[i], k->name) || str_eq(l->items[i], STR("any"))) {
            return true;
        }
    }
    return l->n == 0;
}

bool
block_allows_method(const struct block *b, struct str method)
{
    CHECK(b, BLOCK_MAGIC);
    const struct str_list *l = &b->conf->methods;
    for (unsigned i = 0; i < l->n; i++) {
        if (str_eq(l->items[i], method)) {
            return true;
        }
    }
    return l->n == 0;
}

const char *
block_needs_requests(const struct block *b)
{
    CHECK(b, BLOCK_MAGIC);
    AZ(b->outer);
    return b->uses_secret               ? "a secret"
           : b->scope->children != NULL ? "a location"
           : b->conf->methods.n != 0    ? "methods"
           : b->conf->return_code != 0  ? "return"
           : b->has_proxy_pass          ? "proxy_pass"
                                        : NULL;
}

/* The binder copied all of the outer block's struct; of that the location
 * keeps `methods` alone. */
static struct block *
block_new(struct bind *b)
{
    struct scope *s = bind_scope(b);
    struct block_conf *bc = bind_part(b);
    struct block *k = arena_calloc(bind_conf(b)->arena, sizeof *k);
    k->magic = BLOCK_MAGIC;
    k->scope = s;
    k->conf = bc;
    s->owner = k;
    bc->access = NULL;
    bc->classes = (struct str_list){ NULL, 0 };
    bc->return_code = 0;
    bc->return_text = NULL;
    if (s->context == CONF_LOCATION) {
        k->outer = block_of(s->parent);
        k->class = k->outer->class;
    } else if (s->parent->context == CONF_CLASS) {
        k->class = s->parent->owner;
    }
    return k;
}

bool
block_set_host(struct bind *b, const struct directive *d, void *field)
{
    (void)field;
    return host_read(b, d, block_new(b));
}

bool
block_set_location(struct bind *b, const struct directive *d, void *field)
{
    (void)field;
    return location_read(b, d, block_new(b));
}

static bool
set_handler(struct bind *b, const struct directive *d, void *field)
{
    struct block *k = block_new(b);
    const struct token *t = &d->args[0];
    (void)field;
    k->name = t->text;
    if (!id_is_valid(k->name)) {
        return conf_error(
            b, t, "invalid handler name \"%.*s\"", STR_ARG(k->name));
    }
    const struct scope *s = bind_scope(b)->parent->children;
    for (; s != NULL; s = s->next) {
        if (s->context == CONF_HANDLER && str_eq(block_of(s)->name, k->name)) {
            return conf_error(
                b, t, "duplicate handler \"%.*s\"", STR_ARG(k->name));
        }
    }
    return true;
}

static void
warn_method(struct bind *b, const struct token *t)
{
    struct conf *c = bind_conf(b);
    char *upper = arena_calloc(c->arena, t->text.n + 1);
    for (size_t i = 0; i < t->text.n; i++) {
        char letter = t->text.p[i];
        bool is_lower = letter >= 'a' && letter <= 'z';
        upper[i] = is_lower ? (char)(letter - 'a' + 'A') : letter;
    }
    if (method_is_known(str_n(upper, t->text.n))) {
        conf_warn(c, t,
            "no request has the method \"%.*s\": methods are case-sensitive, "
            "write \"%s\"",
            STR_ARG(t->text), upper);
    } else {
        conf_warn(c, t,
            "\"%.*s\" is no method that is registered: is it misspelt?",
            STR_ARG(t->text));
    }
}

/* A method is a token (RFC 9110 9.1), as a field's name is. */
static bool
set_methods(struct bind *b, const struct directive *d, void *field)
{
    for (unsigned i = 0; i < d->n_args; i++) {
        const struct token *t = &d->args[i];
        if (!field_name_is_valid(t->text)) {
            return conf_error(
                b, t, "invalid method \"%.*s\"", STR_ARG(t->text));
        }
        if (!method_is_known(t->text)) {
            warn_method(b, t);
        }
    }
    return set_words(b, d, field);
}

static bool
set_classes(struct bind *b, const struct directive *d, void *field)
{
    if (block_of(bind_scope(b))->class != NULL) {
        return conf_error(b, &d->name,
            "\"classes\" directive is not allowed inside a sandbox_class");
    }
    return set_words(b, d, field);
}

static bool
is_redirect(uint64_t code)
{
    return code == 301 || code == 302 || code == 303 || code == 307 ||
           code == 308;
}

/* nginx's 444 would close the connection; 305 and 306 are of the past. */
static bool
is_return_code(uint64_t code)
{
    return code >= 200 && code <= 599 && code != 305 && code != 306 &&
           code != 444;
}

static bool
set_return(struct bind *b, const struct directive *d, void *field)
{
    struct block_conf *bc = bind_part(b);
    const struct token *t = &d->args[0];
    uint64_t code;
    (void)field;
    if (!str_u64(t->text, &code) || !is_return_code(code)) {
        return conf_error(
            b, t, "invalid return code \"%.*s\"", STR_ARG(t->text));
    }
    bc->return_code = (unsigned)code;
    bc->return_text = NULL;
    if (d->n_args == 1) {
        return !is_redirect(code) ||
               conf_error(b, t, "\"return %u\" needs a URL", (unsigned)code);
    }
    if (code == 204 || code == 205 || code == 304) {
        return conf_error(
            b, &d->args[1], "\"return %u\" has no text", (unsigned)code);
    }
    bc->return_text = value_compile(b, &d->args[1], false);
    return bc->return_text != NULL;
}

static int
check_classes(struct conf *c, const struct block *b)
{
    const struct str_list *l = &b->conf->classes;
    for (unsigned i = 0; i < l->n; i++) {
        const struct token *t = scope_token(b->scope, l->items[i]);
        if (str_eq(l->items[i], STR("any"))) {
            if (l->n != 1) {
                return conf_fail(c, t, "\"any\" stands alone in \"classes\"");
            }
        } else if (class_find(b->scope->parent, l->items[i]) == NULL) {
            return conf_fail(
                c, t, "unknown class \"%.*s\"", STR_ARG(l->items[i]));
        }
    }
    return 0;
}

static int
check_outermost(struct conf *c, struct block *b)
{
    b->has_return = b->conf->return_code != 0;
    for (struct scope *s = b->scope->children; s != NULL; s = s->next) {
        const struct block *l = block_of(s);
        b->has_return |= l != NULL && l->conf->return_code != 0;
    }
    return check_classes(c, b) != 0 ? -1 : location_index_build(c, b);
}

/* SPEC 5: with two classes or more, who comes to a service of one's own is
 * said, not supposed. */
static int
check_shared(struct conf *c, const struct scope *egress)
{
    if (class_count(egress) < 2) {
        return 0;
    }
    for (struct scope *s = egress->children; s != NULL; s = s->next) {
        const struct block *b = block_of(s);
        if (b != NULL && b->has_proxy_pass && b->conf->classes.n == 0) {
            return conf_fail(c, &s->directive->name,
                "a shared block with \"proxy_pass\" must say \"classes\" "
                "when there are two classes or more");
        }
    }
    return 0;
}

static int
block_check(struct conf *c, struct scope *s, void *part)
{
    struct block *b = block_of(s);
    if (b == NULL) {
        return s->context == CONF_EGRESS ? check_shared(c, s) : 0;
    }
    access_compile(c, part);
    return b->outer == NULL ? check_outermost(c, b) : 0;
}

/* Both fill one field, in file order; so the binder, which empties a list's
 * field at the first use of each, is told of no size. */
#define ACCESS(NAME, ARG)                                                      \
    {                                                                          \
        .name = (NAME), .contexts = BLOCK_CONTEXTS, .min_args = 1,             \
        .max_args = 255, .flags = CMD_LIST,                                    \
        .offset = CMD_AT(struct block_conf, access, struct access_rule *),     \
        .set = set_access, .arg = (ARG)                                        \
    }

static const struct cmd block_cmds[] = {
    { .name = "handler",
        .contexts = CONF_EGRESS | CONF_CLASS,
        .min_args = 1,
        .max_args = 1,
        .flags = CMD_BLOCK,
        .block = CONF_HANDLER,
        .set = set_handler },
    ACCESS("allow", "allow"),
    ACCESS("deny", NULL),
    CMD("return", BLOCK_CONTEXTS, 1, 2, struct block_conf, return_code,
        unsigned, set_return),
    CMD_LISTED("methods", BLOCK_CONTEXTS, 1, 255, struct block_conf, methods,
        struct str_list, set_methods),
    CMD_LISTED_FREE("classes", CONF_HOST | CONF_HANDLER, 1, 255,
        struct block_conf, classes, struct str_list, set_classes),
    { 0 },
};

const struct conf_part block_part = {
    .name = "block",
    .cmds = block_cmds,
    .size = sizeof(struct block_conf),
    .check = block_check,
};
