#pragma once

/*
 * What is read of TLS records by those who look at bytes alone: the head, of
 * type, version and length (RFC 8446 5.1).
 */

#include <stddef.h>
#include <stdint.h>

#define TLS_RECORD_HEAD 5
#define TLS_RECORD_HANDSHAKE 22

/* Bytes behind the head; it may be any number. */
static inline size_t
tls_record_size(const uint8_t head[TLS_RECORD_HEAD])
{
    return (size_t)head[3] << 8 | head[4];
}
