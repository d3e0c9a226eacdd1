#pragma once

/*
 * Reads a TLS ClientHello from bytes alone (RFC 8446 4.1.2, RFC 6066 3). weir
 * judges the name that is read here, never OpenSSL's view of it. Pure.
 */

#include "base/str.h"

enum hello_result {
    HELLO_MORE, /* it is not complete yet */
    HELLO_OK,
    HELLO_NOT_TLS,
    HELLO_BAD /* malformed, larger than HELLO_MAX, in too many records */
};

/* The most bytes of the handshake message. OpenSSL takes 131,396. */
#define HELLO_MAX (16 * 1024)

/* The most records: of the smallest size that RFC 8449 knows. Each has a
 * head. */
#define HELLO_RECORDS_MAX (HELLO_MAX / 64)
#define HELLO_BYTES_MAX (HELLO_MAX + 4 + 5 * HELLO_RECORDS_MAX)

struct hello {
    char sni[256];  /* host_name as sent; NUL-terminated */
    size_t sni_len; /* 0: none */
    size_t size;    /* bytes of its records; what follows is not the hello */
    bool has_ech;   /* encrypted_client_hello, also of a draft, is offered or
                       greased */
    bool offers_h2;
    bool has_tls13; /* supported_versions has 0x0304 */
};

/* `in` begins with the first record and may end anywhere. */
enum hello_result hello_parse(struct str in, struct hello *out);
