#pragma once

/*
 * JSON pointers (RFC 6901): the names of fields in a configuration, for
 * json_scan.h.
 */

#include "base/mem.h"

#define JSON_TOKENS_MAX 16
#define JSON_POINTER_MAX 1024 /* bytes */

struct json_pointer {
    unsigned n;
    struct str tokens[JSON_TOKENS_MAX];
};

/* Reads "/a/0/b", "~0" for "~" and "~1" for "/"; tokens in the arena. False:
 * it is none, names the whole text (""), or is over a limit. */
must_check bool json_pointer_parse(
    struct str s, struct arena *a, struct json_pointer *p);
