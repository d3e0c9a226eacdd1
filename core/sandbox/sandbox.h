#pragma once

/*
 * The sandboxes that this process knows, and how one is found: by id, by
 * source address, by token.
 *
 * Who calls what, when:
 * - conf_bind() with sandbox_part builds the set (check of egress);
 *   sandbox_set_of() gives it (sandbox_conf.h).
 * - The master, at commit: sandbox_set_nth() over all, and for each
 *   sandbox_assign() with its serial, its record number in the vault and its
 *   CA certificate. An id that the last configuration had keeps its serial.
 * - Fork. Workers look up and never change a set.
 * - proxy/ and modules: sandbox_identify() for each connection and head, then
 *   decide() (policy/decide.h).
 */

#include "base/digest.h"
#include "base/map.h"
#include "policy/class.h"
#include "sandbox/identity.h"

struct sandbox {
    unsigned magic;
    struct str id;
    uint64_t serial;   /* never used again; 0 until assigned */
    unsigned index;    /* its record in the vault */
    struct str ca_der; /* its CA certificate, DER; n 0 until assigned */
    uint8_t ca_digest[SHA256_SIZE]; /* of ca_der */
    const struct class *class;
    const struct policy *policy; /* effective */
    const struct scope *scope;   /* its block's; the parent: its class's */
    bool has_token;
    uint8_t token[SHA256_SIZE];
    const struct cidr *addresses;
    unsigned n_addresses;
    const struct token *at; /* its place in the config file */
    struct map_node by_id, by_token;
};

#define SANDBOX_MAGIC 0x5a4db0c5u

struct sandbox_set;

/* In file order; NULL past the last. */
struct sandbox *sandbox_set_nth(const struct sandbox_set *s, unsigned i);
unsigned sandbox_set_count(const struct sandbox_set *s);

/* The master, before the fork. The certificate is copied. */
void sandbox_assign(struct sandbox_set *s, struct sandbox *sb, uint64_t serial,
    unsigned index, struct str ca_der);

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
