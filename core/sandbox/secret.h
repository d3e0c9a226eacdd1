#pragma once

/*
 * What the config says of secrets: `secret NAME SOURCE [per_sandbox]
 * [hosts=…] [placeholder=…];` in egress (shared) or in a sandbox_class, and
 * what each is bound to (SPEC 7). Values are in secret_store.h.
 *
 * Who calls what, when:
 * - binding: the credential module's prepare() or set() finds a secret with
 *   secret_find() and tells of each use with secret_mark_use(). When egress is
 *   checked, every use is judged: `hosts=` is required in a handler, in a block
 *   with a wildcard or regex name and beside proxy_pass; a shared block needs
 *   `classes` when there are two classes or more.
 * - a request: secret_may_go(), then secret_get() (none: 502, and the request
 *   does not leave).
 */

#include "conf/bind.h"
#include "sandbox/pattern.h"
#include "sandbox/secret_store.h"

struct block;
struct secret_conf;
struct secret_list;

enum secret_source { SECRET_ENV, SECRET_FILE, SECRET_DIR };

struct secret_def {
    struct str name; /* [A-Za-z0-9_]+ */
    unsigned index;  /* among all of the conf, in the order bound */
    enum secret_source source;
    struct str from;  /* variable, absolute path of file or directory */
    bool per_sandbox; /* dir: one value a sandbox */
    struct pattern_set *hosts; /* NULL: the names of the block that uses it */
    bool is_looked_for;        /* in responses; secret_look_for() */
    struct str placeholder;    /* visible ASCII; n 0: none */
    const struct scope *scope; /* egress, or the sandbox_class it stands in */
    const struct token *at;
    struct secret_def *next; /* in order of index */
};

extern const struct conf_part secret_part;

/* All of a conf, in order of index; NULL: none. */
const struct secret_def *secret_defs(const struct conf *c);

/* The secret that `name` means in a scope: the class's own, then egress's.
 * NULL: none. */
const struct secret_def *secret_find(
    const struct conf *c, const struct scope *s, struct str name);

/* While binding: `s` (host block, handler, location) uses it; `at` stands in
 * the error. False after conf_error() where no secret may stand. */
must_check bool secret_mark_use(
    struct bind *b, const struct secret_def *d, const struct token *at);

/* Whether the secret may go to `host` (canonical) by this block: bound to it
 * by hosts=, else a name of the block. `block` is the outermost. */
bool secret_may_go(const struct secret_def *d, const struct block *block,
    struct str host, const struct addr *literal);

/* The secrets that requests to a host may carry which a block serves: those
 * that it or a location of it uses, and that are bound to the host. Each once,
 * in the order of their first use. */
struct secret_walk {
    const struct secret_list *list; /* NULL: it uses none */
    struct str host;
    const struct addr *literal;
    unsigned i;
};

/* `block` is the outermost; NULL: none serves it. `host` and `literal`, as for
 * pattern_match(), live as long. */
void secret_walk_init(struct secret_walk *w, const struct block *block,
    struct str host, const struct addr *literal);
const struct secret_def *secret_walk_next(struct secret_walk *w);

/* The i-th that the (outermost) block or a location of it uses, wherever it
 * may go; NULL past the last. */
const struct secret_def *secret_carried_nth(
    const struct block *block, unsigned i);

/* While egress is checked, by a part that stands behind PART_SECRET: responses
 * in scopes for which is_for() holds are looked through for the secrets that
 * the block uses in which they stand. A value that is not worth looking for
 * (redact/worth.h) is used all the same, and warned of where it is loaded. */
void secret_look_for(struct conf *c, bool (*is_for)(const struct scope *s));

/* At the same time: no secret may be used in a scope for which is_for() holds,
 * or in a scope around one. -1 after conf_fail() with `why` behind the
 * secret's name. */
must_check int secret_forbid(
    struct conf *c, const char *why, bool (*is_for)(const struct scope *s));
