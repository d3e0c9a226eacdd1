#pragma once

/*
 * Parses the header of HAProxy's PROXY protocol, versions 1 (text) and 2
 * (binary): a load balancer sends it first, to tell which client's connection
 * it forwards. The caller decides whether to believe it.
 */

#include "base/addr.h"

/* The most bytes of a header; version 2 would allow 64 KiB of TLVs. */
#define PROXY_PROTOCOL_MAX 4096

enum proxy_protocol_result {
    PROXY_PROTOCOL_MORE, /* the header is not whole */
    PROXY_PROTOCOL_OK,
    PROXY_PROTOCOL_BAD /* malformed, too large, or no such header */
};

/* TLVs are checked and dropped. */
struct proxy_protocol {
    bool has_client; /* false: LOCAL or UNKNOWN, the sender's own connection */
    struct addr client; /* with its port, or ADDR_UNIX; family 0: none */
};

/* `in` begins with the first byte of the connection and may end anywhere. On OK
 * *n is the header's length: the client's bytes begin behind it. */
enum proxy_protocol_result proxy_protocol_parse(
    struct str in, struct proxy_protocol *out, size_t *n);
