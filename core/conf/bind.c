/*
 * The binder: looks up each directive by name and context, and has its
 * command fill the part's struct. proc/cycle calls conf_bind() once for each
 * generation; nothing here knows what a directive means.
 */

#include "conf/bind.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf/bind_priv.h"

/* Sorted by name. */
struct cmd_table {
    struct cmd_ref *refs;
    unsigned n;
};

struct conf *
bind_conf(struct bind *b)
{
    return b->conf;
}

struct scope *
bind_scope(struct bind *b)
{
    return b->scope;
}

const struct cmd *
bind_cmd(struct bind *b)
{
    AN(b->ref != NULL);
    return b->ref->cmd;
}

void *
bind_part(struct bind *b)
{
    CHECK(b->scope, SCOPE_MAGIC);
    return b->scope->parts[b->ref->part];
}

static int
ref_cmp(const void *a, const void *b)
{
    return str_cmp(
        ((const struct cmd_ref *)a)->name, ((const struct cmd_ref *)b)->name);
}

/* Fails if two parts have the same directive in one context. */
static bool
table_check(struct conf *c, const struct cmd_table *t)
{
    for (unsigned i = 0; i < t->n; i++) {
        const struct cmd_ref *r = &t->refs[i];
        for (unsigned k = i + 1; k < t->n; k++) {
            const struct cmd_ref *o = &t->refs[k];
            if (!str_eq(o->name, r->name)) {
                break;
            }
            if (o->cmd->contexts & r->cmd->contexts) {
                conf_fail(c, NULL,
                    "directive \"%s\" is both \"%s\"'s and "
                    "\"%s\"'s",
                    r->cmd->name, c->parts[r->owner]->name,
                    c->parts[o->owner]->name);
                return false;
            }
        }
    }
    return true;
}

static struct cmd_ref
ref_of(const struct conf *c, const struct cmd *cmd, unsigned owner, unsigned i)
{
    unsigned part = cmd->part != NULL ? conf_part_index(c, cmd->part) : owner;
    AN(cmd->min_args <= cmd->max_args);
    AN(cmd->offset + cmd->size <= c->parts[part]->size);
    return (struct cmd_ref){ .name = str_of(cmd->name),
        .cmd = cmd,
        .owner = owner,
        .part = part,
        .bit = i };
}

static bool
table_build(struct conf *c)
{
    struct cmd_table *t = arena_calloc(c->arena, sizeof *t);
    for (unsigned p = 0; p < c->n_parts; p++) {
        const struct cmd *cmd = c->parts[p]->cmds;
        for (; cmd != NULL && cmd->name != NULL; cmd++) {
            t->n++;
        }
    }
    t->refs = arena_calloc(c->arena, (t->n + 1) * sizeof *t->refs);
    unsigned i = 0;
    for (unsigned p = 0; p < c->n_parts; p++) {
        const struct cmd *cmd = c->parts[p]->cmds;
        for (; cmd != NULL && cmd->name != NULL; cmd++, i++) {
            t->refs[i] = ref_of(c, cmd, p, i);
        }
    }
    qsort(t->refs, t->n, sizeof *t->refs, ref_cmp);
    c->table = t;
    return table_check(c, t);
}

/* The command of that name in that context; NULL: none. *is_known: some context
 * has one. */
static const struct cmd_ref *
table_find(const struct cmd_table *t, struct str name,
    enum conf_context context, bool *is_known)
{
    unsigned low = 0, high = t->n;
    while (low < high) {
        unsigned mid = low + (high - low) / 2;
        if (str_cmp(t->refs[mid].name, name) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *is_known = low < t->n && str_eq(t->refs[low].name, name);
    for (; low < t->n && str_eq(t->refs[low].name, name); low++) {
        if (t->refs[low].cmd->contexts & context) {
            return &t->refs[low];
        }
    }
    return NULL;
}

static bool
was_set(const struct scope *s, unsigned bit)
{
    return (s->was_set[bit / 64] >> (bit % 64)) & 1;
}

static void
mark_set(struct scope *s, unsigned bit)
{
    s->was_set[bit / 64] |= (uint64_t)1 << (bit % 64);
}

bool
scope_has(const struct conf *c, const struct scope *s, const char *name)
{
    CHECK(c, CONF_MAGIC);
    CHECK(s, SCOPE_MAGIC);
    bool is_known;
    const struct cmd_ref *r =
        table_find(c->table, str_of(name), s->context, &is_known);
    return r != NULL && was_set(s, r->bit);
}

static void
scope_fill(struct conf *c, struct scope *s, unsigned part)
{
    AN(part < c->n_parts);
    const struct conf_part *p = c->parts[part];
    const void *from = s->parent != NULL ? s->parent->parts[part] : p->defaults;
    s->parts[part] = arena_calloc(c->arena, p->size);
    if (from != NULL && p->size != 0) {
        memcpy(s->parts[part], from, p->size);
    }
}

static struct scope *
scope_new(struct conf *c, struct scope *parent, enum conf_context context,
    const struct directive *d)
{
    struct scope *s = arena_calloc(c->arena, sizeof *s);
    AN(c->table != NULL);
    s->magic = SCOPE_MAGIC;
    s->context = context;
    s->directive = d;
    s->parent = parent;
    s->captures = parent != NULL ? parent->captures : NULL;
    s->parts = arena_calloc(c->arena, c->n_parts * sizeof *s->parts);
    s->was_set =
        arena_calloc(c->arena, (c->table->n / 64 + 1) * sizeof *s->was_set);
    for (unsigned i = 0; i < c->n_parts; i++) {
        scope_fill(c, s, i);
    }
    for (unsigned i = 0; parent != NULL && i < c->table->n; i++) {
        const struct cmd_ref *r = &c->table->refs[i];
        if (r->cmd->flags & CMD_OWN) {
            memset((char *)s->parts[r->part] + r->cmd->offset, 0, r->cmd->size);
        }
    }
    return s;
}

/* Whether it is the name of a directive of any context. `include` is one that
 * the tree has followed already. */
static bool
is_directive(const struct cmd_table *t, struct str word)
{
    bool is_known;
    table_find(t, word, CONF_MAIN, &is_known);
    return is_known || str_eq(word, STR("include"));
}

/* Whether it has letters and "_" alone, as names of directives have and few
 * values; "-" too, which people write for "_". */
static bool
is_like_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (!ascii_is_alpha(c) && c != '_' && c != '-') {
            return false;
        }
    }
    return s.n != 0;
}

/* Refuses or warns of an argument that seems to begin the next directive: if a
 * ";" is missing, the words of the next directive are arguments of this one. An
 * argument in quotes is not checked. */
static bool
check_argument(struct bind *b, const struct cmd *cmd, const struct directive *d,
    const struct token *t)
{
    const char *end = cmd->flags & CMD_BLOCK ? "{" : ";";
    bool is_name = is_directive(b->conf->table, t->text);
    if (t->begins_line && is_name) {
        return conf_error(b, t,
            "\"%.*s\" begins a line among the arguments of \"%s\" of line "
            "%u: a \"%s\" is missing before it, or it is a value and must be "
            "in quotes",
            STR_ARG(t->text), cmd->name, d->name.line, end);
    }
    if (cmd->max_args == 255 && !(cmd->flags & CMD_FREE) && is_name) {
        return conf_error(b, t,
            "\"%.*s\" in the list of \"%s\" is the name of a directive: a "
            "\"%s\" is missing before it, or it is a value and must be in "
            "quotes",
            STR_ARG(t->text), cmd->name, end);
    }
    if (t->begins_line && t->column <= d->name.column &&
        is_like_name(t->text)) {
        conf_warn(b->conf, t,
            "\"%.*s\" begins a line among the arguments of \"%s\" of line "
            "%u: is a \"%s\" missing before it? If not, indent it",
            STR_ARG(t->text), cmd->name, d->name.line, end);
    }
    return true;
}

static bool
check_arguments(
    struct bind *b, const struct cmd *cmd, const struct directive *d)
{
    for (unsigned i = 0; i < d->n_args; i++) {
        if (!d->args[i].is_quoted && !check_argument(b, cmd, d, &d->args[i])) {
            return false;
        }
    }
    return true;
}

/* Says why no command of that name may stand here. */
static void
refuse_name(struct bind *b, const struct token *name)
{
    const struct cmd_table *t = b->conf->table;
    bool is_known = false;
    for (unsigned i = 0; i < t->n; i++) {
        const struct conf_part *p = b->conf->parts[t->refs[i].owner];
        if (!str_eq(t->refs[i].name, name->text)) {
            continue;
        }
        if (p->is_left_out) {
            conf_error(b, name,
                "the \"%.*s\" directive requires %s_module, which this build "
                "is without",
                STR_ARG(name->text), p->name);
            return;
        }
        is_known = true;
    }
    conf_error(b, name,
        is_known ? "\"%.*s\" directive is not allowed here"
                 : "unknown directive \"%.*s\"",
        STR_ARG(name->text));
}

/* Finds the command and checks what nginx checks before it calls set(). */
static const struct cmd_ref *
bind_look_up(struct bind *b, const struct directive *d)
{
    bool is_known;
    const struct token *name = &d->name;
    const struct cmd_ref *r =
        table_find(b->conf->table, name->text, b->scope->context, &is_known);
    if (r == NULL) {
        refuse_name(b, name);
        return NULL;
    }
    const struct cmd *cmd = r->cmd;
    bool opens = (cmd->flags & CMD_BLOCK) != 0;
    if (!check_arguments(b, cmd, d)) {
        return NULL;
    }
    if (d->is_block != opens) {
        conf_error(b, name, "directive \"%s\" %s", cmd->name,
            opens ? "has no opening \"{\"" : "is not terminated by \";\"");
        return NULL;
    }
    if (d->n_args < cmd->min_args ||
        (d->n_args > cmd->max_args && cmd->max_args != 255)) {
        conf_error(b, name, "invalid number of arguments in \"%s\" directive",
            cmd->name);
        return NULL;
    }
    bool is_single = opens ? cmd->max_args == 0 : !(cmd->flags & CMD_LIST);
    if (is_single && was_set(b->scope, r->bit)) {
        conf_error(b, name, "\"%s\" directive is duplicate", cmd->name);
        return NULL;
    }
    return r;
}

/* Runs set(). If that refuses without a message, there is one with the place.
 */
static bool
bind_call(struct bind *b, const struct directive *d, void *field)
{
    const struct cmd *cmd = b->ref->cmd;
    AN(cmd->set != NULL);
    if (cmd->set(b, d, field)) {
        return true;
    }
    return conf_error(
        b, &d->name, "invalid value in \"%s\" directive", cmd->name);
}

static bool
bind_simple(struct bind *b, const struct directive *d)
{
    const struct cmd *cmd = b->ref->cmd;
    void *field = (char *)bind_part(b) + cmd->offset;
    if ((cmd->flags & CMD_LIST) && !was_set(b->scope, b->ref->bit)) {
        memset(field, 0, cmd->size);
    }
    mark_set(b->scope, b->ref->bit);
    return bind_call(b, d, field);
}

static bool bind_body(
    struct conf *c, struct scope *s, const struct directive *first);

static struct scope *
bind_child(struct conf *c, struct scope *parent, const struct directive *d)
{
    bool is_known;
    struct bind b = { .conf = c };
    b.ref = table_find(c->table, d->name.text, parent->context, &is_known);
    AN(b.ref != NULL);
    const struct cmd *cmd = b.ref->cmd;
    AN(cmd->flags & CMD_BLOCK);
    b.scope = parent;
    struct scope *base = cmd->base != NULL ? cmd->base(&b, d) : parent;
    if (base == NULL) {
        return NULL;
    }
    b.scope = scope_new(c, base, cmd->block, d);
    void *field = cmd->size != 0 ? (char *)bind_part(&b) + cmd->offset : NULL;
    if (cmd->set != NULL && !bind_call(&b, d, field)) {
        return NULL;
    }
    return bind_body(c, b.scope, d->children) ? b.scope : NULL;
}

static bool
block_has_base(const struct conf *c, const struct scope *s, struct str name)
{
    bool is_known;
    const struct cmd_ref *r = table_find(c->table, name, s->context, &is_known);
    AN(r != NULL); /* bind_body() has looked it up */
    return r->cmd->base != NULL;
}

/* Binds the blocks that start from the block around them, then those that start
 * from a sibling; the children are in file order all the same. */
static bool
bind_blocks(struct conf *c, struct scope *s, const struct directive *first,
    bool has_base)
{
    struct scope **at = &s->children;
    for (const struct directive *d = first; d != NULL; d = d->next) {
        if (!d->is_block) {
            continue;
        }
        if (block_has_base(c, s, d->name.text) == has_base) {
            struct scope *child = bind_child(c, s, d);
            if (child == NULL) {
                return false;
            }
            child->next = *at;
            *at = child;
        } else if (!has_base) {
            continue; /* not bound yet */
        }
        at = &(*at)->next;
    }
    return true;
}

/* Binds the simple directives, then the blocks, which copy their values. */
static bool
bind_body(struct conf *c, struct scope *s, const struct directive *first)
{
    for (const struct directive *d = first; d != NULL; d = d->next) {
        struct bind b = { .conf = c, .scope = s };
        b.ref = bind_look_up(&b, d);
        if (b.ref == NULL) {
            return false;
        }
        if (d->is_block) {
            mark_set(s, b.ref->bit);
        } else if (!bind_simple(&b, d)) {
            return false;
        }
    }
    return bind_blocks(c, s, first, false) && bind_blocks(c, s, first, true);
}

static bool
check_scope(struct conf *c, struct scope *s)
{
    CHECK(s, SCOPE_MAGIC);
    for (struct scope *k = s->children; k != NULL; k = k->next) {
        if (!check_scope(c, k)) {
            return false;
        }
    }
    for (unsigned i = 0; i < c->n_parts; i++) {
        const struct conf_part *p = c->parts[i];
        if (p->check != NULL && p->check(c, s, s->parts[i]) != 0) {
            conf_fail(c, s->directive != NULL ? &s->directive->name : NULL,
                "\"%s\" refuses the configuration", p->name);
            return false;
        }
    }
    return true;
}

/* Reads the directives of -g and, behind them, those of the file. False with
 * the message in c->error. */
static bool
conf_read(struct conf *c, struct str globals, struct directive **out)
{
    struct directive *d = tree_parse(
        c->arena, globals, "command line", c->error, sizeof c->error);
    if (c->error[0] != '\0') {
        return false;
    }
    *out = d;
    while (d != NULL && d->next != NULL) {
        d = d->next;
    }
    *(d != NULL ? &d->next : out) = tree_read_files(
        c->arena, c->file.p, &c->files, c->error, sizeof c->error);
    return c->error[0] == '\0';
}

static bool
conf_build(struct conf *c, struct str globals)
{
    struct directive *first;
    if (!table_build(c) || !conf_read(c, globals, &first)) {
        return false;
    }
    AZ(c->main);
    c->main = scope_new(c, NULL, CONF_MAIN, NULL);
    return bind_body(c, c->main, first) && check_scope(c, c->main);
}

struct conf *
conf_bind(const struct conf_part *const *parts, unsigned n_parts,
    const char *prefix, const char *file, struct str globals, enum conf_use use,
    char *err, size_t err_size)
{
    AN(n_parts != 0 && prefix[0] != '\0' && file[0] != '\0');
    struct arena *a = arena_new(65536);
    struct conf *c = arena_calloc(a, sizeof *c);
    c->magic = CONF_MAGIC;
    c->arena = a;
    c->parts = parts;
    c->n_parts = n_parts;
    c->is_test = use != CONF_SERVE;
    c->is_look = use == CONF_LOOK;
    c->prefix = arena_printf(
        a, "%s%s", prefix, str_ends(str_of(prefix), STR("/")) ? "" : "/");
    c->file = arena_printf(a, "%s%s", file[0] == '/' ? "" : c->prefix.p, file);
    if (conf_build(c, globals)) {
        return c;
    }
    snprintf(err, err_size, "%s", c->error);
    conf_free(c);
    return NULL;
}

void
conf_free(struct conf *c)
{
    CHECK(c, CONF_MAGIC);
    c->magic = 0;
    arena_free(c->arena);
}

unsigned
conf_part_index(const struct conf *c, const struct conf_part *p)
{
    CHECK(c, CONF_MAGIC);
    for (unsigned i = 0; i < c->n_parts; i++) {
        if (c->parts[i] == p) {
            return i;
        }
    }
    PANIC("no such part in the conf");
}

struct scope *
conf_scope(const struct conf *c, enum conf_context context)
{
    CHECK(c, CONF_MAGIC);
    CHECK(c->main, SCOPE_MAGIC);
    struct scope *s = c->main->children;
    while (s != NULL && s->context != context) {
        s = s->next;
    }
    return s;
}

bool
conf_files(const struct conf *c, unsigned i, struct str *name, struct str *text)
{
    CHECK(c, CONF_MAGIC);
    const struct tree_file *f = c->files;
    while (f != NULL && i-- != 0) {
        f = f->next;
    }
    if (f == NULL) {
        return false;
    }
    *name = f->name;
    *text = f->text;
    return true;
}
