#pragma once

/*
 * The upstream connection that belongs to one client connection. NTLM and
 * Negotiate authenticate a connection (RFC 4559): whatever goes over it later
 * is done in that client's name. So it is never pooled: it waits for the next
 * request of the same client connection to the same origin, and ends with it.
 *
 * A client connection has one of them, of the origin that authenticated it
 * last. In a tunnel there is one origin. A client that goes to several over
 * one plain connection begins anew where it comes back, as it would with an
 * origin that closes.
 */

#include "wire/pool.h"

struct conn;

/* Where the client connection's own waits; NULL: it has none for that key.
 * The conn's reference. */
struct pool_host *pinned_find(struct conn *c, const struct pool_key *key);

/* The same, made where there is none: one of another origin is closed. */
struct pool_host *pinned_place(struct conn *c, const struct pool_key *key);

/* Closes it, if there is one. The conn ends. */
void pinned_close(struct conn *c);
