#pragma once

/*
 * What a processor does to many bytes by one instruction: which of them are of
 * a class, and AES. Both take the same steps whatever the bytes are, and look
 * up no memory by them.
 */

#include "base/obj.h"

/* A class of ASCII bytes: c is of it if low[c & 15] & high[c >> 4] is not 0,
 * and special in it if that has a bit of SIMD_SPECIAL. high[8] to high[15] are
 * 0. */
struct simd_class {
    uint8_t low[16], high[16];
};

#define SIMD_SPECIAL 0xc0

/* Of 64 bytes, a bit each, the first byte's the lowest. */
struct simd_masks {
    uint64_t in, special;
};

/* A way to look at the `n` blocks of 64 bytes at `p`. */
struct simd {
    void (*classify)(const struct simd_class *c, const unsigned char *p,
        size_t n, struct simd_masks *masks);
    /* Where a backslash is, or a '%' and two hexadecimal digits for a byte of
     * the class. Two bytes behind the blocks are read, too. */
    void (*escapes)(const struct simd_class *c, const unsigned char *p,
        size_t n, uint64_t *masks);
    /* Bit i: the 16 bytes at p + i * step are all of the class; `n` is at most
     * 64, and no other bytes are read. */
    uint64_t (*samples)(const struct simd_class *c, const unsigned char *p,
        size_t step, size_t n);
};

#define SIMD_SAMPLE 16 /* bytes */

/* The ways that this processor has, the best first; the last one that is not
 * NULL is every processor's. */
const struct simd *simd_way(unsigned i);

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
