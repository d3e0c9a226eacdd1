#pragma once

/*
 * Placeholders that pass in a body where nothing is put in their place, because
 * it cannot be read: the log says so, once for a request, so that whoever
 * wonders why an origin got a placeholder finds out. It never holds or changes
 * a byte, and sees no secret. For a module that replaces placeholders, and for
 * tx_substitute.c.
 */

#include "http/needles.h"
#include "wire/pump.h"

struct policy_secret;

/* Bytes of a body that are looked at. */
#define TX_LOOK_MAX (1024 * 1024)

struct tx_look {
    struct tx *tx;
    const char *why; /* static: the body is not read */
    struct needles needles;
    const struct policy_secret *secrets[NEEDLES_MAX]; /* of each */
    size_t seen;
    bool is_over;
};

/* `why` is static: what is said of "it". */
void tx_look_begin(struct tx_look *l, struct tx *tx, const char *why);

/* Each secret once, however often it is added. */
void tx_look_add(struct tx_look *l, const struct policy_secret *d);

/* More of the body, in order. */
void tx_look_at(struct tx_look *l, struct str bytes);

/* The same by a filter of the request's body: its secrets are added before the
 * first byte comes. */
struct tx_look *tx_look_at_body(struct tx *tx, const char *why);
