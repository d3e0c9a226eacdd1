#pragma once

/*
 * What becomes of the TLS in a tunnel where it is not opened: it is passed
 * through, as long as that leaves out no rule that needs requests to be seen.
 * For hook.c, sniff.c and tx_request.c; modules have hooks_tunnel().
 */

#include "wire/xfer.h"

struct decision;
struct tx;

/* Whether the tunnel may be passed through: all in it may leave, and its block
 * asks for nothing that only requests show. */
bool tunnel_may_pass(const struct decision *d);

/* A sentence that says why it is neither opened nor passed through; in `a`. */
struct str tunnel_refusal(const struct decision *d, struct arena *a);

/* Answers 403, since that tunnel is neither opened nor passed through. Returns
 * V_REPLY. */
must_check enum verdict tunnel_refuse(struct tx *tx);
