#pragma once

/*
 * The parts of TLS records that weir reads and writes without OpenSSL: the head
 * (type, version, length; RFC 8446 5.1), and the alert that ends a handshake
 * before it has begun (6.2).
 */

#include <stddef.h>
#include <stdint.h>

#define TLS_RECORD_HEAD 5
#define TLS_RECORD_HANDSHAKE 22

/* The bytes that the head says will follow: any number. */
static inline size_t
tls_record_size(const uint8_t head[TLS_RECORD_HEAD])
{
    return (size_t)head[3] << 8 | head[4];
}

enum tls_alert {
    ALERT_ACCESS_DENIED = 49,
    ALERT_DECODE_ERROR = 50,
    ALERT_INTERNAL_ERROR = 80,
    ALERT_MISSING_EXTENSION = 109,
    ALERT_UNRECOGNIZED_NAME = 112
};

#define TLS_ALERT_SIZE (TLS_RECORD_HEAD + 2)

/* Writes a fatal alert in a record of its own. */
static inline void
tls_alert_write(char out[TLS_ALERT_SIZE], enum tls_alert alert)
{
    const char record[TLS_ALERT_SIZE] = { 21, 3, 3, 0, 2, 2, (char)alert };
    for (size_t i = 0; i < sizeof record; i++) {
        out[i] = record[i];
    }
}
