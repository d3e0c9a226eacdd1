#pragma once

/*
 * Instructions that work on many bytes at once: which bytes are of a class, and
 * AES. Both take the same steps for all bytes and never use a byte as an
 * address.
 */

#include "base/obj.h"

/* A class of ASCII bytes. c is in it if low[c & 15] & high[c >> 4] is not 0,
 * and is special if that has a bit of SIMD_SPECIAL. high[8] to high[15] are
 * 0. */
struct simd_class {
    uint8_t low[16], high[16];
};

#define SIMD_SPECIAL 0xc0

/* One bit for each of 64 bytes; the lowest bit is the first byte's. */
struct simd_masks {
    uint64_t in, special;
};

/* One implementation. Functions look at the `n` blocks of 64 bytes at `p`. */
struct simd {
    void (*classify)(const struct simd_class *c, const unsigned char *p,
        size_t n, struct simd_masks *masks);
    /* Marks each backslash, and each '%' that is followed by two hexadecimal
     * digits for a byte of the class. Reads two bytes after the blocks, too. */
    void (*escapes)(const struct simd_class *c, const unsigned char *p,
        size_t n, uint64_t *masks);
    /* Bit i: all 16 bytes at p + i * step are of the class. `n` is at most 64.
     * No other bytes are read. */
    uint64_t (*samples)(const struct simd_class *c, const unsigned char *p,
        size_t step, size_t n);
};

#define SIMD_SAMPLE 16 /* bytes */

/* The i-th best implementation that this processor can run; NULL after the
 * last. The last one runs on every processor. */
const struct simd *simd_way(unsigned i);

/* AES-128 by instructions of the processor. */
struct simd_aes {
    uint8_t keys[11][16]; /* of the rounds */
};

bool simd_has_aes(void); /* if false, do not call the next two */

void simd_aes_init(struct simd_aes *a, const uint8_t key[16]);

/* Encrypts `n` blocks of 16 bytes: at[0], at[1] and so on to out[0], out[1] and
 * so on. */
void simd_aes_encrypt(const struct simd_aes *a, const unsigned char *const *at,
    unsigned n, uint32_t (*out)[4]);
