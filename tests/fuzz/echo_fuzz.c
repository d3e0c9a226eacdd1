/*
 * A secret's forms in any bytes, however they are cut: what the automaton
 * finds is what a plain search finds; of two secrets in a long piece, of which
 * few bytes are looked at, what it finds in short ones. Input: how many bytes
 * the secret has beyond ECHO_MIN, the size of pieces, the secret, the text.
 */

#include "fuzz.h"

#include "../unit/sandbox/echo_naive.h"

#define SECRET_MAX 24
#define TEXT_MAX 512
#define LONG 3000

static void
compare(const struct echo *e, const bool *want, const bool *is, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        AN(want[i] || !is[i] || e->has_missed);
        AN(is[i] || !want[i]);
    }
}

/* The text again and again, with something else between. */
static struct str
lengthened(struct str text)
{
    static char out[LONG];
    for (size_t n = 0, round = 0; n < LONG; round++) {
        size_t gap = round * 7 % 30, k = text.n;
        gap = gap < LONG - n ? gap : LONG - n;
        memset(out + n, 'x', gap);
        n += gap;
        k = k < LONG - n ? k : LONG - n;
        memcpy(out + n, text.p, k);
        n += k;
    }
    return str_n(out, LONG);
}

/* Pieces below WALK are looked at byte by byte. */
#define WALK 128

static void
compare_long(struct str secret, struct str text, size_t piece)
{
    static bool want[LONG], is[LONG];
    struct str secrets[2] = { secret, str_n(text.p, ECHO_MIN) };
    struct str s = lengthened(str_skip(text, ECHO_MIN / 2));
    const size_t walked[] = { LONG, WALK + piece };
    struct echo_keys keys;
    struct echo e;
    echo_keys_init(&keys, secrets, 2);
    echo_init(&e, &keys);
    naive_echo(&e, s, 1 + piece % 100, 20 + piece % 100, want);
    AZ(keys.grams);
    bool has_missed = e.has_missed;
    for (unsigned i = 0; i < LEN(walked); i++) {
        naive_echo(&e, s, walked[i], walked[i], is);
        AN(keys.grams);
        AN(has_missed || e.has_missed || memcmp(want, is, sizeof is) == 0);
    }
    echo_fini(&e);
    echo_keys_fini(&keys);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool want[TEXT_MAX], is[TEXT_MAX];
    struct echo_keys keys;
    struct echo e;
    if (size < 2 + SECRET_MAX) {
        return 0;
    }
    size_t n = ECHO_MIN + data[0] % (SECRET_MAX - ECHO_MIN + 1);
    size_t piece = data[1] != 0 ? data[1] : TEXT_MAX;
    struct str secret = str_n((const char *)data + 2, n);
    struct str text = str_skip(str_n((const char *)data, size), 2 + n);
    text.n = text.n < TEXT_MAX ? text.n : TEXT_MAX;
    struct naive *nv = naive_new(secret);
    naive_mask(nv, text, want);
    free(nv);
    echo_keys_init(&keys, &secret, 1);
    echo_init(&e, &keys);
    naive_echo(&e, text, piece, piece, is);
    compare(&e, want, is, text.n);
    naive_echo(&e, text, 1, 1, is);
    compare(&e, want, is, text.n);
    echo_fini(&e);
    echo_keys_fini(&keys);
    if (text.n >= ECHO_MIN) {
        compare_long(secret, text, piece);
    }
    return 0;
}
