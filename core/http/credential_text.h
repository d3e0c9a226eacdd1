#pragma once

/*
 * Whether text that somebody wrote out is a credential: by the name of the
 * field or parameter that it is the value of, or by its own look. For
 * configurations, which may hold none but as secrets; what a sandbox sends is
 * never judged by it.
 */

#include "base/str.h"

/* A field or parameter whose value is a credential, by the last words of its
 * name in any case, `_` read as `-`: Authorization, X-Api-Key, access_token.
 * Anti-forgery tokens are none. */
bool credential_text_is_name(struct str name);

/* A value in which a word begins as well-known tokens do (`ghp_`, `sk-`, a
 * JWT) and is long enough to be one, or that is one word of 8 bytes or more
 * behind an authentication scheme (`Bearer`, `Basic`, `Token`). */
bool credential_text_is_value(struct str value);
