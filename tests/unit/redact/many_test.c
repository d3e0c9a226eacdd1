/*
 * Secrets of any length, several at once and of several runs, at every place
 * of the blocks that scan.c reads; and keys that change meanwhile. Held to what
 * a plain search finds.
 */

#include "redact/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "chance.h"
#include "naive.h"

#define ROUNDS (RUNNING_ON_VALGRIND ? 10 : 300)
#define SECRETS_MAX 4
#define TEXT_MAX 1500 /* and noise, and a form */
#define BLOCK 64

struct secrets {
    unsigned n;
    struct str texts[SECRETS_MAX];
    char bytes[SECRETS_MAX][2 * WORTH_MAX];
};

/* Around what a block has, most; and where that is rare, the longest. */
static size_t
any_length(void)
{
    static const size_t edges[] = { 16, 17, 31, 32, 33, 48, 63, 64, 65, 66, 80,
        127, 128, 129 };
    switch (chance(16)) {
    case 0:
        return 16 + chance(500);
    case 1:
    case 2:
    case 3:
        return edges[chance(LEN(edges))];
    default:
        return 16 + chance(115);
    }
}

/* Of one run, or of two or three. */
static void
add_secret(struct secrets *s)
{
    char *p = s->bytes[s->n];
    size_t n = 0;
    for (unsigned runs = 1 + chance(5) / 3; runs != 0; runs--) {
        if (n != 0) {
            p[n++] = " :=,"[chance(4)];
        }
        for (size_t i = any_length(); i != 0; i--) {
            p[n++] = any_token();
        }
    }
    s->texts[s->n] = str_n(p, n);
    s->n += worth_looking_for(s->texts[s->n]);
}

static void
any_secrets(struct secrets *s, unsigned most)
{
    s->n = 0;
    for (unsigned i = 1 + chance(most); i != 0; i--) {
        add_secret(s);
    }
    if (s->n == 0) {
        any_secrets(s, most);
    }
}

/* One of the runs of a secret. */
static struct str
any_run(struct str secret)
{
    struct str run, found = STR_NONE;
    size_t at = 0;
    for (unsigned n = 1; worth_next(secret, &at, &run); n++) {
        found = chance(n) == 0 ? run : found;
    }
    return found;
}

/* Some bytes of a token and others, so that what follows begins or ends near a
 * block's end, or anywhere. */
static size_t
put_edge(char *to, size_t at, size_t next)
{
    unsigned how = chance(3);
    size_t end = at + (how == 0 ? next : how == 1 ? 0 : chance(BLOCK));
    size_t n = (2 * BLOCK - end % BLOCK + chance(5) - 2) % BLOCK;
    for (size_t i = 0; i < n; i++) {
        to[i] = chance(30) == 0 ? any_token() : ' ';
    }
    return n;
}

/* A run of a secret, whole or all but a byte: as it stands, with one byte
 * escaped, or in a form. */
static size_t
put_some(char *to, struct str run)
{
    bool is_cut = chance(4) == 0;
    size_t n = 0, escaped = chance((unsigned)run.n);
    switch (chance(5)) {
    case 0:
    case 1:
        memcpy(to, run.p, run.n - is_cut);
        return run.n - is_cut;
    case 2:
    case 3:
        for (size_t i = 0; i < run.n; i++) {
            unsigned how = i == escaped ? chance(5) : 5;
            n += put_byte(to + n, (unsigned char)run.p[i], how);
        }
        return n - is_cut;
    default:
        return put_form(to, is_cut ? str_skip(run, 1) : run);
    }
}

static struct str
any_text(char *to, const struct secrets *s)
{
    size_t n = 0;
    for (unsigned k = 1 + chance(8); k != 0 && n < TEXT_MAX; k--) {
        struct str run = any_run(s->texts[chance(s->n)]);
        if (chance(4) == 0) {
            n += put_noise(to + n, run);
        }
        if (chance(4) != 0) {
            n += put_edge(to + n, n, run.n);
        }
        n += put_some(to + n, run);
        if (chance(8) != 0) {
            to[n++] = " \"\n%\\"[chance(5)];
        }
    }
    return str_n(to, n);
}

static void
find(const struct str *secrets, unsigned n, struct str text, bool *mask)
{
    struct naive *nv = naive_new(secrets, n);
    naive_mask(nv, text, mask);
    naive_free(nv);
}

static void
keys_of(struct redact_keys *k, const struct secrets *s, unsigned n)
{
    if (chance(2) == 0) {
        redact_keys_init(k, s->texts, n);
    } else {
        redact_keys_init_portable(k, s->texts, n);
    }
}

static void
several(void **state)
{
    static struct secrets s;
    static char bytes[NAIVE_TEXT_MAX];
    static bool want[NAIVE_TEXT_MAX], is[NAIVE_TEXT_MAX];
    (void)state;
    srand(3);
    for (int round = 0; round < ROUNDS; round++) {
        struct redact_keys keys;
        struct redact_scan scan;
        any_secrets(&s, SECRETS_MAX);
        struct str text = any_text(bytes, &s);
        find(s.texts, s.n, text, want);
        keys_of(&keys, &s, s.n);
        redact_scan_init(&scan, &keys);
        for (size_t piece = text.n + 1; piece != 0;
             piece = piece > 200 ? chance(200) + 1 : piece / 4) {
            naive_scan(&scan, text, 1 + chance(200), piece, is);
            assert_memory_equal(want, is, text.n * sizeof *is);
        }
        redact_scan_fini(&scan);
        redact_keys_fini(&keys);
    }
}

/* From `at` on other keys, of which the first `n_old` secrets are the old
 * ones'; the text in pieces. */
static void
scan_change(const struct secrets *s, unsigned n_old, unsigned n_new,
    struct str text, size_t at, bool *mask)
{
    struct redact_keys old, new;
    struct redact_scan scan;
    struct naive_marks m = { .scan = &scan, .mask = mask };
    size_t piece = 1 + chance(300);
    keys_of(&old, s, n_old);
    keys_of(&new, s, n_new);
    redact_scan_init(&scan, &old);
    memset(mask, 0, text.n * sizeof *mask);
    for (size_t i = 0; i < text.n;) {
        size_t end = i < at ? at : text.n, n = end - i;
        n = n < piece ? n : piece;
        if (i == at) {
            redact_scan_change(&scan, &new, n_old);
        }
        naive_piece(&m, str_n(text.p + i, n));
        i += n;
    }
    m.oldest = scan.offset - redact_scan_held(&scan);
    m.newest = scan.offset;
    redact_scan_end(&scan, naive_report, &m);
    redact_scan_fini(&scan);
    redact_keys_fini(&old);
    redact_keys_fini(&new);
}

/* The old ones are found all over, the others from the first run on that
 * begins behind the change. */
static void
that_change(void **state)
{
    static struct secrets s;
    static char bytes[NAIVE_TEXT_MAX];
    static bool all[NAIVE_TEXT_MAX], old[NAIVE_TEXT_MAX], is[NAIVE_TEXT_MAX];
    (void)state;
    srand(4);
    for (int round = 0; round < ROUNDS; round++) {
        any_secrets(&s, SECRETS_MAX);
        struct str text = any_text(bytes, &s);
        unsigned n_old = chance(s.n + 1);
        size_t at = chance((unsigned)text.n), from = at;
        while (from < text.n && naive_is_token((unsigned char)text.p[from])) {
            from++;
        }
        find(s.texts, s.n, text, all);
        find(s.texts, n_old, text, old);
        scan_change(&s, n_old, s.n, text, at, is);
        for (size_t i = 0; i < text.n; i++) {
            bool must = old[i] || (i >= from && all[i]);
            assert_true(is[i] ? all[i] : !must);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several),
        cmocka_unit_test(that_change),
    };
    return cmocka_run_group_tests_name("redact_many", tests, NULL, NULL);
}
