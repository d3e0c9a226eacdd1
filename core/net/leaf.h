#pragma once

/*
 * Leaf certificates, which a worker shows to its clients. The keeper signs
 * them; the worker builds them around its one key and caches them by sandbox
 * and name. Never blocks.
 */

#include "base/str.h"
#include "net/task.h"

struct ssl_st;
struct leaf;
struct leaf_cache;

/* The sandbox whose CA signs. All of it is public. */
struct leaf_owner {
    uint64_t serial;
    uint32_t index; /* the CA's record in the vault */
    struct str ca_cert_der;
};

enum leaf_state {
    LEAF_READY,
    LEAF_PENDING,
    LEAF_DENIED, /* the sandbox has asked for too many new names */
    LEAF_FAILED  /* the keeper refused, or the name is malformed */
};

/* `keeper` is a SEQPACKET socket; the cache takes it. At most `max` leaves are
 * kept: when there are more, the sandbox that has the most loses the one that
 * it has not used for the longest time. A sandbox may ask for `rate` new names
 * a second, with a burst of as many. NULL after a log line. */
struct leaf_cache *leaf_cache_new(
    struct loop *l, int keeper, unsigned max, unsigned rate);
void leaf_cache_free(struct leaf_cache *c);

/* How long to wait for the keeper, 5 s by default; who waited longer gets
 * LEAF_FAILED. */
void leaf_cache_set_patience(struct leaf_cache *c, double seconds);

/* A new keeper reads the same socket now: asks again for what is pending. */
void leaf_cache_ask_again(struct leaf_cache *c);

/* `name`: canonical host name or address text. READY: a reference in *out.
 * PENDING: wakes `waiter` (task_grant) when there is news. */
enum leaf_state leaf_get(struct leaf_cache *c, const struct leaf_owner *o,
    struct str name, struct task *waiter, struct leaf **out);

/* Ends the wait of `waiter`; a cancel function of a task calls it. */
void leaf_forget(struct leaf_cache *c, struct task *waiter);

void leaf_unref(struct leaf *leaf);

/* Gives the certificate and the key to a handshake. -1: OpenSSL refuses. */
must_check int leaf_use(const struct leaf *leaf, struct ssl_st *ssl);

/* What a session ticket is bound to: the SHA-256 of the CA (the SHA-256 of its
 * certificate) and of the canonical name. */
void leaf_sid_ctx(
    const uint8_t ca_digest[32], struct str name, uint8_t out[32]);

/* For leaf_cache.c: the worker's one key, and a leaf built around it, with one
 * reference. NULL if OpenSSL refuses. */
struct cert_issuer;
struct leaf_key;
struct mint_answer;

struct leaf_key *leaf_key_new(void); /* NULL after a log line */
void leaf_key_free(struct leaf_key *k);
const uint8_t *leaf_key_public(const struct leaf_key *k);
struct leaf *leaf_new(const struct leaf_key *k,
    const struct cert_issuer *issuer, struct str name,
    const struct mint_answer *a);
struct leaf *leaf_ref(struct leaf *leaf);
double leaf_not_after(const struct leaf *leaf); /* clock_wall() */
