#pragma once

/*
 * The known methods, for warnings about a configuration. No request is judged
 * by them: a request's method is any token (RFC 9110 9.1).
 */

#include "base/str.h"

/* Whether IANA's registry of HTTP methods has it, or it is in wide use (PURGE,
 * those of UPnP). Methods are case-sensitive. */
bool method_is_known(struct str method);
