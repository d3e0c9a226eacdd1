#pragma once

/*
 * The header by which a front end says, before all else, whose connection it
 * passes on: HAProxy's PROXY protocol, versions 1 (a line) and 2 (binary). From
 * bytes alone; whether the front end is to be believed is the caller's affair.
 */

#include "base/addr.h"

/* Bytes of a header that is read; version 2 has TLVs of up to 64k. */
#define PROXY_PROTOCOL_MAX 4096

enum proxy_protocol_result {
    PROXY_PROTOCOL_MORE, /* not all of it is there */
    PROXY_PROTOCOL_OK,
    PROXY_PROTOCOL_BAD /* malformed, too large, or no such header */
};

/* TLVs are looked through and thrown away. */
struct proxy_protocol {
    bool has_client;    /* false: LOCAL or UNKNOWN, the front end's own */
    struct addr client; /* with its port; ADDR_UNIX, or of family 0 then */
};

/* `in` begins with the first byte of the connection and may end anywhere. On OK
 * *n is the header's length: what lies behind it is the client's. */
enum proxy_protocol_result proxy_protocol_parse(
    struct str in, struct proxy_protocol *out, size_t *n);
