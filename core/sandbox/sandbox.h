#pragma once

/*
 * One sandbox: who it is and what it may do. Counted by reference: its set
 * (sandbox_set.h) has a reference, and so has each of its connections. A
 * sandbox that is removed from the set is marked as ended, and lives until its
 * connections have ended. Only the set changes a sandbox, and the master, which
 * gives it its serial and its CA before the fork.
 */

#include "base/addr.h"
#include "base/digest.h"
#include "base/id.h"
#include "base/list.h"
#include "base/map.h"
#include "policy/policy.h"

struct scope;
struct token;

struct sandbox {
    unsigned magic;
    unsigned refs;
    struct str id;
    uint64_t serial;   /* never used again; 0 until it is assigned */
    unsigned index;    /* of its records in the vault and in the ledger */
    struct str ca_der; /* its CA certificate, DER; n 0 until assigned */
    uint8_t ca_digest[SHA256_SIZE]; /* of ca_der */
    struct policy *policy;          /* the newest */
    const struct scope *scope; /* of its block, whose parent is the class's;
                                  without a block, of its class */
    bool has_token;
    bool is_ended; /* it was removed from its set */
    uint8_t token[SHA256_SIZE];
    struct cidr *addresses;
    unsigned n_addresses;
    const struct token *at; /* its place in a file; NULL: it is in none */
    struct list conns;      /* of this worker: proxy/worker_sandbox.h */
    struct list node;       /* in its set */
    struct map_node by_id, by_token;
    char id_text[ID_MAX];
};

#define SANDBOX_MAGIC 0x5a4db0c5u

/* For sandbox_set.c: a sandbox with one reference, without a policy, in no set.
 */
struct sandbox *sandbox_new(struct str id);

struct sandbox *sandbox_ref(struct sandbox *sb);
void sandbox_unref(struct sandbox *sb);

/* Called once, before the sandbox has a connection. Copies the certificate. */
void sandbox_assign(
    struct sandbox *sb, uint64_t serial, unsigned index, struct str ca_der);
