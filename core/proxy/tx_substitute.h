#pragma once

/*
 * Secrets on their way into a request's body: for a module whose filter puts
 * values in the place of placeholders (http/substitute.h). They are the values
 * that there are when the request leaves, however long its body takes: a
 * response is searched for those. One is copied when its placeholder is found,
 * and not before.
 */

#include "http/substitute.h"
#include "proxy/tx_look.h"
#include "proxy/tx_secret.h"
#include "secret/secret_memory.h"

struct tx_substitute {
    struct tx *tx;
    struct substitution substitution;
    struct tx_look look; /* at the rest of a body that is malformed */
    unsigned n;
    struct substitute_rule rules[SCAN_FIELDS_MAX];
    const struct policy_secret *secrets[SCAN_FIELDS_MAX]; /* of each rule */
    struct secret_value held[SCAN_FIELDS_MAX];            /* p NULL: missing */
    struct str values[SCAN_FIELDS_MAX]; /* escaped; p NULL: not needed yet */
};

/* A filter's state, zeroed: rules are added, SCAN_FIELDS_MAX at most, each for
 * the placeholder of a secret, and then it begins. That the exchange needs TLS
 * was said before anything of it left. */
void tx_substitute_add(struct tx_substitute *f, const struct policy_secret *d,
    const struct json_pointer *pointer, struct str name);
void tx_substitute_begin(
    struct tx_substitute *f, struct tx *tx, enum substitute_kind kind);

/* A filter's run(). F_ERROR after tx_fail(), with a body_reply. */
enum flow tx_substitute_run(
    void *tx_substitute, struct bufq *in, struct bufq *out, enum need need);

/* A filter's fini(). */
void tx_substitute_fini(void *tx_substitute);
