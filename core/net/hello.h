#pragma once

/*
 * The TLS ClientHello, read from bytes alone: what name it asks for is what
 * weir judges, never OpenSSL's view of it. Pure; RFC 8446 4.1.2, RFC 6066 3.
 */

#include "base/str.h"

enum hello_result {
    HELLO_MORE, /* not all of it is there */
    HELLO_OK,
    HELLO_NOT_TLS,
    HELLO_BAD /* malformed, larger than HELLO_MAX, in too many records */
};

/* Of the handshake message; OpenSSL itself takes 131,396. */
#define HELLO_MAX (16 * 1024)

/* In the smallest records that RFC 8449 knows, of which each has a head. */
#define HELLO_RECORDS_MAX (HELLO_MAX / 64)
#define HELLO_BYTES_MAX (HELLO_MAX + 4 + 5 * HELLO_RECORDS_MAX)

struct hello {
    char sni[256];  /* host_name as sent; NUL-terminated */
    size_t sni_len; /* 0: none */
    size_t size;    /* of its records: behind them is something else */
    bool has_ech;   /* encrypted_client_hello, of a draft too, is offered or
                       greased */
    bool offers_h2;
    bool has_tls13; /* supported_versions has 0x0304 */
};

/* `in` begins with the first record and may end anywhere. */
enum hello_result hello_parse(struct str in, struct hello *out);
