#pragma once

/*
 * Authentication schemes, as far as a proxy must know them: NTLM, Negotiate
 * (RFC 4559), Kerberos and CredSSP ([MS-WSMV]) say who asks of a whole
 * connection, not of one request.
 */

#include "http/head.h"

/* Whether a challenge (FIELD_WWW_AUTHENTICATE) or the credentials
 * (FIELD_AUTHORIZATION) in `h` are of such a scheme. Several may stand in one
 * line or in several. What stands behind a comma counts as a scheme, in a
 * quoted string too, as clients read it: a yes in doubt costs a connection
 * that others could have used, a wrong no would lend one to a stranger. */
bool auth_is_of_connection(const struct head *h, enum field_id id);

/* How long "Basic", in any case, and the spaces behind it are; 0: the
 * credentials are of another scheme. */
size_t auth_basic_prefix(struct str credentials);
