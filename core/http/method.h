#pragma once

/*
 * The methods that there are, for warnings of a configuration. Which a request
 * may have is never judged by it: a method is any token (RFC 9110 9.1).
 */

#include "base/str.h"

/* In IANA's registry of HTTP methods, or of wide use without (PURGE, UPnP's).
 * Methods are case-sensitive. */
bool method_is_known(struct str method);
