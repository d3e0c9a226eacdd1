#pragma once

/*
 * Digests, random bytes, base64: one of OpenSSL's owners.
 */

#include "base/str.h"

#define SHA256_SIZE 32

void sha256(struct str s, uint8_t out[SHA256_SIZE]);
void hmac_sha256(struct str key, struct str s, uint8_t out[SHA256_SIZE]);

/* From the kernel. If that fails the process ends: it never returns weak
 * bytes. */
void random_bytes(void *p, size_t n);

/* Takes the same time for all bytes of one length n. Callers compare digests,
 * so that lengths are always equal. */
bool bytes_eq_secret(const void *a, const void *b, size_t n);

/* RFC 4648 section 4, padded. `out` has room for base64_len(s.n) + 1 bytes;
 * returns the length without the NUL. */
size_t base64_len(size_t n);
size_t base64_encode(struct str s, char *out);

/* Strict: no white space, no bits left over, correct padding or none. `out` has
 * room for (s.n + 3) / 4 * 3 bytes. */
must_check bool base64_decode(struct str s, uint8_t *out, size_t *n);

/* Lower-case hexadecimal, NUL-terminated: out has 2n + 1 bytes. */
void hex_encode(const uint8_t *p, size_t n, char *out);

/* The version of OpenSSL at run time, as "OpenSSL 3.0.2 15 Mar 2022".
 * Static. */
const char *digest_library(void);
