#pragma once

/*
 * The sandboxes that this process knows, and how one is found: by id, by
 * source address, by token. Additions, changes and removals at any time, each
 * all or nothing, in steps that do not grow with the number of sandboxes.
 *
 * Who calls what, when:
 * - conf_bind() with sandbox_part makes a set and adds what the file says;
 *   sandbox_set_of() gives it (sandbox_conf.h).
 * - The master, at commit: sandbox_set_next() over all, and for each
 *   sandbox_assign(). An id that the last configuration had keeps its serial.
 * - Fork. From here on a worker's set is its own copy.
 * - proxy/ and modules: sandbox_identify() for each connection and head, then
 *   decide() (policy/decide.h).
 * - A worker, at a change: proxy/worker_sandbox.h, which has the connections
 *   follow.
 */

#include "sandbox/sandbox.h"

struct sandbox_set;

struct sandbox_set *sandbox_set_new(void);
void sandbox_set_free(struct sandbox_set *s); /* removes all */

/* All that is said of a sandbox; all is copied, or referred to. */
struct sandbox_spec {
    struct str id;         /* valid (base/id.h) */
    struct policy *policy; /* a reference is taken */
    const struct scope *scope;
    const uint8_t *token; /* its SHA-256; NULL: none */
    const struct cidr *addresses;
    unsigned n_addresses;
    const struct token *at; /* NULL: in no file */
};

/* Why it cannot be. */
struct sandbox_clash {
    enum { CLASH_ID, CLASH_TOKEN, CLASH_ADDRESS } what;
    unsigned address; /* which of the spec's */
    struct str id;    /* of the sandbox that has it, lent by the set; the
                         spec's own, where that names a range twice */
};

/* NULL, and *clash says why, when the id, the token or one of the ranges is
 * another's; ranges may lie in one another. Lent by the set. */
must_check struct sandbox *sandbox_set_add(struct sandbox_set *s,
    const struct sandbox_spec *spec, struct sandbox_clash *clash);

/* The same for one that is there: its id and serial stay. The policy is the
 * one that it has, or of a higher revision. False: nothing has changed. */
must_check bool sandbox_set_change(struct sandbox_set *s, struct sandbox *sb,
    const struct sandbox_spec *spec, struct sandbox_clash *clash);

/* It is found no more, and is_ended; the set's reference goes. */
void sandbox_set_remove(struct sandbox_set *s, struct sandbox *sb);

/* In the order of their addition, that of the file; `prev` NULL: the first.
 * NULL past the last. */
struct sandbox *sandbox_set_next(
    const struct sandbox_set *s, const struct sandbox *prev);
unsigned sandbox_set_count(const struct sandbox_set *s);

/* NULL if there is none. */
struct sandbox *sandbox_by_id(const struct sandbox_set *s, struct str id);

/* The sandbox with the longest prefix that holds the address; a unix peer has
 * none. */
struct sandbox *sandbox_by_addr(
    const struct sandbox_set *s, const struct addr *a);

/* Whether the address is registered for a sandbox. A range of everything (/0)
 * registers none: it says who may come, and not where a sandbox is. */
bool sandbox_is_at(const struct sandbox_set *s, const struct addr *a);

/* Whether that id has a token of that SHA-256; the same work for an id that
 * is not there. NULL if not. */
struct sandbox *sandbox_auth(const struct sandbox_set *s, struct str id,
    const uint8_t token[SHA256_SIZE]);

/* Whether any sandbox has a token: without one a 407 would lead nowhere. */
bool sandbox_set_has_tokens(const struct sandbox_set *s);

/* By the SHA-256 of a token alone (Bearer). */
struct sandbox *sandbox_by_token(
    const struct sandbox_set *s, const uint8_t token[SHA256_SIZE]);
