#pragma once

/*
 * Sessions with origins, to be resumed: the newest for each key, bounded by
 * count, the least recently used going first. The key holds all that a
 * session was verified for.
 */

#include "base/str.h"

struct ssl_session_st;
struct tls_sessions;

struct tls_sessions *tls_sessions_new(unsigned max);
void tls_sessions_free(struct tls_sessions *s);

/* Takes the session. */
void tls_sessions_put(
    struct tls_sessions *s, struct str key, struct ssl_session_st *session);

/* Lends the session, or NULL. */
struct ssl_session_st *tls_sessions_get(struct tls_sessions *s, struct str key);
