#pragma once

/*
 * What a server answers to a ClientHello, read from what it sends first: a
 * ServerHello, or the wish for another ClientHello (RFC 8446 4.1.4). For
 * tunnels that are not opened. Pure; never holds anything up.
 */

#include "base/str.h"

/* A record's head, a message's, legacy_version, random (RFC 8446 4.1.3). */
#define SERVER_HELLO_HEAD (5 + 4 + 2 + 32)

enum server_answer {
    SERVER_UNKNOWN, /* nothing was said yet */
    SERVER_HELLO,   /* no client says a second hello after it */
    SERVER_RETRY    /* HelloRetryRequest, or what is no whole ServerHello */
};

struct server_hello { /* zeroed at first */
    uint8_t head[SERVER_HELLO_HEAD];
    size_t n;
    size_t skip; /* of a record that is no handshake's */
    enum server_answer answer;
};

/* The next bytes of the server's; the answer so far, which stays. */
enum server_answer server_hello_read(struct server_hello *s, struct str bytes);
