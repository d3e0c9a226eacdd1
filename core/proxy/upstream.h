#pragma once

/*
 * How an exchange gets a peer and gives it back. Its steps up to the response's
 * head are in upstream.c (tx.h has their entries); what comes then is in
 * tx_response.c.
 */

#include "base/obj.h"

struct tx;
struct step;

/* Sends what there is to send; failures show at the next receive. */
void upstream_send(struct tx *tx);

/* Bytes of it may have left, on this connection or one before. */
bool upstream_has_begun(const struct tx *tx);

/* The response is complete: the peer to the pool, or closed. */
void upstream_release(struct tx *tx);

/* Closes the peer, or cancels the dial. */
void upstream_close(struct tx *tx);

/* The same where no head will come any more: what waits for one is told. */
void upstream_give_up(struct tx *tx);

/* Nobody is left to answer, or a hook wants no answer: closes, and goes to the
 * last step. */
must_check const struct step *upstream_abandon(struct tx *tx);
