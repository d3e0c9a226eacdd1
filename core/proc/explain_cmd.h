#pragma once

/*
 * weir -E SANDBOX [METHOD URL]: what the configuration decides of a request and
 * why (SPEC 5), or all that the sandbox may reach, on standard output. Sends
 * nothing, resolves nothing, reads no secret.
 */

#include "base/str.h"

struct conf;

struct explain_args {
    struct str sandbox;
    struct str method, url; /* p NULL: all that the sandbox may reach */
};

enum explain_code {
    EXPLAIN_FORWARDED, /* it would be sent upstream, or: all was told */
    EXPLAIN_REFUSED,   /* it would be denied, or answered by weir itself */
    EXPLAIN_USAGE      /* the question makes no sense; said on stderr */
};

enum explain_code explain_cmd_run(
    const struct conf *c, const struct explain_args *args);
