#pragma once

/*
 * Sessions with origins, for resumption: the newest for each key, a limited
 * number. When there are too many, the holder with the most loses the one that
 * was used longest ago. The key holds everything that the session was verified
 * for, and begins with its holder: the sandbox.
 */

#include "base/str.h"

/* Bytes at the start of a key that are the holder: the serial of a sandbox. */
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
