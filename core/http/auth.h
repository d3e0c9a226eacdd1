#pragma once

/*
 * Authentication schemes, as far as a proxy must know them: NTLM, Negotiate
 * (RFC 4559), Kerberos and CredSSP ([MS-WSMV]) authenticate a whole connection,
 * not one request.
 */

#include "http/head.h"

/* Whether `h` has a challenge (FIELD_WWW_AUTHENTICATE) or credentials
 * (FIELD_AUTHORIZATION) of such a scheme, in any of its field lines. As clients
 * do, it reads a scheme behind each comma, even in a quoted string: a wrong yes
 * costs a connection that others could have used, a wrong no would give an
 * authenticated connection to somebody else. */
bool auth_is_of_connection(const struct head *h, enum field_id id);

/* The length in bytes of "Basic", in any case, and of the spaces behind it; 0:
 * the credentials are of another scheme. */
size_t auth_basic_prefix(struct str credentials);
