#pragma once

/*
 * One sandbox: who it is and what it may. Counted by reference: the set that
 * it stands in (sandbox_set.h) has one, and so has each of its connections. One
 * that was taken out of the set lives until its connections have ended, and is
 * marked as ended. Only the set changes it, and the master, which gives it its
 * serial and its CA before the fork.
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
    uint64_t serial;   /* never used again; 0 until assigned */
    unsigned index;    /* its record in the vault */
    struct str ca_der; /* its CA certificate, DER; n 0 until assigned */
    uint8_t ca_digest[SHA256_SIZE]; /* of ca_der */
    struct policy *policy;          /* effective; the newest */
    const struct scope *scope;      /* its block's, or its class's; the parent
                                       of its own is its class's */
    bool has_token;
    bool is_ended; /* it is in no set any more */
    uint8_t token[SHA256_SIZE];
    struct cidr *addresses;
    unsigned n_addresses;
    const struct token *at; /* its place in the config file; NULL: in none */
    struct list conns;      /* of the worker: proxy/worker_sandbox.h */
    struct list node;       /* of its set */
    struct map_node by_id, by_token;
    char id_text[ID_MAX];
};

#define SANDBOX_MAGIC 0x5a4db0c5u

/* For sandbox_set.c: one reference, no policy yet, in no set. */
struct sandbox *sandbox_new(struct str id);

struct sandbox *sandbox_ref(struct sandbox *sb);
void sandbox_unref(struct sandbox *sb);

/* Once, before any connection is its. The certificate is copied. */
void sandbox_assign(
    struct sandbox *sb, uint64_t serial, unsigned index, struct str ca_der);
