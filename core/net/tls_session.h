#pragma once

/*
 * Sessions with origins, to be resumed: the newest for each key, bounded by
 * count. When one has to go it is the largest holder's, used longest ago. The
 * key holds all that a session was verified for, first of all whose it is.
 */

#include "base/str.h"

/* Bytes at the start of a key that are its holder: a sandbox's serial. */
#define TLS_SESSION_HOLDER 8

struct ssl_session_st;
struct tls_sessions;

struct tls_sessions *tls_sessions_new(unsigned max); /* 1 or more */
void tls_sessions_free(struct tls_sessions *s);

/* Takes the session. */
void tls_sessions_put(
    struct tls_sessions *s, struct str key, struct ssl_session_st *session);

/* Lends the session, or NULL. */
struct ssl_session_st *tls_sessions_get(struct tls_sessions *s, struct str key);

/* Frees all of that sandbox, which has ended. */
void tls_sessions_forget(struct tls_sessions *s, uint64_t serial);
