/*
 * AES is os/simd.h's; SipHash (Aumasson and Bernstein, 2012) is shifts and
 * sums. Neither reads memory at an address that depends on its input.
 */

#include "redact/prf.h"

#include <string.h>

#include "base/digest.h"
#include "base/mem.h"

void
redact_prf_init(struct redact_prf *p, bool may_aes)
{
    uint8_t key[16];
    *p = (struct redact_prf){ .has_aes = may_aes && simd_has_aes() };
    random_bytes(key, sizeof key);
    if (p->has_aes) {
        simd_aes_init(&p->aes, key);
    } else {
        memcpy(p->sip, key, sizeof p->sip);
    }
    mem_wipe(key, sizeof key);
}

void
redact_prf_fini(struct redact_prf *p)
{
    mem_wipe(p, sizeof *p);
}

static inline uint64_t
rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static void
sip_rounds(uint64_t v[4], unsigned n)
{
    while (n-- > 0) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

static void
sip_hash(const uint64_t key[2], const unsigned char *p, uint32_t out[4])
{
    uint64_t v[4] = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
        key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573 };
    uint64_t words[3], hash[2];
    memcpy(words, p, REDACT_WINDOW);
    words[2] = (uint64_t)REDACT_WINDOW << 56;
    v[1] ^= 0xee;
    for (unsigned i = 0; i < 3; i++) {
        v[3] ^= words[i];
        sip_rounds(v, 2);
        v[0] ^= words[i];
    }
    v[2] ^= 0xee;
    sip_rounds(v, 4);
    hash[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    sip_rounds(v, 4);
    hash[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
    memcpy(out, hash, sizeof hash);
}

void
redact_prf_tags(const struct redact_prf *p, const unsigned char *const *at,
    unsigned n, uint32_t (*out)[4])
{
    if (p->has_aes) {
        simd_aes_encrypt(&p->aes, at, n, out);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        sip_hash(p->sip, at[i], out[i]);
    }
}
