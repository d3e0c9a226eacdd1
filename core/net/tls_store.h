#pragma once

/*
 * Where OpenSSL looks for the machine's CA certificates. Used for a warning
 * when a configuration is read; tls_ctx.c reads the certificates.
 */

#include "base/obj.h"

/* Whether there may be any: a file that is not empty, or a directory with an
 * entry. *file and *dir are the places; they live as long as the
 * environment. */
bool tls_store_is_there(const char **file, const char **dir);
