#pragma once

/*
 * Where OpenSSL looks for the machine's CA certificates. Called where a
 * configuration is warned of; tls_ctx.c reads them.
 */

#include "base/obj.h"

/* Whether any may be there: a file that is not empty, or a directory with
 * something in it. What was looked at, in the environment's lifetime, in *file
 * and *dir. */
bool tls_store_is_there(const char **file, const char **dir);
