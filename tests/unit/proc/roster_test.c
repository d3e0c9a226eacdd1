/*
 * The master and a keeper of the test's: who is declared, what is written,
 * what is dropped, and that an answer is never taken for another's.
 */

#include "proc/roster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "../os/fds.h"
#include "base/clock.h"
#include "ledger/ledger.h"
#include "os/chan.h"
#include "os/declare.h"
#include "os/sock.h"
#include "sandbox/sandbox_conf.h"
#include "whole_conf.h"

#include <cmocka.h>

struct setting {
    struct roster roster;
    struct ledger *ledger;
    int ends[2]; /* the master's, the keeper's */
    struct str dir;
    char path[512];
};

#define CLASS "sandbox_class a { }"
#define X "sandbox x { class a; address 10.0.0.1; }"
#define Y "sandbox y { class a; address 10.0.0.2; }"
#define Z "sandbox z { class a; address 10.0.0.3; }"

static void
begin(void **state, struct setting *s)
{
    struct whole *w = *state;
    clock_update();
    s->ledger = ledger_new();
    assert_non_null(s->ledger);
    roster_init(&s->roster, s->ledger);
    assert_int_equal(sock_pair(s->ends), 0);
    snprintf(s->path, sizeof s->path, "%sca", w->dir.path);
    s->dir = str_of(s->path);
}

static void
end(struct setting *s)
{
    roster_fini(&s->roster);
    ledger_free(s->ledger);
    close(s->ends[0]);
    close(s->ends[1]);
}

static struct sandbox_set *
set_of(void **state, const char *sandboxes)
{
    return sandbox_set_of(whole_egress(state, sandboxes) != NULL
                              ? ((struct whole *)*state)->conf
                              : NULL);
}

/* What the keeper is going to say: the answers wait in the socket. */
static void
will_answer(
    struct setting *s, enum chan_type type, uint64_t number, const char *data)
{
    struct chan_msg m = {
        .type = type, .number = number, .data = str_of(data), .fd = -1
    };
    assert_int_equal(chan_send(s->ends[1], &m), IO_OK);
}

/* The next question, of that id and *index; its number. */
static uint64_t
asked_at(
    struct setting *s, enum chan_type type, const char *id, unsigned *index)
{
    char buf[CHAN_DATA_MAX];
    struct chan_msg m;
    struct declare d;
    assert_int_equal(chan_recv_wait(s->ends[1], &m, buf, 0), IO_OK);
    assert_int_equal(m.type, type);
    assert_int_equal(m.data.n, DECLARE_SIZE(strlen(id)));
    memcpy(&d, m.data.p, m.data.n);
    assert_memory_equal(d.id, id, strlen(id));
    assert_int_equal(m.fd, -1);
    *index = d.index;
    return m.number;
}

static uint64_t
asked(struct setting *s, enum chan_type type, const char *id)
{
    unsigned index;
    return asked_at(s, type, id, &index);
}

static int
enrol(struct setting *s, struct sandbox_set *set)
{
    assert_int_equal(roster_allot(&s->roster, set), 0);
    return roster_enrol(&s->roster, s->ends[0], set);
}

/* Nothing more is asked: still open, or hung up. */
static enum io
rest(struct setting *s)
{
    char buf[CHAN_DATA_MAX];
    struct chan_msg m;
    return chan_recv_wait(s->ends[1], &m, buf, 0);
}

static bool
has_file(struct setting *s, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", s->path, name);
    return access(path, F_OK) == 0;
}

static void
test_enrol(void **state)
{
    struct setting s;
    begin(state, &s);
    struct sandbox_set *set = set_of(state, CLASS X Y);
    unsigned index;
    will_answer(&s, CHAN_CA, 5, "certificate of x");
    will_answer(&s, CHAN_CA, 0, "of y");
    assert_int_equal(enrol(&s, set), 0);
    uint64_t serial = asked_at(&s, CHAN_DECLARE, "x", &index);
    assert_int_equal(index, 0);
    assert_int_equal(asked_at(&s, CHAN_DECLARE, "y", &index), serial + 1);
    assert_int_equal(index, 1);
    const struct sandbox *x = sandbox_by_id(set, STR("x"));
    assert_int_equal(x->serial, serial);
    assert_int_equal(x->index, 0);
    assert_true(str_eq(x->ca_der, STR("certificate of x")));
    assert_int_equal(sandbox_by_id(set, STR("y"))->index, 1);
    /* Again: the same, and nobody is asked. */
    set = set_of(state, CLASS Y X);
    assert_int_equal(enrol(&s, set), 0);
    assert_int_equal(sandbox_by_id(set, STR("x"))->serial, serial);
    assert_int_equal(rest(&s), IO_AGAIN);
    end(&s);
}

static void
test_serials_are_of_the_time(void **state)
{
    struct setting s;
    begin(state, &s);
    uint64_t now = (uint64_t)(clock_wall() * 1e6);
    assert_true(s.roster.next_serial <= now);
    assert_true(s.roster.next_serial > now - 60000000);
    end(&s);
}

static void
test_refused_by_the_keeper(void **state)
{
    struct setting s;
    begin(state, &s);
    struct sandbox_set *set = set_of(state, CLASS X);
    uint64_t serial = s.roster.next_serial;
    will_answer(&s, CHAN_FAILED, serial, "the vault has no room");
    assert_int_equal(enrol(&s, set), -1);
    assert_true(whole_logged(state, "the keeper: the vault has no room"));
    assert_int_equal(asked(&s, CHAN_DECLARE, "x"), serial);
    assert_int_equal(rest(&s), IO_AGAIN);
    /* The next try is for the same serial. */
    will_answer(&s, CHAN_CA, 1, "der");
    assert_int_equal(enrol(&s, set), 0);
    assert_int_equal(asked(&s, CHAN_DECLARE, "x"), serial);
    end(&s);
}

/* Each of these is hung up on. */
static void
test_answers_out_of_turn(void **state)
{
    static const struct {
        enum chan_type type;
        int number;
        const char *data, *logged;
    } bad[] = {
        { CHAN_DONE, 0, "", "answers out of turn" },
        { CHAN_READY, 0, "", "answers out of turn" },
        { CHAN_FAILED, 1, "of another", "answers out of turn" },
        { CHAN_CA, 1, "", "sent no certificate" },
    };
    for (unsigned i = 0; i < LEN(bad); i++) {
        struct setting s;
        begin(state, &s);
        struct sandbox_set *set = set_of(state, CLASS X);
        will_answer(&s, bad[i].type, (uint64_t)bad[i].number, bad[i].data);
        assert_int_equal(enrol(&s, set), -1);
        assert_true(whole_logged(state, bad[i].logged));
        (void)asked(&s, CHAN_DECLARE, "x");
        assert_int_equal(rest(&s), IO_EOF);
        assert_int_equal(enrol(&s, set), -1);
        end(&s);
    }
}

static void
test_keeper_that_is_gone(void **state)
{
    struct setting s;
    begin(state, &s);
    struct sandbox_set *set = set_of(state, CLASS X);
    close(s.ends[1]);
    assert_int_equal(enrol(&s, set), -1);
    assert_true(whole_logged(state, "the keeper does not take messages"));
    s.ends[1] = -1;
    end(&s);
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
    struct setting s;
    struct stat st;
    begin(state, &s);
    for (size_t i = 0; i < n; i++) {
        der[i] = (char)(i * 7 + n);
    }
    struct chan_msg m = { .type = CHAN_CA, .data = { der, n }, .fd = -1 };
    assert_int_equal(chan_send(s.ends[1], &m), IO_OK);
    struct sandbox_set *set = set_of(state, CLASS X);
    assert_int_equal(enrol(&s, set), 0);
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
    end(&s);
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
    struct setting s;
    begin(state, &s);
    struct sandbox_set *none = set_of(state, "");
    assert_int_equal(roster_publish(&s.roster, none, STR("/nowhere/ca")), 0);
    struct sandbox_set *set = set_of(state, CLASS X);
    will_answer(&s, CHAN_CA, 1, "der");
    assert_int_equal(enrol(&s, set), 0);
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
    end(&s);
}

static void
test_sweep(void **state)
{
    struct setting s;
    begin(state, &s);
    struct sandbox_set *set = set_of(state, CLASS X Y Z);
    uint64_t first = s.roster.next_serial;
    for (unsigned i = 0; i < 3; i++) {
        will_answer(&s, CHAN_CA, i, "der");
    }
    assert_int_equal(enrol(&s, set), 0);
    assert_int_equal(roster_publish(&s.roster, set, s.dir), 0);
    assert_non_null(ledger_lock(s.ledger, 0, first));
    ledger_unlock(s.ledger, 0, NULL);
    for (unsigned i = 0; i < 3; i++) {
        (void)asked(&s, CHAN_DECLARE, i == 0 ? "x" : i == 1 ? "y" : "z");
    }
    roster_sweep(&s.roster, s.ends[0], &set, 1, s.dir);
    assert_int_equal(rest(&s), IO_AGAIN);
    /* y stays; the first to go is answered, the second is not yet. */
    set = set_of(state, CLASS Y);
    will_answer(&s, CHAN_DONE, first, "");
    will_answer(&s, CHAN_DONE, first + 2, "");
    roster_sweep(&s.roster, s.ends[0], &set, 1, s.dir);
    unsigned at[2], index;
    uint64_t a = asked_at(&s, CHAN_DROP, "", &at[0]);
    uint64_t b = asked_at(&s, CHAN_DROP, "", &at[1]);
    assert_int_equal(at[0], a - first);
    assert_int_equal(at[1], b - first);
    assert_false(ledger_is_touched(s.ledger, 0));
    assert_true(
        (a == first && b == first + 2) || (b == first && a == first + 2));
    assert_false(has_file(&s, "x.pem"));
    assert_true(has_file(&s, "y.pem"));
    assert_false(has_file(&s, "z.pem"));
    /* It comes back as another. */
    set = set_of(state, CLASS X Y);
    will_answer(&s, CHAN_CA, 0, "new");
    assert_int_equal(enrol(&s, set), 0);
    assert_int_equal(asked_at(&s, CHAN_DECLARE, "x", &index), first + 3);
    assert_int_equal(index, at[1]); /* the last that became free */
    assert_int_equal(s.roster.n_records, 3);
    end(&s);
}

static void
test_sweep_that_fails_is_tried_again(void **state)
{
    struct setting s;
    begin(state, &s);
    struct sandbox_set *set = set_of(state, CLASS X);
    will_answer(&s, CHAN_CA, 1, "der");
    assert_int_equal(enrol(&s, set), 0);
    assert_int_equal(roster_publish(&s.roster, set, s.dir), 0);
    (void)asked(&s, CHAN_DECLARE, "x");
    will_answer(&s, CHAN_CA, 1, "late");
    set = set_of(state, "");
    roster_sweep(&s.roster, s.ends[0], &set, 1, s.dir);
    (void)asked(&s, CHAN_DROP, "");
    assert_int_equal(rest(&s), IO_EOF);
    assert_true(has_file(&s, "x.pem"));
    close(s.ends[0]);
    close(s.ends[1]);
    assert_int_equal(sock_pair(s.ends), 0);
    will_answer(&s, CHAN_DONE, 0, "");
    roster_sweep(&s.roster, s.ends[0], &set, 1, s.dir);
    assert_false(has_file(&s, "x.pem"));
    end(&s);
}

static void
test_more_than_there_are_indexes(void **state)
{
    struct setting s;
    begin(state, &s);
    struct sandbox_set *set = set_of(state, CLASS X Y);
    s.roster.n_records = ROSTER_MAX - 1;
    assert_int_equal(roster_allot(&s.roster, set), -1);
    assert_true(whole_logged(state, "more than 1048576 sandboxes"));
    assert_int_equal(s.roster.n_records, ROSTER_MAX);
    end(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WHOLE_TEST(test_enrol),
        WHOLE_TEST(test_serials_are_of_the_time),
        WHOLE_TEST(test_refused_by_the_keeper),
        WHOLE_TEST(test_answers_out_of_turn),
        WHOLE_TEST(test_keeper_that_is_gone),
        WHOLE_TEST(test_pem),
        WHOLE_TEST(test_publish_fails),
        WHOLE_TEST(test_sweep),
        WHOLE_TEST(test_more_than_there_are_indexes),
        WHOLE_TEST(test_sweep_that_fails_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
