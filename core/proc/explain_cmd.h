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
    EXPLAIN_FORWARDED, /* it would be sent upstream; also for a list */
    EXPLAIN_REFUSED,   /* it would be denied, or answered by weir itself */
    EXPLAIN_USAGE      /* the arguments are wrong; stderr says how */
};

enum explain_code explain_cmd_run(
    const struct conf *c, const struct explain_args *args);
