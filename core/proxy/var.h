#pragma once

/*
 * The variables that the proxy gives to values and log formats. Their ctx is
 * a struct tx. `$secret_…` is not here: only the credential module has it.
 */

#include "conf/value.h"

extern const struct var_def proxy_vars[];
