#pragma once

/*
 * The keys of TLS session tickets (RFC 5077 4): a memory file that the keeper
 * writes and every worker maps read-only, so that a ticket of one worker is
 * valid at all. Layout of the file; includes nothing.
 */

#include <stdatomic.h>
#include <stdint.h>

#define TICKET_KEYS_MAGIC 0x7e1ce75bu
#define TICKET_KEYS_VERSION 1u
#define TICKET_KEYS_N 3

struct ticket_key {
    uint8_t name[16];
    uint8_t aes[32];
    uint8_t hmac[32];
};

/* keys[0] encrypts. The others are accepted, and their tickets renewed. The
 * writer makes `sequence` odd, writes, and makes it even again. A reader
 * copies, and tries again if it was odd or has changed. */
struct ticket_keys {
    uint32_t magic, version;
    _Atomic uint32_t sequence;
    uint32_t n; /* valid keys */
    struct ticket_key keys[TICKET_KEYS_N];
};
