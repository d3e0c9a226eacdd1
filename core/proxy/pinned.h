#pragma once

/*
 * The upstream connection that belongs to one client connection. NTLM and
 * Negotiate authenticate a connection (RFC 4559): later requests over it are
 * made in the name of that client. So no other client may use it: it waits for
 * the next request of the same client connection to the same origin, and ends
 * with the client connection.
 *
 * A client connection has at most one, to the origin at which it authenticated
 * last. In a tunnel there is one origin anyway. A client that uses several
 * origins over one plain connection must authenticate again when it returns to
 * an earlier one, as it must with an origin that closes.
 */

#include "wire/pool.h"

struct conn;

/* The pool's entry where it waits; NULL: there is none for that key. The
 * reference is the conn's. */
struct pool_host *pinned_find(struct conn *c, const struct pool_key *key);

/* The same, but makes the entry if there is none, and closes that of another
 * origin. */
struct pool_host *pinned_place(struct conn *c, const struct pool_key *key);

/* Closes it, if there is one: the conn ends. */
void pinned_close(struct conn *c);
