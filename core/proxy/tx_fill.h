#pragma once

/*
 * Secrets on their way into a request's body: for a module whose filter puts
 * values in the place of placeholders (http/fill.h). They are the values that
 * there are when the request leaves, however long its body takes: a response
 * is searched for those. One is copied when its placeholder is found, and not
 * before.
 */

#include "http/fill.h"
#include "proxy/tx_look.h"
#include "proxy/tx_secret.h"
#include "sandbox/secret_memory.h"

struct tx_fill {
    struct tx *tx;
    struct fill fill;
    struct tx_look look; /* at the rest of a body that is malformed */
    unsigned n;
    struct fill_rule rules[SCAN_FIELDS_MAX];
    const struct secret_def *secrets[SCAN_FIELDS_MAX]; /* of each rule */
    struct secret_value held[SCAN_FIELDS_MAX];         /* p NULL: missing */
    struct str values[SCAN_FIELDS_MAX]; /* escaped; p NULL: not needed yet */
};

/* A filter's state, zeroed: rules are added, SCAN_FIELDS_MAX at most, each for
 * the placeholder of a secret, and then it begins. That the exchange needs TLS
 * was said before anything of it left. */
void tx_fill_add(struct tx_fill *f, const struct secret_def *d,
    const struct json_pointer *pointer, struct str name);
void tx_fill_begin(struct tx_fill *f, struct tx *tx, enum fill_kind kind);

/* A filter's run(). F_ERROR after tx_fail(), with a body_reply. */
enum flow tx_fill_run(
    void *tx_fill, struct bufq *in, struct bufq *out, enum need need);

/* A filter's fini(). */
void tx_fill_fini(void *tx_fill);
