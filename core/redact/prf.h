#pragma once

/*
 * A pseudo-random function of 16 bytes under a random key: AES-128 where the
 * processor has it, otherwise SipHash-2-4 (128 bits). From the outputs for two
 * inputs, one who does not know the key learns only whether the inputs are
 * the same.
 */

#include "os/simd.h"

#define REDACT_WINDOW 16 /* bytes */

struct redact_prf {
    bool has_aes;
    struct simd_aes aes;
    uint64_t sip[2];
};

/* Draws a random key. `may_aes` is false only in tests of SipHash. */
void redact_prf_init(struct redact_prf *p, bool may_aes);
void redact_prf_fini(struct redact_prf *p); /* wipes the key */

/* Writes to out[i] the tag of the window at at[i], for `n` windows. */
void redact_prf_tags(const struct redact_prf *p, const unsigned char *const *at,
    unsigned n, uint32_t (*out)[4]);
