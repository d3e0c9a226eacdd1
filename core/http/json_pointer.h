#pragma once

/*
 * JSON pointers (RFC 6901), by which a configuration names fields of a JSON
 * text for json_scan.h.
 */

#include "base/mem.h"

#define JSON_TOKENS_MAX 16
#define JSON_POINTER_MAX 1024 /* bytes */

struct json_pointer {
    unsigned n;
    struct str tokens[JSON_TOKENS_MAX];
};

/* Reads "/a/0/b", with "~0" for "~" and "~1" for "/". The tokens are in the
 * arena. False: `s` is malformed, is "" (which names the whole text), or has
 * more than JSON_TOKENS_MAX tokens or JSON_POINTER_MAX bytes. */
must_check bool json_pointer_parse(
    struct str s, struct arena *a, struct json_pointer *p);
