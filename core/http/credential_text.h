#pragma once

/*
 * Tells whether a literal text is a credential: by the name of its field or
 * parameter, or by its own look. For configurations, where a credential must be
 * a secret. Nothing that a sandbox sends is judged by it.
 */

#include "base/str.h"

/* Whether a field or parameter of that name holds a credential. The end of the
 * name decides, in any case and with `_` read as `-`: Authorization, X-Api-Key,
 * access_token. Anti-forgery tokens do not count. */
bool credential_text_is_name(struct str name);

/* Whether a value is a credential. It is if one of its words has the prefix of
 * a well-known token (`ghp_`, `sk-`, a JWT) and 12 bytes or more behind it; if
 * one word of 8 bytes or more follows an authentication scheme (`Bearer`,
 * `Basic`, `Token`, `ApiKey`); or if it has a PEM header ("-----BEGIN "). */
bool credential_text_is_value(struct str value);
