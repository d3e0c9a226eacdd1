#pragma once

/*
 * What a server answers to a ClientHello: a ServerHello, or a
 * HelloRetryRequest, after which the client sends another ClientHello (RFC 8446
 * 4.1.4). Read from the server's first bytes, in tunnels that weir does not
 * open. Pure; no byte waits for it.
 */

#include "base/str.h"

/* The head of a record, the head of a message, legacy_version and random (RFC
 * 8446 4.1.3). */
#define SERVER_HELLO_HEAD (5 + 4 + 2 + 32)

enum server_answer {
    SERVER_UNKNOWN, /* not known yet */
    SERVER_HELLO,   /* a ServerHello: no other ClientHello follows */
    SERVER_RETRY    /* a HelloRetryRequest, or not a whole ServerHello */
};

struct server_hello { /* zeroed at first */
    uint8_t head[SERVER_HELLO_HEAD];
    size_t n;
    size_t skip; /* bytes left of a record that is to be skipped */
    enum server_answer answer;
};

/* Reads the server's next bytes. The answer so far; once known it stays. */
enum server_answer server_hello_read(struct server_hello *s, struct str bytes);
