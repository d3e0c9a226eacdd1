/*
 * Vector instructions of x86, each used only if this processor has it, and
 * plain C for all others.
 */

#include "os/simd.h"

#include <string.h>

static void
classify_portable(const struct simd_class *c, const unsigned char *p, size_t n,
    struct simd_masks *masks)
{
    for (size_t k = 0; k < n; k++, p += 64) {
        masks[k] = (struct simd_masks){ 0, 0 };
        for (unsigned i = 0; i < 64; i++) {
            unsigned in = c->low[p[i] & 15] & c->high[p[i] >> 4];
            masks[k].in |= (uint64_t)(in != 0) << i;
            masks[k].special |= (uint64_t)((in & SIMD_SPECIAL) != 0) << i;
        }
    }
}

/* The value of a hexadecimal digit; 16: it is not one. */
static unsigned
hex(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10u : 16;
}

static void
escapes_portable(const struct simd_class *c, const unsigned char *p, size_t n,
    uint64_t *masks)
{
    for (size_t k = 0; k < n; k++, p += 64) {
        masks[k] = 0;
        for (unsigned i = 0; i < 64; i++) {
            bool is_one = p[i] == '\\';
            if (p[i] == '%') {
                unsigned high = hex(p[i + 1]), low = hex(p[i + 2]);
                is_one = high < 16 && low < 16 && (c->low[low] & c->high[high]);
            }
            masks[k] |= (uint64_t)is_one << i;
        }
    }
}

/* Begins at the last byte: if any byte is not of the class, that one is most
 * often not either. */
static bool
is_all_of(const struct simd_class *c, const unsigned char *p)
{
    unsigned n = SIMD_SAMPLE;
    while (n != 0 && (c->low[p[n - 1] & 15] & c->high[p[n - 1] >> 4]) != 0) {
        n--;
    }
    return n == 0;
}

static uint64_t
samples_portable(
    const struct simd_class *c, const unsigned char *p, size_t step, size_t n)
{
    uint64_t out = 0;
    for (size_t i = 0; i < n; i++, p += step) {
        out |= (uint64_t)is_all_of(c, p) << i;
    }
    return out;
}

static const struct simd portable = { classify_portable, escapes_portable,
    samples_portable };

#if defined(__x86_64__)

#include <immintrin.h>

/* A shuffle gives 0 for an index of 0x80 and above, which is in no class.
 * Doubling a byte puts its special bits in the sign, or one of both. */
__attribute__((target("ssse3"))) static void
classify_ssse3(const struct simd_class *c, const unsigned char *p, size_t n,
    struct simd_masks *masks)
{
    __m128i low = _mm_loadu_si128((const __m128i *)c->low);
    __m128i high = _mm_loadu_si128((const __m128i *)c->high);
    __m128i nibble = _mm_set1_epi8(15), zero = _mm_setzero_si128();
    for (size_t k = 0; k < n; k++) {
        uint64_t out = 0, special = 0;
#pragma GCC unroll 4
        for (unsigned i = 0; i < 64; i += 16, p += 16) {
            __m128i x = _mm_loadu_si128((const __m128i *)p);
            __m128i h = _mm_and_si128(_mm_srli_epi16(x, 4), nibble);
            x = _mm_and_si128(
                _mm_shuffle_epi8(low, x), _mm_shuffle_epi8(high, h));
            h = _mm_or_si128(x, _mm_add_epi8(x, x));
            x = _mm_cmpeq_epi8(x, zero);
            out |= (uint64_t)(unsigned)_mm_movemask_epi8(x) << i;
            special |= (uint64_t)(unsigned)_mm_movemask_epi8(h) << i;
        }
        masks[k] = (struct simd_masks){ ~out, special };
    }
}

__attribute__((target("ssse3"))) static uint64_t
samples_ssse3(
    const struct simd_class *c, const unsigned char *p, size_t step, size_t n)
{
    __m128i low = _mm_loadu_si128((const __m128i *)c->low);
    __m128i high = _mm_loadu_si128((const __m128i *)c->high);
    __m128i nibble = _mm_set1_epi8(15), zero = _mm_setzero_si128();
    uint64_t out = 0;
    for (size_t i = 0; i < n; i++, p += step) {
        __m128i x = _mm_loadu_si128((const __m128i *)p);
        __m128i h = _mm_and_si128(_mm_srli_epi16(x, 4), nibble);
        x = _mm_and_si128(_mm_shuffle_epi8(low, x), _mm_shuffle_epi8(high, h));
        unsigned none = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(x, zero));
        out |= (uint64_t)(none == 0) << i;
    }
    return out;
}

__attribute__((target("avx2"))) static void
classify_avx2(const struct simd_class *c, const unsigned char *p, size_t n,
    struct simd_masks *masks)
{
    __m256i low =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)c->low));
    __m256i high =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)c->high));
    __m256i nibble = _mm256_set1_epi8(15), zero = _mm256_setzero_si256();
    for (size_t k = 0; k < n; k++) {
        uint64_t out = 0, special = 0;
#pragma GCC unroll 2
        for (unsigned i = 0; i < 64; i += 32, p += 32) {
            __m256i x = _mm256_loadu_si256((const __m256i *)p);
            __m256i h = _mm256_and_si256(_mm256_srli_epi16(x, 4), nibble);
            x = _mm256_and_si256(
                _mm256_shuffle_epi8(low, x), _mm256_shuffle_epi8(high, h));
            h = _mm256_or_si256(x, _mm256_add_epi8(x, x));
            x = _mm256_cmpeq_epi8(x, zero);
            out |= (uint64_t)(unsigned)_mm256_movemask_epi8(x) << i;
            special |= (uint64_t)(unsigned)_mm256_movemask_epi8(h) << i;
        }
        masks[k] = (struct simd_masks){ ~out, special };
    }
}

/* The tables of a class, twice. */
struct tables {
    __m256i low, high;
};

/* For two samples: -1 for each byte that is not of the class. */
__attribute__((target("avx2"))) static inline __m256i
others_avx2(
    const struct tables *t, const unsigned char *one, const unsigned char *two)
{
    __m256i x = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)one));
    x = _mm256_inserti128_si256(x, _mm_loadu_si128((const __m128i *)two), 1);
    __m256i h = _mm256_srli_epi16(x, 4);
    h = _mm256_and_si256(h, _mm256_set1_epi8(15));
    x = _mm256_and_si256(
        _mm256_shuffle_epi8(t->low, x), _mm256_shuffle_epi8(t->high, h));
    return _mm256_cmpeq_epi8(x, _mm256_setzero_si256());
}

/* For four samples, `step` bytes apart. */
__attribute__((target("avx2"))) static inline uint64_t
samples_4(const struct tables *t, const unsigned char *p, size_t step)
{
    __m256i x = others_avx2(t, p, p + 2 * step);
    __m256i y = others_avx2(t, p + step, p + 3 * step);
    x = _mm256_or_si256(_mm256_unpacklo_epi64(x, y), /* 0 and 1; 2 and 3 */
        _mm256_unpackhi_epi64(x, y));
    x = _mm256_cmpeq_epi64(x, _mm256_setzero_si256());
    return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(x));
}

__attribute__((target("avx2"))) static uint64_t
samples_avx2(
    const struct simd_class *c, const unsigned char *p, size_t step, size_t n)
{
    struct tables t = {
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)c->low)),
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)c->high))
    };
    uint64_t out = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4, p += 4 * step) {
        out |= samples_4(&t, p, step) << i;
    }
    for (; i < n; i++, p += step) {
        out |= (samples_4(&t, p, 0) & 1) << i;
    }
    return out;
}

/* Tables for the second digit, by the low half of 0x30 to 0x3f and of the
 * letters. */
struct digits {
    __m256i high, low, letters;
};

__attribute__((target("avx2"))) static struct digits
digits_of(const struct simd_class *c)
{
    __m128i letters = _mm_setr_epi8(
        -1, 10, 11, 12, 13, 14, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    __m128i low = _mm_loadu_si128((const __m128i *)c->low);
    __m128i high = _mm_loadu_si128((const __m128i *)c->high);
    letters = _mm_shuffle_epi8(low, letters);
    low = _mm_and_si128(low, _mm_setr_epi32(-1, -1, 0xffff, 0));
    return (struct digits){ _mm256_broadcastsi128_si256(high),
        _mm256_broadcastsi128_si256(low),
        _mm256_broadcastsi128_si256(letters) };
}

/* A table's bytes for 0 to 15, and 0 for all above. */
__attribute__((target("avx2"))) static inline __m256i
of_table(__m256i table, __m256i x)
{
    return _mm256_shuffle_epi8(
        table, _mm256_adds_epu8(x, _mm256_set1_epi8(0x70)));
}

/* After which of 32 bytes two digits for a byte of the class follow. */
__attribute__((target("avx2"))) static inline unsigned
digits_32(const struct digits *d, const unsigned char *p)
{
    __m256i one = _mm256_loadu_si256((const __m256i *)(p + 1));
    __m256i two = _mm256_loadu_si256((const __m256i *)(p + 2));
    __m256i row = _mm256_set1_epi8(0x30);
    __m256i letter = _mm256_or_si256(two, _mm256_set1_epi8(0x20));
    letter = _mm256_xor_si256(letter, _mm256_set1_epi8(0x60));
    one = of_table(d->high, _mm256_xor_si256(one, row));
    two = of_table(d->low, _mm256_xor_si256(two, row));
    two = _mm256_or_si256(two, of_table(d->letters, letter));
    one = _mm256_and_si256(one, two);
    one = _mm256_cmpeq_epi8(one, _mm256_setzero_si256());
    return ~(unsigned)_mm256_movemask_epi8(one);
}

__attribute__((target("avx2"))) static void
escapes_avx2(const struct simd_class *c, const unsigned char *p, size_t n,
    uint64_t *masks)
{
    struct digits d = digits_of(c);
    __m256i percent = _mm256_set1_epi8('%'), slash = _mm256_set1_epi8('\\');
    for (size_t k = 0; k < n; k++) {
        masks[k] = 0;
        for (unsigned i = 0; i < 64; i += 32, p += 32) {
            __m256i x = _mm256_loadu_si256((const __m256i *)p);
            __m256i is_percent = _mm256_cmpeq_epi8(x, percent);
            unsigned in = (unsigned)_mm256_movemask_epi8(is_percent);
            in &= digits_32(&d, p);
            x = _mm256_cmpeq_epi8(x, slash);
            in |= (unsigned)_mm256_movemask_epi8(x);
            masks[k] |= (uint64_t)in << i;
        }
    }
}

static const struct simd avx2 = { classify_avx2, escapes_avx2, samples_avx2 };
static const struct simd ssse3 = { classify_ssse3, escapes_portable,
    samples_ssse3 };

const struct simd *
simd_way(unsigned i)
{
    const struct simd *ways[4] = { NULL };
    unsigned n = 0;
    if (__builtin_cpu_supports("avx2")) {
        ways[n++] = &avx2;
    }
    if (__builtin_cpu_supports("ssse3")) {
        ways[n++] = &ssse3;
    }
    ways[n] = &portable;
    return i < LEN(ways) ? ways[i] : NULL;
}

bool
simd_has_aes(void)
{
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("sse2");
}

/* One step of the key expansion of FIPS 197. `word` is its last column,
 * rotated, substituted and with the round's constant. */
__attribute__((target("aes"))) static __m128i
expand(__m128i key, __m128i word)
{
    word = _mm_shuffle_epi32(word, 0xff);
    key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
    key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
    return _mm_xor_si128(key, word);
}

__attribute__((target("aes"))) void
simd_aes_init(struct simd_aes *a, const uint8_t key[16])
{
    __m128i k[11];
    k[0] = _mm_loadu_si128((const __m128i *)key);
    k[1] = expand(k[0], _mm_aeskeygenassist_si128(k[0], 0x01));
    k[2] = expand(k[1], _mm_aeskeygenassist_si128(k[1], 0x02));
    k[3] = expand(k[2], _mm_aeskeygenassist_si128(k[2], 0x04));
    k[4] = expand(k[3], _mm_aeskeygenassist_si128(k[3], 0x08));
    k[5] = expand(k[4], _mm_aeskeygenassist_si128(k[4], 0x10));
    k[6] = expand(k[5], _mm_aeskeygenassist_si128(k[5], 0x20));
    k[7] = expand(k[6], _mm_aeskeygenassist_si128(k[6], 0x40));
    k[8] = expand(k[7], _mm_aeskeygenassist_si128(k[7], 0x80));
    k[9] = expand(k[8], _mm_aeskeygenassist_si128(k[8], 0x1b));
    k[10] = expand(k[9], _mm_aeskeygenassist_si128(k[9], 0x36));
    for (unsigned i = 0; i < 11; i++) {
        _mm_storeu_si128((__m128i *)a->keys[i], k[i]);
    }
}

/* Eight blocks at once, in registers, keep the processor busy. */
__attribute__((target("aes"))) static void
encrypt_8(const struct simd_aes *a, const unsigned char *const *at,
    uint32_t (*out)[4])
{
    __m128i x[8], key = _mm_loadu_si128((const __m128i *)a->keys[0]);
#pragma GCC unroll 8
    for (unsigned i = 0; i < 8; i++) {
        x[i] = _mm_xor_si128(_mm_loadu_si128((const __m128i *)at[i]), key);
    }
    for (unsigned round = 1; round < 10; round++) {
        key = _mm_loadu_si128((const __m128i *)a->keys[round]);
#pragma GCC unroll 8
        for (unsigned i = 0; i < 8; i++) {
            x[i] = _mm_aesenc_si128(x[i], key);
        }
    }
    key = _mm_loadu_si128((const __m128i *)a->keys[10]);
#pragma GCC unroll 8
    for (unsigned i = 0; i < 8; i++) {
        x[i] = _mm_aesenclast_si128(x[i], key);
        _mm_storeu_si128((__m128i *)out[i], x[i]);
    }
}

void
simd_aes_encrypt(const struct simd_aes *a, const unsigned char *const *at,
    unsigned n, uint32_t (*out)[4])
{
    unsigned i = 0;
    for (; i + 8 <= n; i += 8) {
        encrypt_8(a, at + i, out + i);
    }
    if (i < n) {
        const unsigned char *rest[8];
        uint32_t room[8][4];
        for (unsigned k = 0; k < 8; k++) {
            rest[k] = at[i + k < n ? i + k : i];
        }
        encrypt_8(a, rest, room);
        memcpy(out + i, room, (n - i) * sizeof *out);
    }
}

#else

const struct simd *
simd_way(unsigned i)
{
    return i == 0 ? &portable : NULL;
}

bool
simd_has_aes(void)
{
    return false;
}

void
simd_aes_init(struct simd_aes *a, const uint8_t key[16])
{
    (void)a;
    (void)key;
    PANIC("no AES");
}

void
simd_aes_encrypt(const struct simd_aes *a, const unsigned char *const *at,
    unsigned n, uint32_t (*out)[4])
{
    (void)a;
    (void)at;
    (void)n;
    (void)out;
    PANIC("no AES");
}

#endif
