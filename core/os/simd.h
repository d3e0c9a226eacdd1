#pragma once

/*
 * What a processor does to many bytes by one instruction: which of them are of
 * a class, and AES. Both take the same steps whatever the bytes are, and look
 * up no memory by them.
 */

#include "base/obj.h"

/* A class of ASCII bytes: c is of it if low[c & 15] & high[c >> 4] is not 0.
 * high[8] to high[15] are 0. */
struct simd_class {
    uint8_t low[16], high[16];
};

/* Of `n` blocks of 64 bytes at `p`: bit i of masks[k] is set if byte i of block
 * k is of the class. */
typedef void simd_classify(const struct simd_class *c, const unsigned char *p,
    size_t n, uint64_t *masks);

/* The ways that this processor has, the best first; the last one that is not
 * NULL is every processor's. */
simd_classify *simd_classifier(unsigned i);

/* AES-128 by the processor's instructions. */
struct simd_aes {
    uint8_t keys[11][16]; /* of the rounds */
};

bool simd_has_aes(void); /* without it the next two are not called */

void simd_aes_init(struct simd_aes *a, const uint8_t key[16]);

/* Encrypts the `n` blocks of 16 bytes at at[0], at[1] ... to out[0], out[1] ...
 */
void simd_aes_encrypt(const struct simd_aes *a, const unsigned char *const *at,
    unsigned n, uint32_t (*out)[4]);
