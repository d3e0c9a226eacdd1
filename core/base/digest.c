/*
 * Digests by OpenSSL, random bytes by the kernel, base64 and hexadecimal.
 * Holds no state.
 */

#include "base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

void
sha256(struct str s, uint8_t out[SHA256_SIZE])
{
    AN(EVP_Digest(s.n != 0 ? s.p : "", s.n, out, NULL, EVP_sha256(), NULL));
}

void
hmac_sha256(struct str key, struct str s, uint8_t out[SHA256_SIZE])
{
    unsigned n = SHA256_SIZE;
    AN(HMAC(EVP_sha256(), key.n != 0 ? key.p : "", (int)key.n,
        (const unsigned char *)(s.n != 0 ? s.p : ""), s.n, out, &n));
}

void
random_bytes(void *p, size_t n)
{
    unsigned char *to = p;
    while (n != 0) {
        ssize_t got = getrandom(to, n < 256 ? n : 256, 0);
        if (got <= 0) {
            PANIC("no random bytes");
        }
        to += got;
        n -= (size_t)got;
    }
}

bool
bytes_eq_secret(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

size_t
base64_len(size_t n)
{
    return (n + 2) / 3 * 4;
}

size_t
base64_encode(struct str s, char *out)
{
    return (size_t)EVP_EncodeBlock((unsigned char *)out,
        (const unsigned char *)(s.n != 0 ? s.p : ""), (int)s.n);
}

static int
base64_value(unsigned char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (ascii_is_digit(c)) {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters of which the last `pad` are '='; -1 when malformed. */
static long
base64_group(const char *p, unsigned pad)
{
    long v = 0;
    for (unsigned i = 0; i < 4; i++) {
        int d = i < 4 - pad ? base64_value((unsigned char)p[i]) : 0;
        if (d < 0) {
            return -1;
        }
        v = v << 6 | d;
    }
    long unused = pad == 2 ? 0xffff : pad == 1 ? 0xff : 0;
    return (v & unused) != 0 ? -1 : v;
}

bool
base64_decode(struct str s, uint8_t *out, size_t *n)
{
    size_t to = 0;
    if (s.n % 4 == 1 || (s.n % 4 != 0 && s.p[s.n - 1] == '=')) {
        return false;
    }
    for (size_t i = 0; i < s.n; i += 4) {
        char group[4] = { '=', '=', '=', '=' };
        unsigned pad = 0;
        memcpy(group, s.p + i, s.n - i < 4 ? s.n - i : 4);
        if (i + 4 >= s.n) {
            pad += group[3] == '=';
            pad += pad == 1 && group[2] == '=';
        }
        long v = base64_group(group, pad);
        if (v < 0) {
            return false;
        }
        for (unsigned k = 0; k < 3 - pad; k++) {
            out[to++] = (uint8_t)(v >> (16 - 8 * k));
        }
    }
    *n = to;
    return true;
}

void
hex_encode(const uint8_t *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * n] = '\0';
}

const char *
digest_library(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}
