#pragma once

/*
 * What the configuration says of secrets: `secret NAME SOURCE [per_sandbox]
 * [hosts=…] [placeholder=…];` in egress (shared) or in a sandbox_class, and
 * what each is bound to (SPEC 7). Values are in secret_store.h.
 *
 * Who calls what, and when:
 * - while a configuration is bound, the credential module finds a secret by
 *   policy_secret_find() and marks each use by policy_secret_mark_use();
 * - when egress is checked, every use is judged: `hosts=` is required in a
 *   handler, in a block with a wildcard or regex name, and beside proxy_pass; a
 *   shared block needs `classes` if there are two classes or more;
 * - for a request, policy_secret_may_go() is called, then secret_get(); without
 *   a value the answer is 502, and the request does not leave.
 */

#include "conf/bind.h"
#include "match/pattern.h"
#include "secret/secret_spec.h"
#include "secret/secret_store.h"

struct block;
struct policy_secret_conf;
struct policy_secret_list;

struct policy_secret {
    struct secret_spec spec;   /* for the store */
    struct pattern_set *hosts; /* NULL: the names of the block that uses it */
    struct str placeholder;    /* visible ASCII; n 0: none */
    const struct scope *scope; /* egress, or the sandbox_class it stands in */
    const struct token *at;
    struct policy_secret *next; /* in order of index */
};

extern const struct conf_part policy_secret_part;

/* All secrets of a conf, in order of index; NULL: none. */
const struct policy_secret *policy_secrets(const struct conf *c);

/* Reads the values of all secrets of a conf, also for -t. -1 with the reason,
 * file and line in err. The store is freed with the conf. */
must_check int policy_secrets_load(struct conf *c, char *err, size_t err_size);

/* Of a loaded conf; NULL before. */
struct secret_store *policy_secret_store(const struct conf *c);

/* The secret of that name in a scope: its class's own, otherwise egress's.
 * NULL: none. */
const struct policy_secret *policy_secret_find(
    const struct conf *c, const struct scope *s, struct str name);

/* While the conf is bound: the scope that is being bound, a host block, handler
 * or location, uses the secret. False after conf_error() at `at`: no secret may
 * stand here. */
must_check bool policy_secret_mark_use(
    struct bind *b, const struct policy_secret *d, const struct token *at);

/* Whether a request that the block serves may carry the secret to `host`
 * (canonical): hosts= has the host or, without hosts=, the block's names do.
 * `block` is a host block or handler. */
bool policy_secret_may_go(const struct policy_secret *d,
    const struct block *block, struct str host, const struct addr *literal);

/* Walks the secrets that a request may carry to a host: those that the block
 * which serves it, or a location of the block, uses and that are bound to the
 * host. Each comes once, in the order of first use. */
struct policy_secret_walk {
    const struct policy_secret_list *list; /* NULL: it uses none */
    struct str host;
    const struct addr *literal;
    unsigned i;
};

/* `block` is a host block or handler; NULL: none serves the host. `host` and
 * `literal` are those for pattern_match(), and outlive the walk. */
void policy_secret_walk_init(struct policy_secret_walk *w,
    const struct block *block, struct str host, const struct addr *literal);
const struct policy_secret *policy_secret_walk_next(
    struct policy_secret_walk *w);

/* The i-th secret that the host block or handler, or a location of it, uses,
 * whatever it is bound to. NULL past the last. */
const struct policy_secret *policy_secret_nth(
    const struct block *block, unsigned i);

/* Called when egress is checked, by a part behind policy_secret_part. If
 * is_for() holds for a scope, its responses are searched for the secrets that
 * its block uses. A value that is not worth_looking_for() is used all the same,
 * and a warning is logged when it is loaded. */
void policy_secret_look_for(
    struct conf *c, bool (*is_for)(const struct scope *s));

/* Called at the same time: no secret may be used in a scope for which is_for()
 * holds, or in a scope around one. -1 after conf_fail(); its message has the
 * secret's name, then `why`. */
must_check int policy_secret_forbid(
    struct conf *c, const char *why, bool (*is_for)(const struct scope *s));
