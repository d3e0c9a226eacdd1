#pragma once

/*
 * From a 101 on, or in a passthrough tunnel: what each end says is passed on to
 * the other byte for byte, and so is its end, until both have ended. One
 * exchange, logged once; the client's task fills and drains the pumps on its
 * side, the exchange's on the origin's.
 */

#include "base/obj.h"

struct tx;

/* The origin has switched protocols: what it sent behind its head goes first.
 */
void splice_begin(struct tx *tx);
