/*
 * What the master writes of sandboxes' CAs, and what is dropped when no
 * configuration has them any more.
 */

#include "roster_fixture.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "ledger/ledger.h"
#include "sandbox/sandbox_set.h"
#include "whole_conf.h"

#include <cmocka.h>

static bool
has_file(struct roster_fixture *s, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", s->path, name);
    return access(path, F_OK) == 0;
}

static void
read_file(const char *path, char *text, size_t size)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, size - 1, f)] = '\0';
    fclose(f);
}

/* Byte for byte what openssl writes, whatever the length. */
static void
pem_is_openssls(void **state, size_t n)
{
    char der[CHAN_DATA_MAX], text[4096], path[600];
    char *expected;
    struct roster_fixture s;
    struct stat st;
    fx_begin(state, &s);
    for (size_t i = 0; i < n; i++) {
        der[i] = (char)(i * 7 + n);
    }
    struct sandbox_set *set = fx_enrol_x(state, &s, str_n(der, n));
    assert_int_equal(roster_publish(&s.roster, set, s.dir), 0);
    snprintf(path, sizeof path, "%s/x.pem", s.path);
    read_file(path, text, sizeof text);
    BIO *b = BIO_new(BIO_s_mem());
    PEM_write_bio(b, "CERTIFICATE", "", (unsigned char *)der, (long)n);
    long size = BIO_get_mem_data(b, &expected);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(text, expected, size);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    BIO_free(b);
    fx_end(&s);
}

static void
test_pem(void **state)
{
    static const size_t sizes[] = { 1, 2, 3, 47, 48, 49, 95, 96, 97, 400,
        CHAN_DATA_MAX };
    for (unsigned i = 0; i < LEN(sizes); i++) {
        pem_is_openssls(state, sizes[i]);
    }
}

static void
test_publish_fails(void **state)
{
    struct whole *w = *state;
    struct roster_fixture s;
    fx_begin(state, &s);
    struct sandbox_set *none = fx_set_of(state, "");
    assert_int_equal(roster_publish(&s.roster, none, STR("/nowhere/ca")), 0);
    struct sandbox_set *set = fx_enrol_x(state, &s, STR("der"));
    assert_int_equal(roster_publish(&s.roster, set, STR("/nowhere/ca")), -1);
    assert_true(whole_logged(state, "mkdir() \"/nowhere/ca\" failed"));
    tmp_dir_write(&w->dir, "ca/x.pem/is", STR("a directory"));
    assert_int_equal(roster_publish(&s.roster, set, s.dir), -1);
    assert_true(whole_logged(state, "ca/x.pem\" (21: Is a directory"));
    assert_false(has_file(&s, ".x.new"));
    char deep[PATH_MAX + 8];
    memset(deep, '/', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    assert_int_equal(roster_publish(&s.roster, set, str_of(deep)), -1);
    fx_end(&s);
}

static void
sweep(struct roster_fixture *s, struct sandbox_set *set)
{
    roster_sweep(&s->roster, &set, 1, s->dir);
    assert_int_equal(fx_turn(s), 0);
}

static void
test_sweep(void **state)
{
    struct roster_fixture s;
    fx_begin(state, &s);
    struct sandbox_set *set = fx_set_of(state, CLASS_A BOX_X BOX_Y BOX_Z);
    uint64_t first = s.roster.next_serial;
    fx_enrol(&s, set);
    assert_int_equal(fx_turn(&s), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(fx_asked(&s, CHAN_DECLARE,
                             i == 0   ? "x"
                             : i == 1 ? "y"
                                      : "z"),
            first + i);
        fx_says(&s, CHAN_CA, first + i, "der");
    }
    fx_is_enrolled(&s);
    assert_int_equal(roster_publish(&s.roster, set, s.dir), 0);
    assert_non_null(ledger_lock(s.ledger, 0, first));
    ledger_unlock(s.ledger, 0, NULL);
    sweep(&s, set);
    fx_nothing_is_asked(&s);
    /* y stays. A file stays, and an index is not given away, until its key is
     * wiped. */
    set = fx_set_of(state, CLASS_A BOX_Y);
    sweep(&s, set);
    unsigned at[2], index;
    uint64_t a = fx_asked_at(&s, CHAN_DROP, "", &at[0]);
    uint64_t b = fx_asked_at(&s, CHAN_DROP, "", &at[1]);
    assert_int_equal(at[0], a - first);
    assert_int_equal(at[1], b - first);
    assert_true(
        (a == first && b == first + 2) || (b == first && a == first + 2));
    assert_true(ledger_is_touched(s.ledger, 0));
    assert_true(has_file(&s, "x.pem") && has_file(&s, "z.pem"));
    fx_says(&s, CHAN_DONE, a, "");
    fx_says(&s, CHAN_DONE, b, "");
    assert_int_equal(fx_turn(&s), 0);
    assert_false(ledger_is_touched(s.ledger, 0));
    assert_false(has_file(&s, "x.pem"));
    assert_true(has_file(&s, "y.pem"));
    assert_false(has_file(&s, "z.pem"));
    /* It comes back as another. */
    fx_enrol(&s, fx_set_of(state, CLASS_A BOX_X BOX_Y));
    assert_int_equal(fx_turn(&s), 0);
    assert_int_equal(fx_asked_at(&s, CHAN_DECLARE, "x", &index), first + 3);
    assert_int_equal(index, at[1]); /* the last that became free */
    assert_int_equal(s.roster.n_records, 3);
    fx_end(&s);
}

/* Before the keeper has wiped its key: its new file is not removed. */
static void
test_one_that_comes_back_at_once(void **state)
{
    struct roster_fixture s;
    fx_begin(state, &s);
    struct sandbox_set *set = fx_enrol_x(state, &s, STR("der"));
    uint64_t first = s.roster.next_serial - 1;
    assert_int_equal(roster_publish(&s.roster, set, s.dir), 0);
    sweep(&s, fx_set_of(state, ""));
    set = fx_set_of(state, CLASS_A BOX_X);
    fx_enrol(&s, set);
    assert_int_equal(fx_turn(&s), 0);
    assert_int_equal(fx_asked(&s, CHAN_DROP, ""), first);
    assert_int_equal(fx_asked(&s, CHAN_DECLARE, "x"), first + 1);
    fx_says(&s, CHAN_DONE, first, "");
    fx_says(&s, CHAN_CA, first + 1, "new");
    fx_is_enrolled(&s);
    assert_true(has_file(&s, "x.pem"));
    assert_int_equal(sandbox_by_id(set, STR("x"))->index, 1);
    fx_end(&s);
}

static void
test_sweep_that_fails_is_tried_again(void **state)
{
    struct roster_fixture s;
    fx_begin(state, &s);
    struct sandbox_set *set = fx_enrol_x(state, &s, STR("der"));
    uint64_t serial = s.roster.next_serial - 1;
    assert_int_equal(roster_publish(&s.roster, set, s.dir), 0);
    set = fx_set_of(state, "");
    sweep(&s, set);
    assert_int_equal(fx_asked(&s, CHAN_DROP, ""), serial);
    fx_says(&s, CHAN_FAILED, serial, "no");
    fx_nothing_is_asked(&s);
    sweep(&s, set);
    assert_int_equal(fx_asked(&s, CHAN_DROP, ""), serial);
    fx_says(&s, CHAN_CA, serial, "late");
    assert_int_equal(fx_turn(&s), -1);
    roster_keeper_lost(&s.roster);
    sweep(&s, set);
    assert_int_equal(fx_asked(&s, CHAN_DROP, ""), serial);
    /* A new keeper is asked what the one before it did not answer. */
    link_close(&s.keeper);
    close(s.end);
    roster_keeper_lost(&s.roster);
    fx_new_keeper(&s);
    assert_int_equal(fx_turn(&s), 0);
    assert_int_equal(fx_asked(&s, CHAN_DROP, ""), serial);
    assert_true(has_file(&s, "x.pem"));
    fx_says(&s, CHAN_DONE, serial, "");
    assert_int_equal(fx_turn(&s), 0);
    assert_false(has_file(&s, "x.pem"));
    fx_end(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WHOLE_TEST(test_pem),
        WHOLE_TEST(test_publish_fails),
        WHOLE_TEST(test_sweep),
        WHOLE_TEST(test_one_that_comes_back_at_once),
        WHOLE_TEST(test_sweep_that_fails_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
