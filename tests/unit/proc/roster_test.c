/*
 * The master and a keeper of the test's: who is declared, and that an answer is
 * never taken for another's.
 */

#include "roster_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "sandbox/sandbox_set.h"
#include "whole_conf.h"

#include <cmocka.h>

/* All at once, answered in their order. */
static void
test_enrol(void **state)
{
    struct roster_fixture s;
    fx_begin(state, &s);
    struct sandbox_set *set = fx_set_of(state, CLASS_A BOX_X BOX_Y);
    unsigned index;
    fx_enrol(&s, set);
    assert_int_equal(fx_turn(&s), 0);
    uint64_t serial = fx_asked_at(&s, CHAN_DECLARE, "x", &index);
    assert_int_equal(index, 0);
    assert_int_equal(fx_asked_at(&s, CHAN_DECLARE, "y", &index), serial + 1);
    assert_int_equal(index, 1);
    fx_says(&s, CHAN_CA, serial, "certificate of x");
    assert_int_equal(fx_turn(&s), 0);
    assert_int_equal(roster_state(&s.roster), ROSTER_ASKS);
    fx_says(&s, CHAN_CA, serial + 1, "of y");
    fx_is_enrolled(&s);
    const struct sandbox *x = sandbox_by_id(set, STR("x"));
    assert_int_equal(x->serial, serial);
    assert_int_equal(x->index, 0);
    assert_true(str_eq(x->ca_der, STR("certificate of x")));
    assert_int_equal(sandbox_by_id(set, STR("y"))->index, 1);
    /* Again: the same, and nobody is asked. */
    set = fx_set_of(state, CLASS_A BOX_Y BOX_X);
    fx_enrol(&s, set);
    fx_nothing_is_asked(&s);
    fx_is_enrolled(&s);
    assert_int_equal(sandbox_by_id(set, STR("x"))->serial, serial);
    fx_end(&s);
}

static unsigned
count_asked(struct roster_fixture *s)
{
    char buf[CHAN_DATA_MAX];
    struct chan_msg m;
    unsigned n = 0;
    while (chan_recv_wait(s->end, &m, buf, 0) == IO_OK) {
        n++;
    }
    return n;
}

/* So many are asked at once that neither side's socket is ever full. */
static void
test_many(void **state)
{
    enum { MANY = 1000 };
    struct roster_fixture s;
    char *text = NULL;
    size_t size;
    fx_begin(state, &s);
    FILE *f = open_memstream(&text, &size);
    fputs(CLASS_A, f);
    for (unsigned i = 0; i < MANY; i++) {
        fprintf(f, "sandbox s%u { class a; address 10.0.%u.%u; }", i, i / 250,
            i % 250 + 1);
    }
    fclose(f);
    uint64_t serial = s.roster.next_serial;
    fx_enrol(&s, fx_set_of(state, text));
    free(text);
    assert_int_equal(fx_turn(&s), 0);
    unsigned ahead = count_asked(&s);
    assert_in_range(ahead, 2, MANY / 2);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(roster_state(&s.roster), ROSTER_ASKS);
        fx_says(&s, CHAN_CA, serial + i, "der");
        assert_int_equal(fx_turn(&s), 0);
        assert_int_equal(count_asked(&s), i + ahead < MANY);
    }
    assert_false(link_is_waiting(&s.keeper));
    fx_is_enrolled(&s);
    fx_end(&s);
}

static void
test_serials_are_of_the_time(void **state)
{
    struct roster_fixture s;
    fx_begin(state, &s);
    uint64_t now = (uint64_t)(clock_wall() * 1e6);
    assert_true(s.roster.next_serial <= now);
    assert_true(s.roster.next_serial > now - 60000000);
    fx_end(&s);
}

static void
test_refused_by_the_keeper(void **state)
{
    struct roster_fixture s;
    fx_begin(state, &s);
    struct sandbox_set *set = fx_set_of(state, CLASS_A BOX_X);
    uint64_t serial = s.roster.next_serial;
    fx_enrol(&s, set);
    assert_int_equal(fx_turn(&s), 0);
    assert_int_equal(fx_asked(&s, CHAN_DECLARE, "x"), serial);
    fx_says(&s, CHAN_FAILED, serial, "the vault has no room");
    assert_int_equal(fx_turn(&s), 0);
    assert_true(whole_logged(state, "the keeper: the vault has no room"));
    fx_is_refused(&s);
    /* The next try is for the same serial. */
    fx_enrol(&s, set);
    assert_int_equal(fx_turn(&s), 0);
    assert_int_equal(fx_asked(&s, CHAN_DECLARE, "x"), serial);
    fx_says(&s, CHAN_CA, serial, "der");
    fx_is_enrolled(&s);
    fx_end(&s);
}

/* Each of these is hung up on, and none is believed. */
static void
test_answers_out_of_turn(void **state)
{
    static const struct {
        enum chan_type type;
        int number;
        const char *data, *logged;
    } bad[] = {
        { CHAN_DONE, 0, "", "answers out of turn" },
        { CHAN_FULL, 0, "", "answers out of turn" },
        { CHAN_FAILED, 1, "of another", "answers out of turn" },
        { CHAN_CA, 1, "of another", "answers out of turn" },
        { CHAN_CA, 0, "", "sent no certificate" },
    };
    for (unsigned i = 0; i < LEN(bad); i++) {
        struct roster_fixture s;
        fx_begin(state, &s);
        struct sandbox_set *set = fx_set_of(state, CLASS_A BOX_X);
        fx_enrol(&s, set);
        assert_int_equal(fx_turn(&s), 0);
        uint64_t serial = fx_asked(&s, CHAN_DECLARE, "x");
        fx_says(&s, bad[i].type, serial + (uint64_t)bad[i].number, bad[i].data);
        assert_int_equal(fx_turn(&s), -1);
        assert_true(whole_logged(state, bad[i].logged));
        roster_keeper_lost(&s.roster);
        fx_is_refused(&s);
        assert_int_equal(sandbox_by_id(set, STR("x"))->ca_der.n, 0);
        fx_end(&s);
    }
}

static void
test_answers_that_were_not_asked_for(void **state)
{
    struct roster_fixture s;
    fx_begin(state, &s);
    fx_says(&s, CHAN_DONE, 0, "");
    assert_int_equal(fx_turn(&s), -1);
    assert_true(whole_logged(state, "answers out of turn"));
    fx_end(&s);
}

static void
test_keeper_that_is_gone(void **state)
{
    struct roster_fixture s;
    fx_begin(state, &s);
    close(s.end);
    s.end = -1;
    fx_enrol(&s, fx_set_of(state, CLASS_A BOX_X));
    assert_int_equal(fx_turn(&s), -1);
    assert_true(whole_logged(state, "the keeper does not take messages"));
    roster_keeper_lost(&s.roster);
    fx_is_refused(&s);
    fx_end(&s);
}

/* The time is that of the oldest question: an answer gives the next as much. */
static void
test_keeper_that_is_late(void **state)
{
    struct roster_fixture s;
    fx_begin(state, &s);
    assert_true(roster_deadline(&s.roster) == 0);
    fx_enrol(&s, fx_set_of(state, CLASS_A BOX_X BOX_Y));
    uint64_t serial = s.roster.next_serial - 2;
    assert_int_equal(fx_turn(&s), 0);
    double first = roster_deadline(&s.roster);
    assert_true(first > clock_mono());
    s.roster.answer_by = clock_mono() + 1e-9;
    fx_says(&s, CHAN_CA, serial, "der");
    char buf[CHAN_DATA_MAX];
    struct chan_msg m;
    assert_int_equal(link_recv(&s.keeper, &m, buf), IO_OK);
    assert_int_equal(roster_answer(&s.roster, &m), 0);
    assert_true(roster_deadline(&s.roster) >= first);
    assert_int_equal(fx_turn(&s), 0);
    s.roster.answer_by = clock_mono();
    assert_int_equal(fx_turn(&s), -1);
    assert_true(whole_logged(state, "the keeper does not answer"));
    roster_keeper_lost(&s.roster);
    assert_true(roster_deadline(&s.roster) == 0);
    fx_is_refused(&s);
    fx_end(&s);
}

/* It is undone, and those that were asked for are had the next time. */
static void
test_enrolment_that_ends_early(void **state)
{
    struct roster_fixture s;
    fx_begin(state, &s);
    struct sandbox_set *set = fx_set_of(state, CLASS_A BOX_X BOX_Y);
    fx_enrol(&s, set);
    assert_int_equal(fx_turn(&s), 0);
    uint64_t serial = fx_asked(&s, CHAN_DECLARE, "x");
    (void)fx_asked(&s, CHAN_DECLARE, "y");
    assert_false(roster_is_idle(&s.roster));
    roster_enrol_end(&s.roster);
    assert_false(roster_is_idle(&s.roster));
    fx_says(&s, CHAN_CA, serial, "der");
    fx_nothing_is_asked(&s);
    fx_enrol(&s, set);
    fx_nothing_is_asked(&s);
    assert_int_equal(roster_state(&s.roster), ROSTER_ASKS);
    fx_says(&s, CHAN_CA, serial + 1, "der");
    fx_is_enrolled(&s);
    assert_true(roster_is_idle(&s.roster));
    fx_end(&s);
}

static void
test_more_than_there_are_indexes(void **state)
{
    struct roster_fixture s;
    fx_begin(state, &s);
    struct sandbox_set *set = fx_set_of(state, CLASS_A BOX_X BOX_Y);
    s.roster.n_records = ROSTER_MAX - 1;
    assert_int_equal(roster_allot(&s.roster, set), -1);
    assert_true(whole_logged(state, "more than 1048576 sandboxes"));
    assert_int_equal(s.roster.n_records, ROSTER_MAX);
    fx_end(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WHOLE_TEST(test_enrol),
        WHOLE_TEST(test_many),
        WHOLE_TEST(test_serials_are_of_the_time),
        WHOLE_TEST(test_refused_by_the_keeper),
        WHOLE_TEST(test_answers_out_of_turn),
        WHOLE_TEST(test_answers_that_were_not_asked_for),
        WHOLE_TEST(test_keeper_that_is_gone),
        WHOLE_TEST(test_keeper_that_is_late),
        WHOLE_TEST(test_enrolment_that_ends_early),
        WHOLE_TEST(test_more_than_there_are_indexes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
