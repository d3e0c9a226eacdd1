#pragma once

/*
 * A pseudo-random function of 16 bytes under a random key: AES-128 where the
 * processor has it, else SipHash-2-4 (128 bits). Whoever does not know the key
 * learns nothing of two inputs but whether they are the same.
 */

#include "os/simd.h"

#define REDACT_WINDOW 16 /* bytes */

struct redact_prf {
    bool has_aes;
    struct simd_aes aes;
    uint64_t sip[2];
};

/* With a key of its own. `may_aes`: false only in tests of what serves other
 * processors. */
void redact_prf_init(struct redact_prf *p, bool may_aes);
void redact_prf_fini(struct redact_prf *p); /* wipes it */

/* Of the `n` windows at at[0], at[1] ... */
void redact_prf_tags(const struct redact_prf *p, const unsigned char *const *at,
    unsigned n, uint32_t (*out)[4]);
