#pragma once

/*
 * Reason phrases of the statuses that weir itself answers with (RFC 9110 15).
 */

#include "base/str.h"

/* "Unknown" for a status that weir does not use. Static. */
struct str reason_of(unsigned status);
