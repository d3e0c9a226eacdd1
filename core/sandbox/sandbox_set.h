#pragma once

/*
 * The sandboxes that this process knows. One is found by its id, by the source
 * address, or by its token. Sandboxes are added, changed and removed at any
 * time; each of these is done whole or not at all, and its cost does not grow
 * with the number of sandboxes.
 *
 * Who calls what, and when:
 * - conf_bind() with sandbox_part makes a set and adds the sandboxes of the
 * file; sandbox_set_of() returns it (sandbox_conf.h);
 * - the master, at commit, walks all by sandbox_set_next() and calls
 *   sandbox_assign() for each; an id that the last configuration had keeps its
 *   serial;
 * - after the fork each worker has a copy of its own;
 * - proxy/ and modules call sandbox_identify() for each connection and head,
 * then decide() (policy/decide.h);
 * - a worker makes changes by proxy/worker_sandbox.h, which makes the
 * connections follow.
 */

#include "sandbox/sandbox.h"

struct sandbox_set;

struct sandbox_set *sandbox_set_new(void);
void sandbox_set_free(struct sandbox_set *s); /* removes all */

/* All that a sandbox is made of. Texts and addresses are copied. */
struct sandbox_spec {
    struct str id;         /* valid (base/id.h) */
    struct policy *policy; /* a reference is taken */
    const struct scope *scope;
    const uint8_t *token; /* its SHA-256; NULL: none */
    const struct cidr *addresses;
    unsigned n_addresses;
    const struct token *at; /* NULL: in no file */
};

/* Why a spec is refused: another sandbox has this. */
struct sandbox_clash {
    enum { CLASH_ID, CLASH_TOKEN, CLASH_ADDRESS } what;
    unsigned address; /* the index in spec.addresses */
    struct str id;    /* of the other sandbox, lent by the set; the spec's own
                         if that has a range twice */
};

/* Adds a sandbox, and lends it. NULL, with *clash: another has its id, its
 * token or one of its ranges. A range may lie in the range of another. */
must_check struct sandbox *sandbox_set_add(struct sandbox_set *s,
    const struct sandbox_spec *spec, struct sandbox_clash *clash);

/* Changes a sandbox to the spec, all but its id and serial. The policy is the
 * one that it has, or has a higher revision. False, with *clash: nothing has
 * changed. */
must_check bool sandbox_set_change(struct sandbox_set *s, struct sandbox *sb,
    const struct sandbox_spec *spec, struct sandbox_clash *clash);

/* The sandbox is not found any more, and is_ended; the set gives up its
 * reference. */
void sandbox_set_remove(struct sandbox_set *s, struct sandbox *sb);

/* The next one in the order in which they were added, which is that of the
 * file; `prev` NULL: the first. NULL past the last. */
struct sandbox *sandbox_set_next(
    const struct sandbox_set *s, const struct sandbox *prev);
unsigned sandbox_set_count(const struct sandbox_set *s);

/* NULL if there is none. */
struct sandbox *sandbox_by_id(const struct sandbox_set *s, struct str id);

/* The sandbox whose range has the address; of several ranges the longest prefix
 * counts. The peer of a unix socket has no sandbox. */
struct sandbox *sandbox_by_addr(
    const struct sandbox_set *s, const struct addr *a);

/* Whether a sandbox is at the address. A range of all addresses (/0) does not
 * count: it says who may connect, not where a sandbox is. */
bool sandbox_is_at(const struct sandbox_set *s, const struct addr *a);

/* The sandbox of that id, if its token has that SHA-256; otherwise NULL. Does
 * the same work for an id that does not exist. */
struct sandbox *sandbox_auth(const struct sandbox_set *s, struct str id,
    const uint8_t token[SHA256_SIZE]);

/* Whether some sandbox has a token; if none has, a 407 helps nobody. */
bool sandbox_set_has_tokens(const struct sandbox_set *s);

/* For Bearer: the sandbox whose token has that SHA-256; NULL: none. */
struct sandbox *sandbox_by_token(
    const struct sandbox_set *s, const uint8_t token[SHA256_SIZE]);
