#pragma once

/*
 * What the configuration says of secrets: `secret NAME SOURCE [per_sandbox]
 * [hosts=…] [placeholder=…];` in egress (shared) or in a sandbox_class, and
 * what each is bound to (SPEC 7). Values are in secret_store.h.
 *
 * Who calls what, when:
 * - binding: the credential module's prepare() or set() finds a secret with
 *   policy_secret_find() and tells of each use with policy_secret_mark_use().
 * When egress is checked, every use is judged: `hosts=` is required in a
 * handler, in a block with a wildcard or regex name and beside proxy_pass; a
 * shared block needs `classes` when there are two classes or more.
 * - a request: policy_secret_may_go(), then secret_get() (none: 502, and the
 * request does not leave).
 */

#include "conf/bind.h"
#include "match/pattern.h"
#include "secret/secret_spec.h"
#include "secret/secret_store.h"

struct block;
struct policy_secret_conf;
struct policy_secret_list;

struct policy_secret {
    struct secret_spec spec;   /* what the store is told; in the order bound */
    struct pattern_set *hosts; /* NULL: the names of the block that uses it */
    struct str placeholder;    /* visible ASCII; n 0: none */
    const struct scope *scope; /* egress, or the sandbox_class it stands in */
    const struct token *at;
    struct policy_secret *next; /* in order of index */
};

extern const struct conf_part policy_secret_part;

/* All of a conf, in order of index; NULL: none. */
const struct policy_secret *policy_secrets(const struct conf *c);

/* Reads the values of all secrets of a conf; under -t too. -1 with the reason,
 * with file and line, in err. The store is freed with the conf. */
must_check int policy_secrets_load(struct conf *c, char *err, size_t err_size);

/* Of a loaded conf; NULL before. */
struct secret_store *policy_secret_store(const struct conf *c);

/* The secret that `name` means in a scope: the class's own, then egress's.
 * NULL: none. */
const struct policy_secret *policy_secret_find(
    const struct conf *c, const struct scope *s, struct str name);

/* While binding: `s` (host block, handler, location) uses it; `at` stands in
 * the error. False after conf_error() where no secret may stand. */
must_check bool policy_secret_mark_use(
    struct bind *b, const struct policy_secret *d, const struct token *at);

/* Whether the secret may go to `host` (canonical) by this block: bound to it
 * by hosts=, else a name of the block. `block` is the outermost. */
bool policy_secret_may_go(const struct policy_secret *d,
    const struct block *block, struct str host, const struct addr *literal);

/* The secrets that requests to a host may carry which a block serves: those
 * that it or a location of it uses, and that are bound to the host. Each once,
 * in the order of their first use. */
struct policy_secret_walk {
    const struct policy_secret_list *list; /* NULL: it uses none */
    struct str host;
    const struct addr *literal;
    unsigned i;
};

/* `block` is the outermost; NULL: none serves it. `host` and `literal`, as for
 * pattern_match(), live as long. */
void policy_secret_walk_init(struct policy_secret_walk *w,
    const struct block *block, struct str host, const struct addr *literal);
const struct policy_secret *policy_secret_walk_next(
    struct policy_secret_walk *w);

/* The i-th that the (outermost) block or a location of it uses, wherever it
 * may go; NULL past the last. */
const struct policy_secret *policy_secret_nth(
    const struct block *block, unsigned i);

/* While egress is checked, by a part that stands behind PART_SECRET: responses
 * in scopes for which is_for() holds are looked through for the secrets that
 * the block uses in which they stand. A value that is not worth looking for
 * (redact/worth.h) is used all the same, and warned of where it is loaded. */
void policy_secret_look_for(
    struct conf *c, bool (*is_for)(const struct scope *s));

/* At the same time: no secret may be used in a scope for which is_for() holds,
 * or in a scope around one. -1 after conf_fail() with `why` behind the
 * secret's name. */
must_check int policy_secret_forbid(
    struct conf *c, const char *why, bool (*is_for)(const struct scope *s));
