#pragma once

/*
 * The policy of an exchange: the one that it was decided under, to which it has
 * a reference. All that concerns the exchange reads this one, and not the
 * sandbox's, which may be newer: rules, the guard's ranges, header slots,
 * limits.
 *
 * An exchange waits in many places before it sends anything: in a hook, for its
 * body, for a header slot, for a name, for a connection. So it is judged a
 * second time where it goes on: upstream.c calls tx_judge_again() whenever
 * it is to take up, or to connect, and nowhere else is this asked. A dial or a
 * connection that was begun under the older policy is given up first: the
 * guard's ranges were that one's.
 */

#include "base/obj.h"

struct tx;
struct step;

/* It is its sandbox's, whose newest policy holds for it. */
void tx_take_policy(struct tx *tx);

/* Gives the reference back; once, when it is freed. */
void tx_drop_policy(struct tx *tx);

/* Its sandbox has a newer policy than the one that it was decided under. */
bool tx_is_outdated(const struct tx *tx);

/* Where that is so, decides again by the newest. NULL: it goes on, under that
 * one, served as before. A refusal is answered as it would have been at first,
 * and what it held upstream (a slot) is given back: its step is returned.
 *
 * Allowed by another block or location than before it is answered by 503, and
 * the client may try again at once: the hooks of the first block have changed
 * the head already, perhaps put a credential into it, and that cannot be
 * undone. */
must_check const struct step *tx_judge_again(struct tx *tx);

/* Whether the newest policy refuses it; for what runs, which only a refusal
 * ends. Changes nothing. */
bool tx_is_denied(struct tx *tx);
