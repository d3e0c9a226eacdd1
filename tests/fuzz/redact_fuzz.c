/*
 * A secret's forms in any bytes, however they are cut: what the scan finds is
 * what a plain search finds, and what it holds depends on the text alone. Input:
 * how many bytes the secret has beyond 16, the size of pieces, the secret, of
 * which each byte is made one of a token, and the text.
 */

#include "fuzz.h"

#include "../unit/redact/naive.h"

#define SECRET_MAX 64
#define TEXT_MAX 1500

static char
token_of(uint8_t c)
{
    static const char all[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
                              "WXYZ0123456789+/-_.~";
    bool is_one = naive_is_token(c) && c != '%' && c != '\\';
    return is_one ? (char)c : all[c % (sizeof all - 1)];
}

static void
compare(const struct redact_keys *keys, struct str text, size_t piece,
    const bool *want)
{
    static bool is[TEXT_MAX];
    struct redact_scan s;
    redact_scan_init(&s, keys);
    naive_scan(&s, text, piece, piece, is);
    AN(memcmp(want, is, text.n * sizeof *is) == 0);
    naive_scan(&s, text, 1, 1, is);
    AN(memcmp(want, is, text.n * sizeof *is) == 0);
    naive_scan(&s, text, text.n, 1, is);
    AN(memcmp(want, is, text.n * sizeof *is) == 0);
    redact_scan_fini(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool want[TEXT_MAX];
    char bytes[SECRET_MAX];
    struct redact_keys keys;
    if (size < 2 + SECRET_MAX) {
        return 0;
    }
    size_t n = WORTH_MIN + data[0] % (SECRET_MAX - WORTH_MIN + 1);
    size_t piece = data[1] != 0 ? data[1] : TEXT_MAX;
    for (size_t i = 0; i < n; i++) {
        bytes[i] = token_of(data[2 + i]);
    }
    struct str secrets[2] = { str_n(bytes, n), str_n(bytes, n / 2 + 8) };
    struct str text = str_skip(str_n((const char *)data, size), 2 + n);
    text.n = text.n < TEXT_MAX ? text.n : TEXT_MAX;
    struct naive *nv = naive_new(secrets, 2);
    naive_mask(nv, text, want);
    naive_free(nv);
    redact_keys_init(&keys, secrets, 2);
    compare(&keys, text, piece, want);
    redact_keys_fini(&keys);
    redact_keys_init_portable(&keys, secrets, 2);
    compare(&keys, text, piece, want);
    redact_keys_fini(&keys);
    return 0;
}
