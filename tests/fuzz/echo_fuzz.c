/*
 * A secret's forms in any bytes, however they are cut: what the automaton
 * finds is what a plain search finds. Input: how many bytes the secret has
 * beyond ECHO_MIN, the size of pieces, the secret, the text.
 */

#include "fuzz.h"

#include "../unit/sandbox/echo_naive.h"

#define SECRET_MAX 24
#define TEXT_MAX 512

static void
compare(const struct echo *e, const bool *want, const bool *is, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        AN(want[i] || !is[i]);
        AN(is[i] || !want[i] || e->has_missed);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool want[TEXT_MAX], is[TEXT_MAX];
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
    echo_init(&e, secret);
    naive_echo(&e, text, piece, piece, is);
    compare(&e, want, is, text.n);
    naive_echo(&e, text, 1, 1, is);
    compare(&e, want, is, text.n);
    echo_fini(&e);
    return 0;
}
