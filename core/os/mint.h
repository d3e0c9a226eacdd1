#pragma once

/*
 * The messages of a worker and the keeper over their SEQPACKET pair: one struct
 * each, as it lies in memory. The keeper chooses number and times and builds
 * the certificate (base/cert.h) from these fields alone, so that it signs
 * nothing else. The worker builds the same certificate and needs only the
 * signature. Layout; includes base alone.
 */

#include "base/cert.h"

#define MINT_MAGIC 0x3141737bu

struct mint_ask {
    uint32_t magic;
    uint32_t index;  /* the CA's record in the vault, */
    uint64_t serial; /* which must be this sandbox's */
    uint64_t nonce;  /* repeated in the answer */
    uint8_t key[CERT_KEY_SIZE];
    uint8_t n_name;
    char name[CERT_NAME_MAX]; /* zeroes after it */
};

enum mint_status {
    MINT_OK,
    MINT_NO_CA, /* the sandbox has ended, or never existed */
    MINT_BAD_ASK,
    MINT_STATUSES
};

struct mint_answer {
    uint32_t magic;
    uint32_t status; /* enum mint_status; the rest is zero unless MINT_OK */
    uint64_t nonce;
    int64_t not_before, not_after;
    uint8_t number[CERT_NUMBER_SIZE];
    uint8_t n_signature;
    uint8_t signature[CERT_SIGNATURE_MAX];
};
